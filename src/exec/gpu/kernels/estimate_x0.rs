//! `shaders/estimate_x0.wgsl`.

use super::kernel::{Kernel, Source};
use crate::ops::EstimateX0;

pub fn lower(source: &Source) -> Kernel {
    Kernel::over_blocks("estimate_x0", source.output(0))
        .f32_input("x", source, EstimateX0::X)
        .input("eps", source, EstimateX0::EPS)
        .f32_output("x0", source, 0)
}
