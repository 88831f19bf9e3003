//! `shaders/conv_transpose2d.wgsl`.

use super::{Dispatch, Lowering, Packing, View, blocks, split};
use crate::exec::gpu::shader::Shader;
use crate::ops::ConvTranspose2d;

/// Columns and rows of x that a workgroup covers.
const TILE: [usize; 2] = [32, 8];
/// `first_row` among the words of the shader's `Dims`.
const FIRST_ROW: usize = 6;

pub(super) fn lower(context: &Lowering, op: &ConvTranspose2d) -> Vec<Dispatch> {
    let (x, y) = (context.input(ConvTranspose2d::X), context.output(0));
    let weight = context.input(ConvTranspose2d::WEIGHT);
    let (in_blocks, out_blocks) = (blocks(x), blocks(y));
    let (from, to) = (View::of(x), View::of(y));
    let packing = Packing::ConvTranspose2d {
        channels: x.channel_map(),
        in_blocks,
        stride: op.stride,
    };
    let pairs = out_blocks.div_ceil(2);
    let planes = x.shape.n * op.stride * op.stride * pairs;
    let dispatch = Dispatch {
        shader: Shader::ConvTranspose2d,
        entry: "conv_transpose2d",
        types: vec![
            ("x_t", x.precision),
            ("w_t", weight.precision),
            ("y_t", y.precision),
        ],
        constants: vec![
            ("STRIDE", op.stride as f64),
            ("IN_BLOCKS", in_blocks as f64),
            ("OUT_BLOCKS", out_blocks as f64),
        ],
        dims: vec![
            x.shape.h as u32,
            x.shape.w as u32,
            from.offset,
            from.batch,
            to.offset,
            to.batch,
            0,
            0,
        ],
        bindings: vec![
            (1, context.bind_input(ConvTranspose2d::X)),
            (2, context.bind_weight(ConvTranspose2d::WEIGHT, packing)),
            (3, context.bind_vector(ConvTranspose2d::BIAS, 2 * pairs)),
            (4, context.bind_output(0)),
        ],
        workgroups: [
            x.shape.w.div_ceil(TILE[0]) as u32,
            x.shape.h.div_ceil(TILE[1]) as u32,
            planes as u32,
        ],
        flops: 0,
    };
    split::by_rows(context, dispatch, FIRST_ROW, TILE[1])
}
