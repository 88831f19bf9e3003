//! `shaders/squared_norms.wgsl`.

use super::GpuChooser;
use super::kernel::{Kernel, Source};
use crate::exec::choice;
use crate::plan::{Choice, NodeOperands};

/// Workgroups that add up the squares of a tensor, at most.
const PARTS: usize = 256;
/// Elements that such a workgroup adds up at least.
const PART: usize = 4096;

pub fn choose(chooser: &GpuChooser, node: &NodeOperands) -> Choice {
    Choice {
        scratch: choice::scratch("partial_sums", PARTS * node.inputs.len()),
        ..chooser.plain(node)
    }
}

pub fn lower(source: &Source) -> Result<Vec<Kernel>, String> {
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
