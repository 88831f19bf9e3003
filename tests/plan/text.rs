//! Plans as JSON and as text.

use super::models::{cases, setups};
use srdiff::exec::PrepareOptions;
use srdiff::exec::gpu::Lowered;
use srdiff::graph::Graph;
use srdiff::plan::{Phase, Program, Variant, dump_program};

#[test]
fn plans_go_to_json_and_back_unchanged() {
    for case in cases() {
        for setup in setups() {
            let options = PrepareOptions {
                fuse: setup.fuse,
                trainable: false,
            };
            let prepared = setup.target.prepare(&case.graphs(), &options).unwrap();
            let json = serde_json::to_string(prepared.program()).expect("plain data");
            let back: Program = serde_json::from_str(&json).expect("as it was written");
            assert_eq!(back, *prepared.program(), "{}", case.name);
            back.check().expect("as it was planned");
            if let Some(lowered) = prepared.lowered() {
                let json = serde_json::to_string(lowered).expect("plain data");
                let back: Lowered = serde_json::from_str(&json).expect("as it was written");
                assert_eq!(back, *lowered, "{}", case.name);
            }
            // Planning again what came back gives the same dispatches.
            let again = setup.target.lower(back).expect("as it was planned");
            assert_eq!(again.lowered(), prepared.lowered(), "{}", case.name);
        }
    }
}

#[test]
fn graphs_go_to_json_and_back_unchanged() {
    for case in cases() {
        for setup in setups() {
            let graphs = case.planned(&setup).graphs;
            let json = serde_json::to_string(&graphs).expect("a graph is plain data");
            let back: Vec<Graph> = serde_json::from_str(&json).expect("as written");
            assert_eq!(back, graphs, "{}", case.name);
        }
    }
}

#[test]
fn the_dump_has_a_line_for_every_node_and_slot() {
    for case in cases() {
        for setup in setups() {
            let program = case.planned(&setup).program;
            let text = dump_program(&program, &program.memory);
            let mut lines = text.lines();
            for phase in &program.phases {
                let title = lines.next().expect("a phase has a title");
                assert!(title.starts_with(&format!("phase {} ", phase.name)));
                assert!(title.contains(&format!("{} nodes", phase.nodes.len())));
                for index in 0..phase.nodes.len() {
                    let line = lines.next().expect("a node has a line");
                    check_node(phase, index, line);
                }
            }
            assert_eq!(lines.next(), Some("slots"));
            for (index, slot) in program.slots.iter().enumerate() {
                let line = lines.next().expect("a slot has a line");
                assert!(line.trim().starts_with(&format!("@{index} ")), "{line}");
                assert!(line.ends_with(slot.owner.name()), "{line}");
            }
            assert!(lines.next().expect("the sum").starts_with("memory: "));
            assert_eq!(lines.next(), None);
        }
    }
}

/// The line has the node's number, operation, kernel, values and their slots.
fn check_node(phase: &Phase, index: usize, line: &str) {
    let node = &phase.nodes[index];
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some(index.to_string().as_str()), "{line}");
    assert_eq!(words.next(), Some(node.op.name()), "{line}");
    if node.variant != Variant::Only {
        let kernel = format!("{} ({})", node.op.name(), node.variant);
        assert!(line.contains(&kernel), "{kernel} is not in: {line}");
    }
    let ids = node.inputs.iter().chain(&node.outputs);
    for &id in ids.chain(&node.scratch) {
        let value = &phase.values[id];
        let entry = format!(" {} {}", value.name, value.shape);
        let at = line.find(&entry);
        let at = at.unwrap_or_else(|| panic!("{entry} is not in: {line}"));
        let rest = line[at + entry.len()..].split([',', '-', ';']).next();
        let mut words = rest.into_iter().flat_map(str::split_whitespace);
        let slot = format!("@{}", value.slot);
        let found = words.any(|word| word.split('[').next() == Some(&slot));
        assert!(found, "{entry} {slot}: {line}");
    }
}
