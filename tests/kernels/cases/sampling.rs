//! Noise, estimates of x_0, and steps of each sampler with both sources of
//! noise.

use super::{UNIT, records};
use crate::case::{Bound, Case, Fill};
use srdiff::diffusion::{BetaSchedule, Sampler, Schedule, StepCoefficients};
use srdiff::exec::{Place, StepRecord};
use srdiff::graph::{Element, Shape, ValueId};
use srdiff::ops::{EstimateX0, Noise, NoiseSource, Op, SamplerUpdate};
use srdiff::upscale::step_record;

/// What a GPU may round differently in the noise (`diffusion::noise`), of
/// magnitudes from 1 on.
const NOISE: Bound = Bound::of(2e-6);

fn place(step: u32) -> StepRecord {
    StepRecord {
        noise_step: step,
        seed_low: 0x89ab_cdef,
        seed_high: 0x0123_4567,
        // A batch of tiles: no two at one place.
        places: std::array::from_fn(|n| Place {
            x: (40 * n as u32).wrapping_sub(11),
            y: 1000 - 77 * n as u32,
            sample: 5 + n as u32 / 2,
            table_row: 0,
        }),
        ..StepRecord::default()
    }
}

fn noise(shape: Shape, record: StepRecord) -> Case {
    let name = format!("noise/{shape} step {}", record.noise_step);
    let mut case = Case::new(name, NOISE);
    case.records = records(3, 1, record);
    case.step = 1;
    case.step(Op::Noise(Noise { shape }), &[]);
    case
}

/// A step of ten.
fn step(sampler: Sampler, at: usize) -> StepCoefficients {
    let schedule = Schedule::new(&BetaSchedule::Cosine { s: 0.008 }, 100)
        .unwrap_or_else(|error| panic!("{error}"));
    let steps = sampler.steps(&schedule, 10);
    steps.unwrap_or_else(|error| panic!("{error}"))[at]
}

/// A group of a larger array, of which the others must stay as they are.
fn group(case: &mut Case, name: &str, shape: Shape, element: Element, fill: Fill) -> ValueId {
    let whole = shape.with_channels(shape.c + 7);
    let array = case.array(name, whole, &[5, shape.c, 2], element, fill);
    case.view(array, 1, 1)
}

fn estimate(at: usize, shape: Shape, eps: Element) -> Case {
    let step = step(Sampler::Ddpm, at);
    // Early on x0 is the small difference of large multiples of x and eps,
    // then clipped: an error of x0_from_x units in the last place.
    let bound = 3e-7 * step.x0_from_x.abs().max(7.0);
    let name = format!("estimate_x0/step {at} of 10 {shape} {eps:?}");
    let mut case = Case::new(name, Bound::of(bound));
    case.records = records(4, 3, step_record(&step, place(step.timestep)));
    case.step = 3;
    let x = group(
        &mut case,
        "x",
        shape,
        Element::F32,
        Fill::Uniform(-1.5, 1.5),
    );
    let eps = group(&mut case, "eps", shape, eps, UNIT);
    case.step(Op::EstimateX0(EstimateX0 {}), &[x, eps]);
    case
}

/// Faults in x and in eps, alone and together: they must not be clamped into
/// numbers. Ordinary estimates beside them are, however large.
fn faulty_estimate(eps: Element) -> Case {
    let name = format!("estimate_x0/NaN and infinities {eps:?}");
    let mut case = Case::new(name, Bound::of(1e-6));
    let record = StepRecord {
        clip: 1.0,
        x0_from_x: 1.5,
        x0_from_eps: 0.5,
        ..StepRecord::default()
    };
    case.records = records(2, 1, record);
    case.step = 1;
    let faults = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.25, 1e38, -0.5];
    let mut pairs = faults.map(|x| faults.map(|eps| (x, eps))).concat();
    // A count that no channel is a multiple of, so that every one gets all.
    pairs.push((0.125, 0.5));
    let (xs, noises): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
    let noises = noises.into_iter().map(|v| match eps {
        Element::Float if v == 1e38 => 6e4,
        _ => v,
    });
    let shape = Shape::new(1, 3, 5, 37);
    let x = case.f32("x", shape, Fill::Repeated(xs));
    let fill = Fill::Repeated(noises.collect());
    let eps = case.array("eps", shape, &[3], eps, fill);
    case.step(Op::EstimateX0(EstimateX0 {}), &[x, eps]);
    case
}

fn update(sampler: Sampler, at: usize, noise: NoiseSource, shape: Shape) -> Case {
    let step = step(sampler, at);
    let record = step_record(&step, place(step.timestep));
    let name = format!("sampler_update/{sampler} step {at} of 10 {noise:?} {shape}");
    let mut case = Case::new(name, NOISE);
    case.records = records(4, 3, record);
    case.step = 3;
    // What a step does not use may be anything.
    let unless_unused = |coefficient: f32, fill: Fill| match coefficient == 0.0 {
        true => Fill::Repeated(vec![f32::NAN, f32::INFINITY]),
        false => fill,
    };
    let f32 = Element::F32;
    let x = group(&mut case, "x", shape, f32, Fill::Uniform(-1.5, 1.5));
    let x0 = group(&mut case, "x0", shape, f32, UNIT);
    let fill = unless_unused(record.from_previous_x0, UNIT);
    let previous = group(&mut case, "previous", shape, f32, fill);
    let mut operands = vec![x, x0, previous];
    if noise == NoiseSource::Replayed {
        let fill = unless_unused(record.sigma, Fill::Uniform(-3.0, 3.0));
        operands.push(case.f32("z", shape, fill));
    }
    let op = Op::SamplerUpdate(SamplerUpdate { noise });
    case.step_into(op, &operands, &[x, previous]);
    case
}

pub fn cases() -> Vec<Case> {
    use NoiseSource::{Generated, Replayed};
    let mut cases = vec![
        noise(Shape::new(1, 3, 1, 1), place(0)),
        noise(Shape::new(3, 3, 13, 33), place(100)),
        noise(Shape::new(1, 5, 7, 2), place(999)),
        noise(Shape::new(2, 3, 65, 1), place(37)),
        noise(Shape::new(1, 3, 2, 65), place(1)),
    ];
    for (at, shape, eps) in [
        (0, Shape::new(1, 3, 7, 13), Element::Float),
        (4, Shape::new(3, 3, 3, 18), Element::F32),
        (9, Shape::new(2, 5, 65, 1), Element::Float),
    ] {
        cases.push(estimate(at, shape, eps));
    }
    cases.push(faulty_estimate(Element::F32));
    cases.push(faulty_estimate(Element::Float));
    let samplers = [
        Sampler::Ddpm,
        Sampler::Ddim { eta: 0.0 },
        Sampler::Ddim { eta: 0.7 },
        Sampler::DpmSolverPlusPlus2M,
    ];
    for sampler in samplers {
        for (at, source, shape) in [
            (0, Generated, Shape::new(1, 3, 7, 13)),
            (4, Generated, Shape::new(3, 3, 3, 18)),
            (5, Replayed, Shape::new(2, 3, 13, 7)),
            (9, Replayed, Shape::new(1, 3, 1, 2)),
            (6, Generated, Shape::new(1, 3, 65, 2)),
            (7, Replayed, Shape::new(2, 3, 1, 65)),
        ] {
            cases.push(update(sampler, at, source, shape));
        }
    }
    cases
}
