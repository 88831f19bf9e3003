//! `shaders/pointwise.wgsl`: an epilogue on its own.

use super::epilogue;
use super::kernel::{Kernel, Source};
use crate::ops::Pointwise;

pub fn lower(source: &Source, op: &Pointwise) -> Kernel {
    let x = source.input(Pointwise::X);
    let kernel = Kernel::over_blocks("pointwise", x).input("x", source, Pointwise::X);
    epilogue::add(kernel, source, &op.epilogue, Pointwise::OPERANDS)
}
