//! `shaders/upsample_nearest.wgsl`.

use super::kernel::{Kernel, Source};
use crate::ops::UpsampleNearest;

pub fn lower(source: &Source, op: &UpsampleNearest) -> Kernel {
    Kernel::over_blocks("upsample_nearest", source.output(0))
        .count("FACTOR", op.factor)
        .input("x", source, 0)
        .output("y", source, 0)
}
