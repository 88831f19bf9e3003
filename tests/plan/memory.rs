//! Plans of whole models: sound, and near the lower bound of memory.

use super::checker::Planned;
use super::lives::{lower_bound, undivided_bound};
use super::models::{Case, ORDER, Setup, UNWRITTEN, cases, setups};
use super::places::slot_bytes;
use srdiff::exec::gpu::BufferUse;
use srdiff::exec::{PrepareOptions, Target};
use srdiff::graph::{Graph, Role, ValueId};
use srdiff::model::names;
use srdiff::ops::Op;
use srdiff::plan::{Owner, PlannedValue, Precision, Program, plan};

fn gpu() -> Setup {
    Setup::gpu(Precision::F32, true)
}

#[test]
fn no_two_live_values_share_a_slot_and_every_read_finds_its_write() {
    for case in cases() {
        for setup in setups() {
            let faults = case.planned(&setup).faults(ORDER, UNWRITTEN);
            assert!(faults.is_empty(), "{}, {setup:?}: {faults:#?}", case.name);
        }
    }
}

#[test]
fn preparing_gives_the_program_that_was_judged() {
    for case in cases() {
        for setup in setups() {
            let options = PrepareOptions {
                fuse: setup.fuse,
                trainable: false,
            };
            let prepared = setup.target.prepare(&case.graphs(), &options);
            let prepared = prepared.expect(case.name);
            let judged = case.planned(&setup).program;
            assert_eq!(*prepared.program(), judged, "{}, {setup:?}", case.name);
        }
    }
}

#[test]
fn peak_memory_is_near_the_lower_bound() {
    for case in cases() {
        for setup in setups() {
            let planned = case.planned(&setup);
            let memory = planned.program.memory;
            let bound = lower_bound(&planned);
            assert_eq!(
                memory.largest_live_set, bound,
                "{}, {setup:?}: the report and the nodes' own count differ",
                case.name
            );
            // The phase that packs has plain tensors of any size, one at a
            // time; without it, slots waste little of the largest live set.
            let Planned { made, program, .. } = planned;
            let (pack, others) = planned.chosen.split_first().expect("PACK is there");
            let unpacked = Planned {
                program: plan(others, program.threads, program.precision).expect(case.name),
                graphs: planned.graphs,
                chosen: others.to_vec(),
                made,
            };
            let (least, bytes) = (
                lower_bound(&unpacked),
                unpacked.program.memory.temporary_bytes,
            );
            let ratio = bytes as f64 / least as f64;
            println!(
                "{:<38} {:?} fused {}: temporaries {:.2} MiB, lower bound {:.2} MiB ({ratio:.3}x), with plain tensors {:.2} MiB",
                case.name,
                program.precision,
                setup.fuse,
                mib(bytes),
                mib(least),
                mib(memory.temporary_bytes),
            );
            assert!(ratio >= 1.0, "{}: below the lower bound", case.name);
            // Graphs as they were built have more small arrays beside large
            // ones; how well these fit, the next test says.
            assert!(
                !setup.fuse || ratio <= case.most_over_lower_bound,
                "{}, {setup:?}: {ratio:.3} times the lower bound",
                case.name
            );
            let sizes = pack.values.iter().zip(&program.phases[0].values);
            let tensors = sizes.filter(|(value, _)| value.role == Role::Parameter);
            let largest = tensors.map(|(_, planned)| slot_bytes(planned)).max();
            let most = bytes + largest.expect("a model has weights");
            assert!(memory.temporary_bytes <= most, "{}, {setup:?}", case.name);
        }
    }
}

