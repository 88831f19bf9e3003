//! Lowered programs against the shaders they name: every uniform and binding
//! is filled by name, so what is left to prove is that nothing can be left
//! out, and that the numbers are those of the plan.

use srdiff::exec::gpu::shader::{BindingKind, Specialised};
use srdiff::exec::gpu::{AdapterSummary, BufferUse, Command, GpuChooser, Lowered, Module};
use srdiff::exec::{PrepareOptions, Prepared, StepRecord, Target};
use srdiff::graph::Graph;
use srdiff::model::objective::{self, ObjectiveOptions, Stage};
use srdiff::model::{Attention, Model, PhaseOptions, Settings, phases};
use srdiff::ops::{Adam, NoiseSource, Norm};
use srdiff::plan::{PlannedValue, Precision, Variant};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::offset_of;

/// Programs that use every shader of the models, fused and not.
fn programs() -> Vec<Prepared> {
    let plain = Settings {
        hidden: 8,
        mults: vec![1, 2],
        rrdb_features: 8,
        rrdb_blocks: 5,
        rrdb_growth: 4,
        timesteps: 10,
        ..Model::starter().settings().clone()
    };
    let rich = Settings {
        groups: Some(4),
        up_input: true,
        attention: Some(Attention {
            heads: 2,
            head_dim: 4,
        }),
        ..plain.clone()
    };
    let graphs = |settings: &Settings, noise| -> Vec<Graph> {
        let options = PhaseOptions {
            batch: 2,
            noise,
            sr_head: true,
            ..PhaseOptions::new([12, 8])
        };
        phases::build(settings, &options).expect("a valid model")
    };
    let mut programs = Vec::new();
    let gemm = Variant::Gemm {
        pixels: 32,
        outputs: 32,
        depth: 16,
    };
    let spatial = Variant::SpatialTile {
        width: 8,
        height: 8,
        outputs: 32,
    };
    let winograd = Variant::WinogradPasses {
        results: 4,
        pixels: 64,
        outputs: 32,
        depth: 16,
    };
    let matrix = Variant::MatrixTile {
        side: 16,
        subgroup: 32,
        width: 16,
        height: 8,
        outputs: 64,
        emulated: false,
    };
    let by = [gemm, spatial, winograd].map(|variant| (variant, Precision::F32));
    for (variant, precision) in by.into_iter().chain([(matrix, Precision::F16)]) {
        let chooser = GpuChooser {
            conv2d: Some(variant),
            conv_transpose2d: Some(variant),
            ..GpuChooser::new(precision)
        };
        let target = Target::gpu(&AdapterSummary::baseline(), precision);
        let graphs = graphs(&plain, NoiseSource::Generated);
        let prepared = target.prepare_with(&graphs, &chooser, false);
        programs.push(prepared.expect("a valid program"));
    }
    for graphs in [
        graphs(&plain, NoiseSource::Generated),
        graphs(&rich, NoiseSource::Replayed),
    ] {
        for precision in [Precision::F32, Precision::F16] {
            for fuse in [true, false] {
                let target = Target::gpu(&AdapterSummary::baseline(), precision);
                let options = PrepareOptions {
                    fuse,
                    trainable: false,
                };
                programs.push(target.prepare(&graphs, &options).expect("a valid program"));
            }
        }
    }
    for settings in [&plain, &rich] {
        for precision in [Precision::F32, Precision::F16] {
            let target = Target::gpu(&AdapterSummary::baseline(), precision);
            let options = PrepareOptions {
                fuse: true,
                trainable: true,
            };
            let graphs = training(settings);
            programs.push(target.prepare(&graphs, &options).expect("a valid program"));
        }
    }
    programs
}

fn training(settings: &Settings) -> Vec<Graph> {
    let options = ObjectiveOptions {
        stage: Stage::Joint,
        norm: Norm::L1,
        batch: 2,
        height: 8,
        width: 12,
        accumulates: true,
        segments: 1,
        adam: Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        },
    };
    let objective = objective::build(settings, &options);
    objective.expect("a valid model").graphs
}

/// The uniform struct of a command by the names of its members.
fn uniforms(lowered: &Lowered, command: &Command) -> BTreeMap<String, Vec<u32>> {
    let pipeline = &lowered.pipelines[command.pipeline];
    let Module {
        shader, parameters, ..
    } = &lowered.modules[pipeline.module];
    let specialised = Specialised::new(shader, parameters).expect("a valid shader");
    let entry = specialised.entry(&pipeline.entry).expect("an entry point");
    let dims = entry
        .bindings
        .iter()
        .find_map(|binding| match &binding.kind {
            BindingKind::Uniform { members, .. } if binding.group == 0 => {
                Some((binding.index, members))
            }
            _ => None,
        });
    let (index, members) = dims.expect("every kernel has dimensions");
    let bound = command.bindings.iter().find(|bound| bound.index == index);
    let bound = bound.expect("the dimensions are bound");
    assert_eq!(lowered.buffers[bound.buffer].role, BufferUse::Uniforms);
    let words = &lowered.uniforms[bound.offset as usize / 4..][..bound.bytes as usize / 4];
    let member = |m: &srdiff::exec::gpu::shader::Member| {
        (m.name.clone(), words[m.word..m.word + m.words].to_vec())
    };
    members.iter().map(member).collect()
}

