use super::kernel::{Kernel, Source, word};
use crate::exec::choice;
use crate::ops::{Pack, ensure};
use crate::plan::{Choice, Format, NodeOperands, Precision};

/// Axes and channel groups that the shader's uniform struct has room for.
const MAX_AXES: usize = 8;
const MAX_GROUPS: usize = 16;
/// Invocations of a workgroup.
const WORKGROUP: usize = 64;

pub fn choose(node: &NodeOperands, op: &Pack) -> Result<Choice, String> {
    let packing = &op.packing;
    ensure!(
        packing.axes.len() <= MAX_AXES && packing.channel_groups().len() <= MAX_GROUPS,
        "takes at most {MAX_AXES} axes and {MAX_GROUPS} channel groups with padding, not {packing}"
    );
    Ok(choice::pack(node, packing))
}

pub fn lower(source: &Source, op: &Pack) -> Result<Kernel, String> {
    let (packing, packed) = (&op.packing, source.output(0));
    ensure!(
        packed.packing.as_ref() == Some(packing) && source.input(0).format == Format::TENSOR,
        "of '{}' is not planned as {packing}",
        packed.name
    );
    let shape = packing.plain;
    let axes = packing.axes.iter().flat_map(|axis| {
        let coordinate = axis.coordinate as usize;
        [axis.size, coordinate, axis.step, usize::from(axis.reversed)].map(word)
    });
    let groups = packing.channel_groups();
    let segments = groups
        .iter()
        .flat_map(|&[stored, first, count]| [stored, first, count, 0].map(word));
    let (f16, words) = match packing.precision {
        Precision::F32 => (0, packing.elements()),
        Precision::F16 => (1, packing.elements().div_ceil(2)),
        Precision::Bf16 => return Err(format!("of '{}' has no bf16 on a GPU", packed.name)),
    };
    let channels = packing.channels.as_ref();
    let coordinate = channels.map_or(4, |map| map.coordinate as usize);
    let mut kernel = Kernel::new("pack");
    if packing.winograd.is_some() {
        kernel = kernel.number("TURNED", usize::from(packing.turned));
    }
    Ok(kernel
        .number("F16", f16)
        .number(
            "WINOGRAD",
            packing.winograd.map_or(0, |winograd| winograd.outputs()),
        )
        .uniform("count", packing.elements())
        .uniform("axes_count", packing.axes.len())
        .uniform("segments_count", groups.len())
        .uniform("channel_coordinate", coordinate)
        .words(
            "shape",
            [shape.n, shape.c, shape.h, shape.w].map(word).to_vec(),
        )
        .words("axes", axes.collect())
        .words("segments", segments.collect())
        .f32_input("plain", source, 0)
        .f32_output("packed", source, 0)
        .element_grid(words, WORKGROUP))
}
