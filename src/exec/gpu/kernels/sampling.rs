//! `shaders/noise.wgsl`, `shaders/estimate_x0.wgsl`, `shaders/sampler_update.wgsl`
//! and `shaders/reconstruct.wgsl`.

use super::kernel::{Kernel, Source};
use crate::ops::{EstimateX0, NoiseSource, Reconstruct, SamplerUpdate};

pub fn noise(source: &Source) -> Kernel {
    let x = source.output(0);
    Kernel::over_blocks("noise", x)
        .count("CHANNELS", x.shape.c)
        .output("x", source, 0)
}

pub fn estimate_x0(source: &Source) -> Kernel {
    Kernel::over_blocks("estimate_x0", source.output(0))
        .f32_input("x", source, EstimateX0::X)
        .input("eps", source, EstimateX0::EPS)
        .f32_output("x0", source, 0)
}

pub fn sampler_update(source: &Source, op: &SamplerUpdate) -> Kernel {
    let x = source.output(SamplerUpdate::X);
    let replayed = op.noise == NoiseSource::Replayed;
    let kernel = Kernel::over_blocks("sampler_update", x)
        .number("REPLAYED", usize::from(replayed))
        .count("CHANNELS", x.shape.c)
        .f32_output("x", source, SamplerUpdate::X)
        .f32_output("previous", source, SamplerUpdate::KEPT)
        .f32_input("x0", source, SamplerUpdate::X0);
    match replayed {
        true => kernel.input("z", source, SamplerUpdate::Z),
        false => kernel,
    }
}

pub fn reconstruct(source: &Source, op: &Reconstruct) -> Kernel {
    Kernel::over_blocks("reconstruct", source.input(0))
        .constant("RES_RESCALE", op.res_rescale)
        .input("x", source, 0)
        .input("up", source, 1)
        .output("sr", source, 0)
}
