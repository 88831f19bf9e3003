//! `shaders/adam.wgsl`.

use super::kernel::{Kernel, Source};
use crate::ops::Adam;

/// Invocations of a workgroup.
const WORKGROUP: usize = 256;

/// A number by the digits that an f32 is written with: JSON hands on others
/// with an error in the last place.
fn decimal(v: f32) -> f64 {
    v.to_string().parse().unwrap_or(f64::from(v))
}

pub fn lower(source: &Source, op: &Adam) -> Result<Kernel, String> {
    let count = source.input(Adam::PARAMETER).shape.elements();
    Ok(Kernel::new("adam")
        .constant("BETA1", decimal(op.beta1))
        .constant("BETA2", decimal(op.beta2))
        .constant("EPSILON", decimal(op.epsilon))
        .uniform("count", count)
        .tensor_input("gradient", source, Adam::GRADIENT)?
        .tensor_input("step", source, Adam::STEP)?
        .updated_tensor("parameter", source, 0, Adam::PARAMETER)?
        .updated_tensor("m", source, 1, Adam::M)?
        .updated_tensor("v", source, 2, Adam::V)?
        .updated_tensor("average", source, 3, Adam::AVERAGE)?
        .element_grid(count, WORKGROUP))
}
