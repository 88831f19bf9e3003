//! `shaders/linear.wgsl`.

use super::{Dispatch, Lowering, Packing, View, blocks};
use crate::exec::gpu::shader::Shader;
use crate::ops::Linear;

pub(super) fn lower(context: &Lowering) -> Vec<Dispatch> {
    let (x, y) = (context.input(Linear::X), context.output(0));
    let weight = context.input(Linear::WEIGHT);
    let (in_blocks, out_blocks) = (blocks(x), blocks(y));
    let (from, to) = (View::of(x), View::of(y));
    let rows = x.shape.n;
    vec![Dispatch {
        shader: Shader::Linear,
        entry: "linear",
        types: vec![
            ("x_t", x.precision),
            ("w_t", weight.precision),
            ("y_t", y.precision),
        ],
        constants: vec![
            ("IN_BLOCKS", in_blocks as f64),
            ("OUT_BLOCKS", out_blocks as f64),
        ],
        dims: vec![
            rows as u32,
            from.offset,
            from.batch,
            to.offset,
            to.batch,
            0,
            0,
            0,
        ],
        bindings: vec![
            (1, context.bind_input(Linear::X)),
            (
                2,
                context.bind_weight(Linear::WEIGHT, Packing::Linear { in_blocks }),
            ),
            (3, context.bind_vector(Linear::BIAS, out_blocks)),
            (4, context.bind_output(0)),
        ],
        workgroups: [out_blocks.div_ceil(8) as u32, rows.div_ceil(8) as u32, 1],
        flops: 0,
    }]
}
