//! Noise, the reverse step, and the result. The noise itself is `diffusion::noise`'s, which
//! has its own tests against f64 and published vectors.

use super::Tensor;
use srdiff::diffusion::noise::normal4;
use srdiff::exec::StepRecord;
use srdiff::graph::Shape;
use srdiff::ops::{EstimateX0, NoiseSource, Reconstruct, SamplerUpdate};

pub fn noise(shape: Shape, record: &StepRecord) -> Tensor {
    let seed = u64::from(record.seed_high) << 32 | u64::from(record.seed_low);
    Tensor::of(shape, |n, c, i, j| {
        let place = record.places[n];
        let x = place.x.wrapping_add(j as u32);
        let y = place.y.wrapping_add(i as u32);
        let drawn = normal4(seed, x, y, place.sample, record.noise_step, c as u32 / 4);
        f64::from(drawn[c % 4])
    })
}

pub fn estimate_x0(inputs: &[&Tensor], r: &StepRecord) -> Tensor {
    let (x, eps) = (inputs[EstimateX0::X], inputs[EstimateX0::EPS]);
    let clip = f64::from(r.clip);
    Tensor::of(x.shape, |n, c, i, j| {
        let (x, eps) = (x.at(n, c, i, j), eps.at(n, c, i, j));
        let estimate = f64::from(r.x0_from_x) * x - f64::from(r.x0_from_eps) * eps;
        match x.is_finite() && eps.is_finite() {
            true => estimate.clamp(-clip, clip),
            false => estimate,
        }
    })
}

pub fn update(op: &SamplerUpdate, inputs: &[&Tensor], r: &StepRecord) -> Vec<Tensor> {
    let x0 = inputs[SamplerUpdate::X0];
    let z = match op.noise {
        NoiseSource::Generated => &noise(x0.shape, r),
        NoiseSource::Replayed => inputs[SamplerUpdate::Z],
    };
    let terms = [
        (r.from_x, inputs[SamplerUpdate::X]),
        (r.from_x0, x0),
        (r.from_previous_x0, inputs[SamplerUpdate::PREVIOUS]),
        (r.sigma, z),
    ];
    // Nothing times anything, NaN included, is nothing.
    let used = terms.into_iter().filter(|(factor, _)| *factor != 0.0);
    let used: Vec<(f32, &Tensor)> = used.collect();
    let next = Tensor::of(x0.shape, |n, c, i, j| {
        let used = used.iter();
        used.map(|(factor, term)| f64::from(*factor) * term.at(n, c, i, j))
            .sum()
    });
    vec![next, x0.clone()]
}

pub fn reconstruct(op: &Reconstruct, inputs: &[&Tensor]) -> Tensor {
    let (x, up) = (inputs[0], inputs[1]);
    Tensor::of(x.shape, |n, c, i, j| {
        let x = x.at(n, c, i, j);
        let clamped = match x.is_finite() {
            true => x.clamp(-1.0, 1.0),
            false => x,
        };
        clamped / f64::from(op.res_rescale) + up.at(n, c, i, j)
    })
}
