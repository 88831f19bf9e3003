//! `shaders/sampler_update.wgsl`.

use super::kernel::{Kernel, Source};
use crate::ops::{NoiseSource, SamplerUpdate};

pub fn lower(source: &Source, op: &SamplerUpdate) -> Kernel {
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
