//! `shaders/reconstruct.wgsl`.

use super::kernel::{Kernel, Source};
use crate::ops::Reconstruct;

pub fn lower(source: &Source, op: &Reconstruct) -> Kernel {
    Kernel::over_blocks("reconstruct", source.input(0))
        .constant("RES_RESCALE", op.res_rescale)
        .input("x", source, 0)
        .input("up", source, 1)
        .output("sr", source, 0)
}
