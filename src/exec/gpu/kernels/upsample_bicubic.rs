//! `shaders/upsample_bicubic.wgsl`.

use super::kernel::{Kernel, Source, blocks};
use crate::ops::{UpsampleBicubic, bicubic_taps, ensure};

/// Phases that the bicubic shader's table of taps has room for.
const MAX_FACTOR: usize = 16;

/// Refuses factors that the shader has no room for.
pub fn check(op: &UpsampleBicubic) -> Result<(), String> {
    let factor = op.factor;
    ensure!(
        factor <= MAX_FACTOR,
        "by {factor} is not supported (at most {MAX_FACTOR})"
    );
    Ok(())
}

pub fn lower(source: &Source, op: &UpsampleBicubic) -> Kernel {
    let (x, y) = (source.input(0), source.output(0));
    let taps = bicubic_taps(op.factor);
    let taps = taps.iter().flat_map(|(taps, _)| taps.map(f32::to_bits));
    Kernel::new("upsample_bicubic")
        .count("FACTOR", op.factor)
        .size(x)
        .uniform("blocks", blocks(y))
        .words("taps", taps.collect())
        .input("x", source, 0)
        .output("y", source, 0)
        .pixel_grid(y, y.shape.n * blocks(y))
}