#[test]
fn slots_are_as_few_and_small_as_they_can_be() {
    for case in cases() {
        for setup in setups() {
            let planned = case.planned(&setup);
            let (bound, bytes) = (
                undivided_bound(&planned),
                planned.program.memory.temporary_bytes,
            );
            let ratio = bytes as f64 / bound as f64;
            assert!(ratio >= 1.0, "{}: below the lower bound", case.name);
            assert!(
                ratio <= case.most_over_lower_bound,
                "{}, {setup:?}: {ratio:.3} times the least that slots can take",
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
        for setup in setups() {
            let planned = case.planned(&setup);
            let (program, memory) = (&planned.program, planned.program.memory);
            let owned = |is: &dyn Fn(&Owner) -> bool| -> u64 {
                let slots = program.slots.iter().filter(|slot| is(&slot.owner));
                slots.map(|slot| slot.bytes).sum()
            };
            let temporaries = owned(&|owner| *owner == Owner::Temporaries);
            let threads = owned(&|owner| *owner == Owner::Threads);
            let values = owned(&|owner| matches!(owner, Owner::Value(_)));
            let weights = owned(&|owner| matches!(owner, Owner::Packed(_)));
            assert_eq!(memory.temporary_bytes, temporaries);
            assert_eq!(memory.thread_bytes, threads);
            assert_eq!(memory.persistent_bytes, values);
            assert_eq!(memory.weight_bytes, weights);
            assert_eq!(memory.unshared_bytes, unshared(&planned));
            assert_eq!(memory.executor_bytes, 0);
            assert_eq!(memory.host_bytes, largest_output(program));
            let slots: u64 = program.slots.iter().map(|slot| slot.bytes).sum();
            assert_eq!(slots, temporaries + threads + values + weights);
            assert_eq!(memory.device_bytes(), slots);
            assert_eq!(memory.total_bytes(), slots + memory.host_bytes);
        }
    }
}

/// Bytes of temporaries, scratch and plain tensors, each by itself.
fn unshared(planned: &Planned) -> u64 {
    let phases = planned.chosen.iter().zip(&planned.program.phases);
    let values = phases.flat_map(|(graph, phase)| graph.values.iter().zip(&phase.values));
    values
        .filter(|(value, _)| matches!(value.role, Role::Temporary | Role::Parameter))
        .filter(|(value, _)| value.view_of.is_none())
        .map(|(_, planned)| slot_bytes(planned))
        .sum()
}

/// Bytes of f32 that the host gets of the largest output.
fn largest_output(program: &Program) -> u64 {
    let values = program.phases.iter().flat_map(|phase| &phase.values);
    let outputs = values.filter(|value| value.role == Role::Output);
    let bytes = |v: &PlannedValue| 4 * (v.shape.n * v.shape.c * v.shape.h * v.shape.w) as u64;
    outputs.map(bytes).max().expect("a model has outputs")
}

#[test]
fn lowering_adds_uniforms_records_and_what_results_are_read_through() {
    for case in cases() {
        for precision in [Precision::F32, Precision::F16] {
            let Setup { target, .. } = Setup::gpu(precision, true);
            let prepared = target.prepare(&case.graphs(), &PrepareOptions::default());
            let prepared = prepared.expect(case.name);
            let (program, lowered) = (prepared.program(), prepared.lowered().expect("a GPU"));
            let bytes = |role: BufferUse| {
                let found = lowered.buffers.iter().filter(|b| b.role == role);
                let found: Vec<u64> = found.map(|buffer| buffer.bytes).collect();
                assert_eq!(found.len(), 1, "{role:?}");
                found[0]
            };
            // The struct of each dispatch, 256 bytes apart.
            let uniforms = bytes(BufferUse::Uniforms);
            let at = lowered.buffer(&BufferUse::Uniforms).expect("it is there");
            let commands = lowered.phases.iter().flat_map(|phase| &phase.commands);
            let bound = commands.flat_map(|command| &command.bindings);
            let structs = bound.filter(|bound| bound.buffer == at);
            let needed: u64 = structs.map(|b| b.bytes.next_multiple_of(256)).sum();
            assert_eq!(uniforms, needed);
            assert_eq!(uniforms, 4 * lowered.uniforms.len() as u64);
            // A record for each timestep and one more, 256 bytes apart.
            let records = bytes(BufferUse::Records);
            assert_eq!(records, 256 * (case.settings.timesteps as u64 + 1));
            let stored = program.find_persistent(names::SR).expect("the result");
            let stored = program.slots[stored.slot].bytes;
            let readback = bytes(BufferUse::Readback);
            // The count of work comes after the result.
            assert_eq!(readback, (stored + 4).clamp(1 << 16, 16 << 20));

            let (before, after) = (program.memory, prepared.memory());
            assert_eq!(after.executor_bytes, uniforms + records + readback);
            assert_eq!(after.host_bytes, before.host_bytes + stored);
            let buffers: u64 = lowered.buffers.iter().map(|buffer| buffer.bytes).sum();
            assert_eq!(after.device_bytes(), buffers);
            for (buffer, slot) in lowered.buffers.iter().zip(&program.slots) {
                assert_eq!(buffer.bytes, slot.bytes);
                assert_eq!(buffer.role, BufferUse::Slot(slot.owner.clone()));
            }
            assert_eq!(lowered.buffers.len(), program.slots.len() + 3);
        }
    }
}

#[test]
fn more_threads_take_more_memory_for_threads_alone() {
    let case = &cases()[2];
    let memory = |threads| case.planned(&Setup::cpu(threads, true)).program.memory;
    let (one, seven) = (memory(1), memory(7));
    assert!(one.thread_bytes > 0);
    assert!(seven.thread_bytes > one.thread_bytes);
    assert_eq!(seven.temporary_bytes, one.temporary_bytes);
    assert_eq!(seven.weight_bytes, one.weight_bytes);
}

#[test]
fn concatenations_cost_nothing() {
    for case in cases() {
        for phase in case.planned(&gpu()).program.phases {
            let is_copy = |op: &Op| match op {
                Op::Pointwise(op) => op.epilogue.is_identity(),
                op => matches!(op, Op::Convert(_)),
            };
            let copies = phase.nodes.iter().filter(|node| is_copy(&node.op));
            // A feature map that conditions the U-Net and also goes on through
            // the encoder is in two concatenations, so one of them copies it.
            let expected = match phase.name.as_str() {
                names::IMAGE => (2..case.settings.rrdb_blocks - 1).step_by(3).count(),
                _ => 0,
            };
            assert_eq!(copies.count(), expected, "{}, {}", case.name, phase.name);
        }
    }
}

/// Makes outputs of the temporaries with these names, as tests do that look at
/// what is in between.
fn keep(graphs: &mut [Graph], names: &dyn Fn(&str) -> bool) {
    for graph in graphs {
        let ids: Vec<ValueId> = (0..graph.values.len()).map(ValueId).collect();
        let kept: Vec<ValueId> = ids
            .iter()
            .copied()
            .filter(|&id| names(&graph.value(id).name))
            .collect();
        for root in kept
            .into_iter()
            .map(|id| graph.root(id))
            .collect::<Vec<_>>()
        {
            for &id in &ids {
                if graph.root(id) == root && graph.value(id).role == Role::Temporary {
                    graph.values[id.0].role = Role::Output;
                }
            }
        }
    }
}

#[test]
fn a_kept_value_is_never_overwritten() {
    for case in cases() {
        for setup in [gpu(), Setup::cpu(2, true), Setup::cpu(2, false)] {
            let mut graphs = case.graphs();
            let kept =
                |name: &str| name.starts_with("unet.down.") || name.starts_with("encoder.feat.");
            keep(&mut graphs, &kept);
            let planned = setup.plan(graphs, false).expect(case.name);
            let faults = planned.faults(ORDER, UNWRITTEN);
            assert!(faults.is_empty(), "{}: {faults:#?}", case.name);
            let program = &planned.program;
            let value = program.find_persistent("unet.down.0").expect("kept");
            let owner = &program.slots[value.slot].owner;
            assert!(matches!(owner, Owner::Value(_)), "{}", case.name);
            for map in 0..=case.settings.rrdb_blocks {
                let name = format!("encoder.feat.{map}");
                let found = program.find_persistent(&name);
                assert!(found.is_some(), "{}: {name}", case.name);
            }
        }
    }
}

/// What the checker says of a plan with one value of a phase changed.
fn broken(setup: &Setup, phase: &str, name: &str, change: &dyn Fn(&mut PlannedValue)) -> String {
    let mut planned = cases()[0].planned(setup);
    let mut phases = planned.program.phases.iter_mut();
    let phase = phases.find(|known| known.name == phase).expect(phase);
    let value = phase.values.iter_mut().find(|v| v.name == name);
    change(value.expect(name));
    planned.faults(ORDER, UNWRITTEN).join("\n")
}

#[test]
fn the_checker_catches_two_live_values_in_one_slot() {
    let case: &Case = &cases()[0];
    let program = case.planned(&gpu()).program;
    let predict = program.phase(names::PREDICT).unwrap();
    // The skip of level 1 is alive while the levels below it are computed.
    let taken = predict.find("unet.joined.1").unwrap().slot;
    let faults = broken(&gpu(), names::PREDICT, "mid_block1.hidden", &|value| {
        assert_ne!(value.slot, taken, "the planner keeps them apart");
        value.slot = taken;
    });
    for expected in [
        "'unet.joined.1' and 'mid_block1.hidden' are both alive",
        "reads 'unet.joined.1' as",
    ] {
        assert!(faults.contains(expected), "{faults}");
    }
}

#[test]
fn the_checker_catches_each_kind_of_misplacement() {
    let program = cases()[0].planned(&gpu()).program;
    let slot = |name: &str| program.find_persistent(name).unwrap().slot;
    let conditioning = slot(names::CONDITIONING);
    let predict = |name: &str, change: &dyn Fn(&mut PlannedValue)| {
        broken(&gpu(), names::PREDICT, name, change)
    };

    let unaligned = predict("unet.down.1", &|value| value.channel_offset += 2);
    assert!(unaligned.contains("starts at channel 66"), "{unaligned}");
    let beyond = predict("unet.down.1", &|value| value.channel_offset += 64);
    assert!(beyond.contains("channels 128..192 of 128"), "{beyond}");
    let over_state = predict("downs.0.0.hidden", &|value| value.slot = conditioning);
    assert!(
        over_state.contains("'downs.0.0.hidden' overwrites 'conditioning'"),
        "{over_state}"
    );
    let nowhere = predict("downs.0.0.hidden", &|value| value.slot = 10_000);
    assert!(nowhere.contains("slot 10000"), "{nowhere}");
    let half = predict("downs.0.0.hidden", &|value| {
        value.format.precision = Precision::F16;
    });
    assert!(half.contains("was chosen in another format"), "{half}");
}

#[test]
fn the_checker_catches_misplaced_weights_scratch_and_threads() {
    let setup = Setup::cpu(2, true);
    // Only the third model has GroupNorm, which works in scratch arrays.
    let case = &cases()[2];
    let faults = |change: &dyn Fn(&mut Planned)| {
        let mut planned = case.planned(&setup);
        change(&mut planned);
        planned.faults(ORDER, UNWRITTEN).join("\n")
    };
    let predict = |planned: &Planned| {
        let mut phases = planned.program.phases.iter();
        phases
            .position(|phase| phase.name == names::PREDICT)
            .unwrap()
    };

    let swapped = faults(&|planned| {
        let packed: Vec<usize> = planned.program.phases[0].nodes[..2]
            .iter()
            .map(|n| n.outputs[0])
            .collect();
        let nodes = &mut planned.program.phases[0].nodes;
        (nodes[0].outputs[0], nodes[1].outputs[0]) = (packed[1], packed[0]);
    });
    assert!(swapped.contains("is packed"), "{swapped}");
    let unpacked = faults(&|planned| _ = planned.program.phases[0].nodes.pop());
    assert!(
        unpacked.contains("as packed") || unpacked.contains("reads '"),
        "{unpacked}"
    );
    let tensor = faults(&|planned| {
        let phase = &mut planned.program.phases[0];
        let (plain, packed) = (phase.nodes[0].inputs[0], phase.nodes[0].outputs[0]);
        phase.values[plain].slot = phase.values[packed].slot;
    });
    assert!(tensor.contains("are both alive"), "{tensor}");

    let scratch = faults(&|planned| {
        let at = predict(planned);
        let phase = &mut planned.program.phases[at];
        let node = phase.nodes.iter().find(|node| !node.scratch.is_empty());
        let node = node.expect("GroupNorm has scratch").clone();
        phase.values[node.scratch[0]].slot = phase.values[node.inputs[0]].slot;
    });
    assert!(scratch.contains("are both alive"), "{scratch}");
    assert!(scratch.contains("group_norm reads"), "{scratch}");

    let threads = faults(&|planned| {
        let slots = &mut planned.program.slots;
        let slot = slots.iter_mut().find(|slot| slot.owner == Owner::Threads);
        slot.unwrap().bytes -= 64;
    });
    assert!(threads.contains("bytes, but"), "{threads}");
    let among_threads = faults(&|planned| {
        let slots = &planned.program.slots;
        let slot = slots.iter().position(|slot| slot.owner == Owner::Threads);
        let at = predict(planned);
        let phase = &mut planned.program.phases[at];
        let value = phase
            .values
            .iter_mut()
            .find(|v| v.name == "downs.0.0.hidden");
        value.unwrap().slot = slot.unwrap();
    });
    assert!(among_threads.contains("of threads"), "{among_threads}");
}

#[test]
fn a_program_for_a_cpu_is_not_lowered() {
    let graphs = cases()[3].graphs();
    let prepared = Target::Cpu {
        threads: 2,
        precision: Precision::F32,
    }
    .prepare(&graphs, &PrepareOptions::default());
    let prepared = prepared.unwrap();
    assert!(prepared.lowered().is_none());
    assert_eq!(prepared.memory(), prepared.program().memory);
}
