//! The comparison notices what it is there to notice. Needs no device: it is
//! given what a faultless executor would leave, then that with one fault.

use crate::case::Case;
use crate::cases;
use crate::compare::{Outcome, Trial};
use libtest_mimic::{Failed, Trial as Test};
use srdiff::exec::gpu::GpuChooser;
use srdiff::graph::Role;
use srdiff::ops::{Activation, Norm, Op, Padding};
use srdiff::plan::Precision;

pub fn tests() -> Vec<Test> {
    let test = |name: &str, f: fn() -> Result<(), Failed>| Test::test(name.to_owned(), f);
    vec![
        test("comparison/the reference itself passes", faultless),
        test("comparison/f16 that is cut off passes on GPUs", cut_off),
        test("comparison/one wrong element fails", one_wrong_element),
        test("comparison/a wrong parameter fails", wrong_parameter),
        test("comparison/a wrong weight fails", wrong_weight),
        test("comparison/a wrong step record fails", wrong_record),
    ]
}

fn prepare(case: &Case, precision: Precision) -> Result<(Trial, Outcome), Failed> {
    let (trial, _) = Trial::plan(case, &GpuChooser::new(precision))?;
    let outcome = trial.faultless();
    Ok((trial, outcome))
}

/// Whether nothing can be reflected about the border of the first operand:
/// it is but a pixel wide or high, or three with its border.
fn narrow(case: &Case) -> bool {
    let node = &case.graph.nodes[0];
    let least = match &node.op {
        Op::Conv2d(_) | Op::Conv2dWeightGradient(_) => 2,
        Op::FoldBorder(_) => 4,
        _ => return false,
    };
    node.inputs.first().is_some_and(|&x| {
        let shape = case.graph.value(x).shape;
        shape.h.min(shape.w) < least
    })
}

fn small_cases() -> impl Iterator<Item = Case> {
    let small = |case: &Case| case.graph.values.iter().all(|v| v.shape.elements() < 4000);
    cases::all().into_iter().filter(small)
}

fn faultless() -> Result<(), Failed> {
    for case in small_cases() {
        for precision in [Precision::F32, Precision::F16] {
            let (trial, outcome) = prepare(&case, precision)?;
            trial
                .check(&outcome)
                .map_err(|problem| format!("{}: {problem}", case.name))?;
        }
    }
    Ok(())
}

fn cut_off() -> Result<(), Failed> {
    let mut refused_elsewhere = 0;
    for case in small_cases() {
        let (mut trial, _) = prepare(&case, Precision::F16)?;
        trial.cuts_off = true;
        let outcome = trial.faultless();
        trial
            .check(&outcome)
            .map_err(|problem| format!("{}: {problem}", case.name))?;
        trial.cuts_off = false;
        refused_elsewhere += usize::from(trial.check(&outcome).is_err());
    }
    match refused_elsewhere {
        20.. => Ok(()),
        few => Err(format!("only {few} cases tell it from rounding").into()),
    }
}

/// Every element in turn, of results, of channels beside them, of operands
/// and of padding: off by a little, and NaN.
fn one_wrong_element() -> Result<(), Failed> {
    let mut faults = 0;
    for case in
        small_cases().filter(|case| case.graph.values.iter().all(|v| v.shape.elements() < 200))
    {
        let (trial, good) = prepare(&case, Precision::F32)?;
        for (&index, elements) in &good.arrays {
            let finite = elements.iter().filter(|v| v.is_finite());
            let largest = finite.fold(0.0f32, |most, v| most.max(v.abs()));
            let off = (3.0 * trial.allowed(index) as f32 * largest).max(2e-6 * largest);
            for (at, &element) in elements.iter().enumerate() {
                for fault in [element + off, f32::NAN, 0.0] {
                    let is_same = fault == element || fault.is_nan() && element.is_nan();
                    // A sum that loses `off`; a zero that is almost right.
                    if is_same || fault == 0.0 && element.is_finite() {
                        continue;
                    }
                    let mut bad = good.clone();
                    bad.arrays.get_mut(&index).expect("the same arrays")[at] = fault;
                    if trial.check(&bad).is_ok() {
                        let name = &case.name;
                        return Err(format!("{name}: {fault} for {element} at {at} passes").into());
                    }
                    faults += 1;
                }
            }
        }
        for (index, elements) in good.packed.iter().enumerate() {
            for (at, &element) in elements.iter().enumerate() {
                let mut bad = good.clone();
                bad.packed[index][at] = f32::from_bits(element.to_bits() ^ 1 << 13);
                if trial.check(&bad).is_ok() {
                    return Err(format!("{}: packed weight {at} passes", case.name).into());
                }
                faults += 1;
            }
        }
    }
    match faults {
        5_000.. => Ok(()),
        _ => Err(format!("only {faults} faults tried").into()),
    }
}

