use super::kernel::{Kernel, Source};
use crate::ops::{FoldBorder, Padding};

pub fn lower(source: &Source, op: &FoldBorder) -> Kernel {
    Kernel::over_blocks("fold_border", source.output(0))
        .number("REFLECT", usize::from(op.padding == Padding::Reflect))
        .input("x", source, 0)
        .output("y", source, 0)
}
