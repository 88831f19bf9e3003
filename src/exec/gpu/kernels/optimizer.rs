//! `shaders/accumulate.wgsl`, `shaders/squared_norms.wgsl` and
//! `shaders/adam.wgsl`.

use super::GpuChooser;
use super::kernel::{Kernel, Source};
use crate::exec::choice;
use crate::ops::{Accumulate, Adam};
use crate::plan::{Choice, NodeOperands};

/// Invocations of a workgroup.
const WORKGROUP: usize = 256;
/// Workgroups that add up the squares of a tensor, at most.
const PARTS: usize = 256;
/// Elements that such a workgroup adds up at least.
const PART: usize = 4096;

pub fn accumulate(source: &Source) -> Result<Kernel, String> {
    let count = source.input(Accumulate::TOTAL).shape.elements();
    Ok(Kernel::new("accumulate")
        .uniform("count", count)
        .tensor_input("x", source, Accumulate::X)?
        .updated_tensor("total", source, 0, Accumulate::TOTAL)?
        .element_grid(count, WORKGROUP))
}

pub fn choose_squared_norms(chooser: &GpuChooser, node: &NodeOperands) -> Choice {
    Choice {
        scratch: choice::scratch("partial_sums", PARTS * node.inputs.len()),
        ..chooser.plain(node)
    }
}

pub fn squared_norms(source: &Source) -> Result<Vec<Kernel>, String> {
    let tensors = source.node.inputs.len();
    let kernel = |entry: &'static str, sums_parts: bool| {
        Kernel::new("squared_norms")
            .entry(entry)
            .number("PARTS", usize::from(sums_parts))
    };
    let mut kernels = Vec::new();
    for tensor in 0..tensors {
        let count = source.input(tensor).shape.elements();
        let parts = count.div_ceil(PART).clamp(1, PARTS);
        let part = kernel("part_of_tensor", true)
            .uniform("count", count)
            .uniform("tensor", tensor)
            .uniform("parts", parts)
            .tensor_input("x", source, tensor)?
            .scratch_output("partial_sums", source, 0, PARTS * tensors)?
            .grid([parts, 1, 1]);
        kernels.push(part);
    }
    let all = kernel("add_parts", false)
        .scratch("partial_sums", source, 0, PARTS * tensors)?
        .output("y", source, 0)
        .grid([tensors, 1, 1]);
    kernels.push(all);
    Ok(kernels)
}

/// A number by the digits that an f32 is written with: JSON hands on others
/// with an error in the last place.
fn decimal(v: f32) -> f64 {
    v.to_string().parse().unwrap_or(f64::from(v))
}

pub fn adam(source: &Source, op: &Adam) -> Result<Kernel, String> {
    let count = source.input(Adam::PARAMETER).shape.elements();
    Ok(Kernel::new("adam")
        .constant("BETA1", decimal(op.beta1))
        .constant("BETA2", decimal(op.beta2))
        .constant("EPSILON", decimal(op.epsilon))
        .uniform("count", count)
        .tensor_input("gradient", source, Adam::GRADIENT)?
        .tensor_input("told", source, Adam::STEP)?
        .updated_tensor("parameter", source, 0, Adam::PARAMETER)?
        .updated_tensor("m", source, 1, Adam::M)?
        .updated_tensor("v", source, 2, Adam::V)?
        .updated_tensor("average", source, 3, Adam::AVERAGE)?
        .element_grid(count, WORKGROUP))
}