/// Other values of one parameter, where the operation has one that leaves
/// shapes alone.
fn wrong_parameters(op: &Op) -> Vec<Op> {
    let mut wrong = Vec::new();
    let mut add = |change: &dyn Fn(&mut Op)| {
        let mut other = op.clone();
        change(&mut other);
        if other != *op {
            wrong.push(other);
        }
    };
    add(&|op| match op {
        Op::Conv2d(op) if op.kernel == 3 => {
            op.padding = other_padding(op.padding);
        }
        Op::GroupNorm(op) => op.groups = if op.groups == 1 { 0 } else { 1 },
        Op::Reconstruct(op) => op.res_rescale += 0.01,
        Op::LinearAttention(op) if op.heads > 1 && op.head_channels % 8 != 0 => {
            op.head_channels *= op.heads;
            op.heads = 1;
        }
        Op::LinearAttentionGradient(op) if op.heads > 1 && op.head_channels % 8 != 0 => {
            op.head_channels *= op.heads;
            op.heads = 1;
        }
        Op::Conv2dWeightGradient(op) if op.kernel == 3 => op.padding = other_padding(op.padding),
        Op::FoldBorder(op) => op.padding = other_padding(op.padding),
        Op::GroupNormGradient(op) => op.groups = 1,
        Op::ActivationGradient(op) => op.scale *= 1.01,
        Op::Adam(op) => op.beta1 += 0.01,
        Op::Loss(op) => {
            op.norm = match op.norm {
                Norm::L1 => Norm::L2,
                Norm::L2 => Norm::L1,
            }
        }
        _ => (),
    });
    add(&|op| match op {
        Op::ActivationGradient(op) => op.activation = other_activation(op.activation),
        Op::Adam(op) => op.beta2 -= 0.01,
        _ => (),
    });
    let mut add_epilogue = |change: &dyn Fn(&mut srdiff::ops::Epilogue)| {
        add(&|op| {
            if let Some(epilogue) = op.epilogue_mut() {
                change(epilogue);
            }
        });
    };
    add_epilogue(&|e| e.activation = other_activation(e.activation));
    add_epilogue(&|e| e.scale *= 1.01);
    add_epilogue(&|e| e.shift += 0.01);
    add_epilogue(&|e| e.residual_scales.iter_mut().for_each(|s| *s += 0.01));
    wrong.retain(|op| !matches!(op, Op::GroupNorm(op) if op.groups == 0));
    wrong
}

fn other_padding(padding: Padding) -> Padding {
    match padding {
        Padding::Zero => Padding::Reflect,
        Padding::Reflect => Padding::Zero,
        Padding::Full => Padding::Full,
    }
}

fn other_activation(activation: Activation) -> Activation {
    match activation {
        Activation::None => Activation::Mish,
        Activation::LeakyRelu { slope } => Activation::LeakyRelu {
            slope: slope + 0.01,
        },
        Activation::Mish => Activation::None,
    }
}

fn wrong_parameter() -> Result<(), Failed> {
    let mut tried = 0;
    for case in small_cases().filter(|case| case.graph.nodes.len() == 1) {
        let (trial, outcome) = prepare(&case, Precision::F32)?;
        for op in wrong_parameters(&case.graph.nodes[0].op) {
            // A border that nothing reflects about, statistics that no group
            // ends in, the flat operand of the large mean, and means of nothing
            // but zeros tell nothing.
            let zeros = case.name.contains("no gradient");
            if narrow(&case) || zeros || case.bound.f32 > 1e-3 {
                continue;
            }
            let mut other = case.clone();
            other.graph.nodes[0].op = op.clone();
            if trial.check_against(&other, &outcome).is_ok() {
                return Err(format!("{}: passes as {op:?}", case.name).into());
            }
            tried += 1;
        }
    }
    match tried {
        200.. => Ok(()),
        _ => Err(format!("only {tried} parameters tried").into()),
    }
}

fn wrong_weight() -> Result<(), Failed> {
    for case in small_cases() {
        let (trial, outcome) = prepare(&case, Precision::F32)?;
        for weight in case.graph.values.iter() {
            let is_weight = weight.role == Role::Parameter;
            if !is_weight || case.bound.f32 > 1e-3 {
                continue;
            }
            let mut other = case.clone();
            let mut values = case.values(weight, Precision::F32);
            // The middle of a kernel sees the image wherever it stands.
            let (h, w) = (weight.shape.h, weight.shape.w);
            values[h / 2 * w + w / 2] += 0.1;
            let fill = crate::case::Fill::Repeated(values);
            other.fills.insert(weight.name.clone(), fill);
            let mut problems = Vec::new();
            trial.check_arrays(&other, &outcome, &mut problems);
            if problems.is_empty() {
                return Err(format!("{}: passes with another '{}'", case.name, weight.name).into());
            }
        }
    }
    Ok(())
}

/// The record beside the right one, wherever records are read.
fn wrong_record() -> Result<(), Failed> {
    let mut tried = 0;
    for case in small_cases().filter(|case| case.records.len() > 1) {
        let (trial, outcome) = prepare(&case, Precision::F32)?;
        let mut other = case.clone();
        other.step = 0;
        if trial.check_against(&other, &outcome).is_ok() {
            return Err(format!("{}: passes with another record", case.name).into());
        }
        tried += 1;
    }
    match tried {
        15.. => Ok(()),
        _ => Err(format!("only {tried} records tried").into()),
    }
}
