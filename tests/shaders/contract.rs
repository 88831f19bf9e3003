//! The Rust side against the shaders, through naga's reflection: every
//! dispatch of real plans must fill exactly what its shader declares.

use naga::TypeInner;
use srdiff::diffusion::BetaSchedule;
use srdiff::exec::StepRecord;
use srdiff::exec::gpu::kernels::{Dispatch, Target, lower};
use srdiff::exec::gpu::shader::{BindingKind, Shader, reflect};
use srdiff::exec::gpu::{AdapterSummary, plan_options};
use srdiff::graph::{Precision, plan};
use srdiff::model::{Attention, PhaseOptions, Settings, phases};
use srdiff::ops::NoiseSource;
use std::collections::HashSet;
use std::mem::offset_of;

/// Every dispatch of plans that use every operation.
fn dispatches() -> Vec<Dispatch> {
    let plain = Settings {
        hidden: 8,
        mults: vec![1, 2],
        rrdb_features: 8,
        rrdb_blocks: 5,
        rrdb_growth: 4,
        scale: 4,
        groups: None,
        attention: None,
        up_input: false,
        has_sr_head: true,
        timesteps: 10,
        schedule: BetaSchedule::Cosine { s: 0.008 },
        res_rescale: 2.0,
        lr_up_divisor: 255.0,
        clip_input: true,
        clip_denoised: true,
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
    let baseline = AdapterSummary::baseline();
    let mut all = Vec::new();
    for (settings, noise) in [
        (plain, NoiseSource::Generated),
        (rich, NoiseSource::Replayed),
    ] {
        let options = PhaseOptions {
            batch: 2,
            height: 8,
            width: 12,
            noise,
            sr_head: true,
        };
        let graphs = phases::build(&settings, &options).expect("a valid model");
        for precision in [Precision::F32, Precision::F16] {
            let program = plan(&graphs, plan_options(precision)).expect("a valid plan");
            for phase in &program.phases {
                for step in &phase.steps {
                    all.extend(lower(phase, step, &Target::of(&baseline)).expect("a kernel"));
                }
            }
        }
    }
    all
}

#[test]
fn every_dispatch_fills_what_its_shader_declares() {
    let mut seen = HashSet::new();
    for dispatch in dispatches() {
        seen.insert(dispatch.shader);
        check(&dispatch).unwrap_or_else(|problem| panic!("{dispatch:?}: {problem}"));
    }
    // The benchmarks' yardstick is no kernel of a plan.
    seen.insert(Shader::Peak);
    for shader in Shader::ALL {
        assert!(seen.contains(shader), "{} is in no plan", shader.name());
    }
}

fn check(dispatch: &Dispatch) -> Result<(), String> {
    let mut given: Vec<String> = dispatch
        .types
        .iter()
        .map(|(alias, _)| (*alias).to_owned())
        .collect();
    given.sort();
    if given != dispatch.shader.array_types() {
        return Err(format!("array types {:?}", dispatch.shader.array_types()));
    }
    let module = dispatch.shader.module(&dispatch.types);
    if !module
        .entry_points
        .iter()
        .any(|entry| entry.name == dispatch.entry)
    {
        return Err("no such entry point".to_owned());
    }
    for (name, _) in &dispatch.constants {
        let known = |(_, o): (_, &naga::Override)| o.name.as_deref() == Some(*name);
        if !module.overrides.iter().any(known) {
            return Err(format!("no override {name}"));
        }
    }
    let mut bound: Vec<u32> = dispatch.bindings.iter().map(|&(at, _)| at).collect();
    bound.push(0);
    bound.sort_unstable();
    let declared = reflect(&module);
    let arrays: Vec<u32> = declared
        .iter()
        .filter(|b| b.group == 0)
        .map(|b| b.binding)
        .collect();
    if arrays != bound {
        return Err(format!("declares bindings {arrays:?}"));
    }
    for binding in declared.iter().filter(|b| b.binding == 0) {
        let expected = match binding.group {
            0 => 4 * dispatch.dims.len() as u32,
            _ => size_of::<StepRecord>() as u32,
        };
        if binding.kind != BindingKind::Uniform(expected) {
            return Err(format!(
                "{} is {:?}, not {expected} bytes",
                binding.name, binding.kind
            ));
        }
    }
    Ok(())
}

#[test]
fn a_broken_contract_is_noticed() {
    let good = dispatches().swap_remove(0);
    let broken: [fn(&mut Dispatch); 4] = [
        |d| d.dims.extend([0; 4]),
        |d| d.constants.push(("NO_SUCH_OVERRIDE", 1.0)),
        |d| d.entry = "no_such_entry",
        |d| drop(d.bindings.pop()),
    ];
    assert_eq!(check(&good), Ok(()));
    for break_it in broken {
        let mut dispatch = good.clone();
        break_it(&mut dispatch);
        assert!(check(&dispatch).is_err(), "{dispatch:?}");
    }
}

#[test]
fn the_step_record_has_the_shaders_layout() {
    let module =
        Shader::SamplerUpdate.module(&[("eps_t", Precision::F32), ("z_t", Precision::F32)]);
    let (_, record) = module
        .types
        .iter()
        .find(|(_, ty)| ty.name.as_deref() == Some("StepRecord"))
        .expect("a struct StepRecord");
    let TypeInner::Struct { members, span } = &record.inner else {
        panic!("StepRecord is a struct");
    };
    let ours = [
        ("table_row", offset_of!(StepRecord, table_row)),
        ("noise_step", offset_of!(StepRecord, noise_step)),
        ("seed", offset_of!(StepRecord, seed_low)),
        ("clip", offset_of!(StepRecord, clip)),
        ("x0_from_x", offset_of!(StepRecord, x0_from_x)),
        ("x0_from_eps", offset_of!(StepRecord, x0_from_eps)),
        ("from_x", offset_of!(StepRecord, from_x)),
        ("from_x0", offset_of!(StepRecord, from_x0)),
        ("from_previous_x0", offset_of!(StepRecord, from_previous_x0)),
        ("sigma", offset_of!(StepRecord, sigma)),
        ("padding", offset_of!(StepRecord, padding)),
        ("places", offset_of!(StepRecord, places)),
    ];
    let theirs: Vec<(&str, usize)> = members
        .iter()
        .map(|m| (m.name.as_deref().unwrap_or(""), m.offset as usize))
        .collect();
    assert_eq!(theirs, ours);
    assert_eq!(*span as usize, size_of::<StepRecord>());
}
