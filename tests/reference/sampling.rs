//! Noise and the reverse step. The noise itself is `diffusion::noise`'s, which
//! has its own tests against f64 and published vectors.

use super::Tensor;
use srdiff::diffusion::noise::normal4;
use srdiff::exec::StepRecord;
use srdiff::graph::Shape;
use srdiff::ops::{NoiseSource, SamplerUpdate};

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

pub fn update(op: &SamplerUpdate, inputs: &[&Tensor], r: &StepRecord) -> Vec<Tensor> {
    let (x, previous, eps) = (inputs[0], inputs[1], inputs[2]);
    let z = match op.noise {
        NoiseSource::Generated => noise(x.shape, r),
        NoiseSource::Replayed => inputs[3].clone(),
    };
    let clip = f64::from(r.clip);
    let x0 = Tensor::of(x.shape, |n, c, i, j| {
        let estimate = f64::from(r.x0_from_x) * x.at(n, c, i, j)
            - f64::from(r.x0_from_eps) * eps.at(n, c, i, j);
        estimate.clamp(-clip, clip)
    });
    let next = Tensor::of(x.shape, |n, c, i, j| {
        f64::from(r.from_x) * x.at(n, c, i, j)
            + f64::from(r.from_x0) * x0.at(n, c, i, j)
            + f64::from(r.from_previous_x0) * previous.at(n, c, i, j)
            + f64::from(r.sigma) * z.at(n, c, i, j)
    });
    vec![next, x0]
}
