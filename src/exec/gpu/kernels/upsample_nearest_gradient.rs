use super::kernel::{Kernel, Source};
use crate::ops::UpsampleNearestGradient;

pub fn lower(source: &Source, op: &UpsampleNearestGradient) -> Kernel {
    Kernel::over_blocks("upsample_nearest_gradient", source.output(0))
        .count("FACTOR", op.factor)
        .input("dy", source, 0)
        .output("dx", source, 0)
}
