use super::GpuChooser;
use super::kernel::{Kernel, Source, blocks};
use crate::graph::Shape;
use crate::ops::{Axis, Coordinate, Linear, Packing};
use crate::plan::{Choice, NodeOperands, Precision};

pub fn choose(chooser: &GpuChooser, node: &NodeOperands) -> Choice {
    let (x, y) = (node.inputs[Linear::X].shape(), node.outputs[0].shape());
    chooser.weighted(node, packings(x.c, y.c, chooser.precision))
}

/// The weight: `[o, c]` to `[o / 4][c / 4][4 of c][4 of o]`; and the bias.
fn packings(inputs: usize, outputs: usize, precision: Precision) -> [Packing; 2] {
    let weight = Packing {
        plain: Shape::matrix(outputs, inputs),
        winograd: None,
        turned: false,
        axes: vec![
            Axis::new(outputs.div_ceil(4), Coordinate::N, 4),
            Axis::new(inputs.div_ceil(4), Coordinate::C, 4),
            Axis::new(4, Coordinate::C, 1),
            Axis::new(4, Coordinate::N, 1),
        ],
        channels: None,
        precision,
    };
    [weight, super::bias(outputs, 1)]
}

pub fn lower(source: &Source) -> Result<Kernel, String> {
    let (x, y) = (source.input(Linear::X), source.output(0));
    let precision = source.input(Linear::WEIGHT).format.precision;
    let packings = packings(x.shape.c, y.shape.c, precision);
    source.expect_packings(Linear::WEIGHT.., &packings)?;
    Ok(Kernel::new("linear")
        .count("IN_BLOCKS", blocks(x))
        .count("OUT_BLOCKS", blocks(y))
        .uniform("rows", x.shape.n)
        .input("x", source, Linear::X)
        .input("w", source, Linear::WEIGHT)
        .f32_input("bias", source, Linear::BIAS)
        .output("y", source, 0)
        .grid([blocks(y).div_ceil(8), x.shape.n.div_ceil(8), 1]))
}
