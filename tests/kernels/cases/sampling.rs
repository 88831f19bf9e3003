//! Noise, and steps of each sampler with both sources of noise.

use super::{UNIT, records};
use crate::case::{Bound, Case, Fill};
use srdiff::diffusion::{BetaSchedule, Sampler, Schedule};
use srdiff::exec::{Place, StepRecord};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{Noise, NoiseSource, Op, SamplerUpdate};
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
            padding: 0,
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

fn update(sampler: Sampler, at: usize, noise: NoiseSource, shape: Shape) -> Case {
    let schedule = Schedule::new(&BetaSchedule::Cosine { s: 0.008 }, 100)
        .unwrap_or_else(|error| panic!("{error}"));
    let steps = sampler
        .steps(&schedule, 10)
        .unwrap_or_else(|error| panic!("{error}"));
    let record = step_record(&steps[at], place(steps[at].timestep));
    // Early on x0 is the small difference of large multiples of x and eps,
    // then clipped: an error of x0_from_x units in the last place.
    let bound = 3e-7 * steps[at].x0_from_x.abs().max(7.0);
    let name = format!("sampler_update/{sampler} step {at} of 10 {noise:?} {shape}");
    let mut case = Case::new(name, Bound::of(bound));
    case.records = records(4, 3, record);
    case.step = 3;
    // Groups of larger arrays, of which the others must stay as they are.
    let mut group = |name, fill| {
        let whole = shape.with_channels(shape.c + 7);
        let array = case.array(name, whole, &[5, shape.c, 2], Element::Full, fill);
        case.view(array, 1, 1)
    };
    let x = group("x", Fill::Uniform(-1.5, 1.5));
    let x0 = group("x0", UNIT);
    let eps = case.full("eps", shape, UNIT);
    let mut operands = vec![x, x0, eps];
    if noise == NoiseSource::Replayed {
        operands.push(case.full("z", shape, Fill::Uniform(-3.0, 3.0)));
    }
    case.step_into(
        Op::SamplerUpdate(SamplerUpdate { noise }),
        &operands,
        &[x, x0],
    );
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
