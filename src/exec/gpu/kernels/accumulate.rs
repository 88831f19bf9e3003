//! `shaders/accumulate.wgsl`.

use super::kernel::{Kernel, Source};
use crate::ops::Accumulate;

/// Invocations of a workgroup.
const WORKGROUP: usize = 256;

pub fn lower(source: &Source) -> Result<Kernel, String> {
    let count = source.input(Accumulate::TOTAL).shape.elements();
    Ok(Kernel::new("accumulate")
        .uniform("count", count)
        .tensor_input("x", source, Accumulate::X)?
        .updated_tensor("total", source, 0, Accumulate::TOTAL)?
        .element_grid(count, WORKGROUP))
}
