//! Plans as JSON and as text.

use super::models::{cases, plan_options};
use srdiff::graph::{Program, dump_program};

#[test]
fn plans_go_to_json_and_back_unchanged() {
    for case in cases() {
        for options in plan_options() {
            let program = case.program(options);
            let json = serde_json::to_string(&program).expect("a plan is plain data");
            let back: Program = serde_json::from_str(&json).expect("as it was written");
            assert_eq!(back, program, "{}", case.name);
        }
    }
}

#[test]
fn graphs_go_to_json_and_back_unchanged() {
    for case in cases() {
        let graphs = case.graphs();
        let json = serde_json::to_string(&graphs).expect("a graph is plain data");
        let back: Vec<srdiff::graph::Graph> = serde_json::from_str(&json).expect("as written");
        assert_eq!(back, graphs, "{}", case.name);
    }
}

#[test]
fn the_dump_has_a_line_for_every_step_and_slot() {
    for case in cases() {
        for options in plan_options() {
            let program = case.program(options);
            let text = dump_program(&program);
            let mut lines = text.lines();
            for phase in &program.phases {
                let title = lines.next().expect("a phase has a title");
                assert!(title.starts_with(&format!("phase {} ", phase.name)));
                assert!(title.contains(&format!("{} steps", phase.steps.len())));
                for (index, step) in phase.steps.iter().enumerate() {
                    let line = lines.next().expect("a step has a line");
                    let mut words = line.split_whitespace();
                    assert_eq!(words.next(), Some(index.to_string().as_str()), "{line}");
                    assert_eq!(words.next(), Some(step.op.name()), "{line}");
                    for &id in step.inputs.iter().chain(&step.outputs) {
                        let value = &phase.values[id];
                        let entry = format!("{} {}", value.name, value.shape);
                        assert!(line.contains(&entry), "{entry} is not in: {line}");
                    }
                }
            }
            assert_eq!(lines.next(), Some("slots"));
            for (index, slot) in program.slots.iter().enumerate() {
                let line = lines.next().expect("a slot has a line");
                let owner = slot.owner.as_deref().unwrap_or("temporaries");
                assert!(line.trim().starts_with(&format!("@{index} ")), "{line}");
                assert!(line.ends_with(owner), "{line}");
            }
            assert!(lines.next().expect("the sum").starts_with("memory: "));
            assert_eq!(lines.next(), None);
        }
    }
}
