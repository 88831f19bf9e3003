use super::kernel::{Kernel, Source};
use crate::ops::Dilate;

pub fn lower(source: &Source, op: &Dilate) -> Kernel {
    Kernel::over_blocks("dilate", source.output(0))
        .count("STRIDE", op.stride)
        .input("x", source, 0)
        .output("y", source, 0)
}
