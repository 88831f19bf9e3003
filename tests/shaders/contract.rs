//! The Rust side against the shaders, through naga's reflection: every
//! dispatch of real plans must fill exactly what its shader declares, each
//! word by its name and each array by its type and access.

use super::words;
use naga::{ScalarKind, TypeInner};
use srdiff::diffusion::BetaSchedule;
use srdiff::exec::StepRecord;
use srdiff::exec::gpu::kernels::{Binding, Dispatch, Target, lower};
use srdiff::exec::gpu::shader::{BindingKind, Shader, reflect};
use srdiff::exec::gpu::{AdapterSummary, plan_options};
use srdiff::graph::{Element, PlannedValue, Precision, Step, plan};
use srdiff::model::{Attention, PhaseOptions, Settings, phases};
use srdiff::ops::NoiseSource;
use std::collections::HashSet;
use std::mem::offset_of;
use std::sync::Arc;

/// A dispatch and the step of a plan that it is for.
#[derive(Clone)]
pub struct Planned {
    pub values: Arc<Vec<PlannedValue>>,
    pub step: Step,
    pub dispatch: Dispatch,
}

/// Every dispatch of plans that use every operation.
fn dispatches() -> Vec<Planned> {
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
                let values = Arc::new(phase.values.clone());
                for step in &phase.steps {
                    let dispatches = lower(phase, step, &Target::of(&baseline));
                    let dispatches = dispatches.expect("a kernel").into_iter();
                    all.extend(dispatches.map(|dispatch| Planned {
                        values: values.clone(),
                        step: step.clone(),
                        dispatch,
                    }));
                }
            }
        }
    }
    all
}

#[test]
fn every_dispatch_fills_what_its_shader_declares() {
    let mut seen = HashSet::new();
    for planned in dispatches() {
        let dispatch = &planned.dispatch;
        seen.insert(dispatch.shader);
        check(&planned).unwrap_or_else(|problem| panic!("{dispatch:?}: {problem}"));
    }
    // The benchmarks' yardstick is no kernel of a plan.
    seen.insert(Shader::Peak);
    for shader in Shader::ALL {
        assert!(seen.contains(shader), "{} is in no plan", shader.name());
    }
}

fn check(planned: &Planned) -> Result<(), String> {
    let dispatch = &planned.dispatch;
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
    for (at, binding) in &dispatch.bindings {
        check_array(planned, &module, *at, binding)?;
    }
    words::check(planned, &module)
}

/// Access and element type of the array at binding `at`.
fn check_array(
    planned: &Planned,
    module: &naga::Module,
    at: u32,
    binding: &Binding,
) -> Result<(), String> {
    let mut variables = module.global_variables.iter();
    let (_, variable) = variables
        .find(|(_, v)| v.binding.is_some_and(|b| (b.group, b.binding) == (0, at)))
        .ok_or_else(|| format!("no binding {at}"))?;
    let name = variable.name.as_deref().unwrap_or_default();

    let declared = reflect(module);
    let declared = declared.iter().find(|b| (b.group, b.binding) == (0, at));
    let access = match binding {
        Binding::Value(value) if planned.step.outputs.contains(value) => BindingKind::ReadWrite,
        _ => BindingKind::Read,
    };
    if declared.map(|b| b.kind) != Some(access) {
        return Err(format!(
            "{name} is declared as {declared:?}, not {access:?}"
        ));
    }

    let TypeInner::Array { base, .. } = module.types[variable.ty].inner else {
        return Err(format!("{name} is no array"));
    };
    let scalar = match module.types[base].inner {
        TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } => scalar,
        ref other => return Err(format!("{name} is an array of {other:?}")),
    };
    let float = |precision: Precision| (ScalarKind::Float, precision.bytes());
    let expected = match binding {
        Binding::Value(value) => match &planned.values[*value] {
            value if value.element == Element::Pixel => (ScalarKind::Uint, 4),
            value => float(value.precision),
        },
        Binding::Parameter { precision, .. } => float(*precision),
        Binding::Zeros { .. } => float(Precision::F32),
        // Never read.
        Binding::Dummy => return Ok(()),
    };
    let found = (scalar.kind, usize::from(scalar.width));
    if found != expected {
        return Err(format!(
            "elements of {name} are {found:?}, not {expected:?}"
        ));
    }
    Ok(())
}

#[test]
fn a_broken_contract_is_noticed() {
    let good = dispatches();
    let broken: [fn(&mut Dispatch); 4] = [
        |d| d.dims.extend([0; 4]),
        |d| d.constants.push(("NO_SUCH_OVERRIDE", 1.0)),
        |d| d.entry = "no_such_entry",
        |d| drop(d.bindings.pop()),
    ];
    for break_it in broken {
        let mut planned = good[0].clone();
        break_it(&mut planned.dispatch);
        assert!(check(&planned).is_err(), "{:?}", planned.dispatch);
    }
}

#[test]
fn swapped_words_and_wrong_arrays_are_noticed() {
    let (mut swaps, mut retyped, mut rebound) = (0, 0, 0);
    let mut seen = HashSet::new();
    for planned in dispatches() {
        if !seen.insert(planned.dispatch.shader) {
            continue;
        }
        let try_broken = |break_it: &dyn Fn(&mut Dispatch)| {
            let mut planned = planned.clone();
            break_it(&mut planned.dispatch);
            assert!(check(&planned).is_err(), "{:?}", planned.dispatch);
        };
        let dispatch = &planned.dispatch;
        let words = match dispatch.shader {
            // Its taps come after.
            Shader::UpsampleBicubic => 8,
            _ => dispatch.dims.len(),
        };
        for (a, b) in (0..words).flat_map(|a| (0..a).map(move |b| (a, b))) {
            if dispatch.dims[a] != dispatch.dims[b] {
                try_broken(&|d| d.dims.swap(a, b));
                swaps += 1;
            }
        }
        for (at, (_, binding)) in dispatch.bindings.iter().enumerate() {
            let Binding::Value(value) = binding else {
                continue;
            };
            if planned.step.outputs.contains(value) {
                // A result where a weight is read.
                try_broken(&|d| d.bindings[at].1 = Binding::Dummy);
            } else {
                // A result where an operand is read.
                let result = planned.step.outputs[0];
                try_broken(&|d| d.bindings[at].1 = Binding::Value(result));
            }
            rebound += 1;
        }
        for at in 0..dispatch.types.len() {
            let (alias, precision) = dispatch.types[at];
            let is_bound = dispatch.bindings.iter().any(|(_, binding)| match binding {
                Binding::Value(value) => planned.values[*value].precision == precision,
                _ => false,
            });
            // Nothing is read through the type of what is not there.
            let unused = ["residual_0_t", "residual_1_t", "table_t", "z_t"].contains(&alias);
            if is_bound && !unused {
                try_broken(&|d| d.types[at].1 = Precision::F16);
                retyped += 1;
            }
        }
    }
    println!("{swaps} swaps, {rebound} arrays, {retyped} types");
    assert!(swaps > 300 && rebound > 25 && retyped > 15);
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
