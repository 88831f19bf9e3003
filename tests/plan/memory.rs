//! Plans of whole models: sound, and near the lower bound of memory.

use super::checker::{array_bytes, check, lower_bound};
use super::models::{UNWRITTEN, cases, plan_options};
use srdiff::graph::{Layout, PlanOptions, Precision, Role, Storage, plan};
use srdiff::model::{names, phases};
use srdiff::ops::Op;

const GPU: PlanOptions = PlanOptions {
    layout: Layout::ChannelBlocks4,
    precision: Precision::F32,
};

#[test]
fn no_two_live_values_share_a_slot_and_every_read_finds_its_write() {
    for case in cases() {
        for options in plan_options() {
            let faults = check(&case.graphs(), &case.program(options), UNWRITTEN);
            assert!(faults.is_empty(), "{}, {options:?}: {faults:#?}", case.name);
        }
    }
}

#[test]
fn peak_memory_is_near_the_lower_bound() {
    for case in cases() {
        for options in plan_options() {
            let program = case.program(options);
            let memory = program.memory;
            let bound = lower_bound(&case.graphs(), &program);
            assert_eq!(
                memory.largest_live_set, bound,
                "{}: the report and the steps' own count differ",
                case.name
            );
            let ratio = memory.temporary_bytes as f64 / bound as f64;
            println!(
                "{:<38} {:?} {:?}: temporaries {:.2} MiB, lower bound {:.2} MiB ({ratio:.3}x), unshared {:.2} MiB, persistent {:.2} MiB",
                case.name,
                options.layout,
                options.precision,
                mib(memory.temporary_bytes),
                mib(bound),
                mib(memory.unshared_bytes),
                mib(memory.persistent_bytes),
            );
            assert!(ratio >= 1.0, "{}: below the lower bound", case.name);
            assert!(
                ratio <= case.most_over_lower_bound,
                "{}, {options:?}: {ratio:.3} times the lower bound",
                case.name
            );
        }
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

#[test]
fn the_memory_report_adds_up() {
    for case in cases() {
        let program = case.program(GPU);
        let owned = |owned: bool| -> u64 {
            let of_kind = |slot: &&srdiff::graph::Slot| slot.owner.is_some() == owned;
            program.slots.iter().filter(of_kind).map(|s| s.bytes).sum()
        };
        let graphs = case.graphs();
        let unshared: u64 = graphs
            .iter()
            .zip(&program.phases)
            .flat_map(|(graph, plan)| graph.values.iter().zip(&plan.values))
            .filter(|(value, _)| value.role == Role::Temporary && value.view_of.is_none())
            .map(|(_, planned)| array_bytes(planned))
            .sum();
        assert_eq!(program.memory.persistent_bytes, owned(true));
        assert_eq!(program.memory.temporary_bytes, owned(false));
        assert_eq!(program.memory.unshared_bytes, unshared);
        assert_eq!(program.slot_bytes(), owned(true) + owned(false));
    }
}

#[test]
fn concatenations_cost_nothing() {
    for case in cases() {
        for plan in case.program(GPU).phases {
            let copies = plan.steps.iter().filter(|s| matches!(s.op, Op::Copy(_)));
            // A feature map that conditions the U-Net and also goes on through
            // the encoder is in two concatenations, so one of them copies it.
            let expected = match plan.name.as_str() {
                names::IMAGE => (2..case.settings.rrdb_blocks - 1).step_by(3).count(),
                _ => 0,
            };
            assert_eq!(copies.count(), expected, "{}, {}", case.name, plan.name);
        }
    }
}

#[test]
fn a_kept_value_is_never_overwritten() {
    for case in cases() {
        let mut graphs = case.graphs();
        let kept = |name: &str| name.starts_with("unet.down.") || name.starts_with("encoder.feat.");
        phases::keep(&mut graphs, &kept);
        let program = plan(&graphs, GPU).expect(case.name);
        let faults = check(&graphs, &program, UNWRITTEN);
        assert!(faults.is_empty(), "{}: {faults:#?}", case.name);
        let value = program.find_persistent("unet.down.0").expect("kept");
        let (slot, _, _) = value.place();
        assert!(program.slots[slot].owner.is_some(), "{}", case.name);
        for map in 0..=case.settings.rrdb_blocks {
            let name = format!("encoder.feat.{map}");
            assert!(
                program.find_persistent(&name).is_some(),
                "{}: {name}",
                case.name
            );
        }
    }
}

#[test]
fn the_checker_catches_two_live_values_in_one_slot() {
    let case = &cases()[0];
    let (graphs, mut program) = (case.graphs(), case.program(GPU));
    let step = program.phase(names::STEP).unwrap();
    // The skip of level 1 is alive while the levels below it are computed.
    let skip = program.phases[step].find("unet.joined.1").unwrap();
    let (taken, _, _) = skip.place();
    let plan = &mut program.phases[step];
    let below = plan
        .values
        .iter_mut()
        .find(|v| v.name == "mid_block1.hidden");
    let Storage::Slot { slot, .. } = &mut below.unwrap().storage else {
        panic!("a temporary has a slot");
    };
    assert_ne!(*slot, taken, "the planner keeps them apart");
    *slot = taken;
    let faults = check(&graphs, &program, UNWRITTEN).join("\n");
    assert!(
        faults.contains("'unet.joined.1' and 'mid_block1.hidden' are both alive"),
        "{faults}"
    );
    assert!(
        faults.contains("reads group 1 of 'unet.joined.1'"),
        "{faults}"
    );
}

#[test]
fn the_checker_catches_each_kind_of_misplacement() {
    let case = &cases()[0];
    let graphs = case.graphs();
    let step = case.program(GPU).phase(names::STEP).unwrap();
    let broken = |name: &str, change: &dyn Fn(&mut usize, &mut usize, &mut usize)| {
        let mut program = case.program(GPU);
        let values = &mut program.phases[step].values;
        let value = values.iter_mut().find(|v| v.name == name).expect(name);
        let Storage::Slot {
            slot,
            channel_offset,
            channel_stride,
        } = &mut value.storage
        else {
            panic!("'{name}' has a slot");
        };
        change(slot, channel_offset, channel_stride);
        check(&graphs, &program, UNWRITTEN).join("\n")
    };
    let conditioning = case
        .program(GPU)
        .find_persistent(names::CONDITIONING)
        .unwrap()
        .place()
        .0;

    let unaligned = broken("unet.down.1", &|_, offset, _| *offset += 2);
    assert!(unaligned.contains("starts at channel 66"), "{unaligned}");
    let beyond = broken("unet.down.1", &|_, offset, _| *offset += 64);
    assert!(beyond.contains("channels 128..192 of 128"), "{beyond}");
    let over_state = broken("downs.0.0.hidden", &|slot, _, _| *slot = conditioning);
    assert!(
        over_state.contains("'downs.0.0.hidden' overwrites 'conditioning'"),
        "{over_state}"
    );
    let nowhere = broken("downs.0.0.hidden", &|slot, _, _| *slot = 10_000);
    assert!(nowhere.contains("slot 10000"), "{nowhere}");
}