/// Where an array of blocks of 4 channels begins, and its batch stride, in vec4.
fn view(value: &PlannedValue) -> [u32; 2] {
    let plane = value.shape.h * value.shape.w;
    [value.channel_offset, value.channel_stride].map(|channels| (channels / 4 * plane) as u32)
}

#[test]
fn bindings_and_uniforms_are_those_of_the_planned_values() {
    let mut seen = BTreeSet::new();
    let mut views = 0;
    for prepared in programs() {
        let (program, lowered) = (prepared.program(), prepared.lowered().expect("lowered"));
        for (phase, commands) in program.phases.iter().zip(&lowered.phases) {
            for command in &commands.commands {
                let node = &phase.nodes[command.node];
                let pipeline = &lowered.pipelines[command.pipeline];
                seen.insert(lowered.modules[pipeline.module].shader.clone());
                let used = node.inputs.iter().chain(&node.outputs).chain(&node.scratch);
                let used: Vec<&PlannedValue> = used.map(|&id| &phase.values[id]).collect();
                for (bound, wanted) in command.bindings.iter().zip(&pipeline.bindings) {
                    assert_eq!((bound.index, &bound.name), (wanted.index, &wanted.name));
                    let buffer = &lowered.buffers[bound.buffer];
                    assert!(bound.offset + bound.bytes <= buffer.bytes);
                    if let BufferUse::Slot(_) = buffer.role {
                        let of_node = used.iter().any(|value| value.slot == bound.buffer);
                        assert!(of_node, "{} of {}", bound.name, node.op.name());
                    }
                }
                // Every view in the struct is the view of an operand.
                for (name, words) in uniforms(lowered, command) {
                    let Some(array) = name.strip_suffix("_offset") else {
                        continue;
                    };
                    let batch = uniforms(lowered, command).remove(&format!("{array}_batch"));
                    let found = [words[0], batch.expect("a batch stride")[0]];
                    let expected = used.iter().any(|value| view(value) == found);
                    assert!(expected, "{array} of {}: {found:?}", node.op.name());
                    views += 1;
                }
            }
        }
    }
    assert!(views > 500, "only {views} views");
    // Conversions are for kernels that want other formats; the peak is a
    // yardstick, and the executor counts work itself.
    let mut expected: BTreeSet<String> = srdiff::exec::gpu::template::shaders()
        .map(str::to_owned)
        .collect();
    expected.remove("convert");
    expected.remove("peak");
    expected.remove("count_work");
    assert_eq!(seen, expected);
}

#[test]
fn a_lowered_program_goes_to_json_and_back() {
    for prepared in programs() {
        let lowered = prepared.lowered().expect("lowered");
        let json = serde_json::to_string(lowered).expect("plain data");
        let back: Lowered = serde_json::from_str(&json).expect("as written");
        assert_eq!(back, *lowered);
    }
}

#[test]
fn the_step_record_has_the_shaders_layout() {
    let mut parameters = srdiff::exec::gpu::template::Parameters::default();
    parameters.number("REPLAYED", 0);
    let specialised = Specialised::new("sampler_update", &parameters).expect("a valid shader");
    let entry = specialised
        .entry("sampler_update")
        .expect("its entry point");
    let record = entry.bindings.iter().find(|binding| binding.group == 1);
    let BindingKind::Uniform { bytes, members } = &record.expect("a record").kind else {
        panic!("the record is a uniform struct");
    };
    let ours = [
        ("padding_0", offset_of!(StepRecord, padding_0)),
        ("noise_step", offset_of!(StepRecord, noise_step)),
        ("seed", offset_of!(StepRecord, seed_low)),
        ("clip", offset_of!(StepRecord, clip)),
        ("x0_from_x", offset_of!(StepRecord, x0_from_x)),
        ("x0_from_eps", offset_of!(StepRecord, x0_from_eps)),
        ("from_x", offset_of!(StepRecord, from_x)),
        ("from_x0", offset_of!(StepRecord, from_x0)),
        ("from_previous_x0", offset_of!(StepRecord, from_previous_x0)),
        ("sigma", offset_of!(StepRecord, sigma)),
        ("padding_1", offset_of!(StepRecord, padding_1)),
        ("places", offset_of!(StepRecord, places)),
    ];
    let theirs: Vec<(&str, usize)> = members
        .iter()
        .map(|member| (member.name.as_str(), 4 * member.word))
        .collect();
    assert_eq!(theirs, ours);
    assert_eq!(*bytes as usize, size_of::<StepRecord>());
}
