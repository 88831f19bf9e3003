//! `shaders/linear_attention.wgsl`.

use super::{Dispatch, Lowering, View, pixel_grid};
use crate::exec::gpu::shader::Shader;
use crate::ops::LinearAttention;

pub(super) fn lower(context: &Lowering, op: &LinearAttention) -> Vec<Dispatch> {
    let (x, y, scratch) = (context.input(0), context.output(0), context.output(1));
    let (from, to) = (View::of(x), View::of(y));
    let shape = x.shape;
    let head_blocks = op.head_channels / 4;
    let attend = Dispatch {
        shader: Shader::LinearAttention,
        entry: "attend",
        types: vec![("x_t", x.precision), ("y_t", y.precision)],
        constants: vec![
            ("HEADS", op.heads as f64),
            ("HEAD_BLOCKS", head_blocks as f64),
        ],
        dims: vec![
            shape.h as u32,
            shape.w as u32,
            from.offset,
            from.batch,
            to.offset,
            to.batch,
            View::of(scratch).batch,
            0,
        ],
        bindings: vec![
            (1, context.bind_input(0)),
            (2, context.bind_output(1)),
            (3, context.bind_output(0)),
        ],
        workgroups: pixel_grid(shape.h, shape.w, shape.n * op.heads * head_blocks),
        flops: 0,
    };
    let context_of_head = Dispatch {
        entry: "context_of_head",
        workgroups: [
            (head_blocks * head_blocks) as u32,
            op.heads as u32,
            shape.n as u32,
        ],
        ..attend.clone()
    };
    vec![context_of_head, attend]
}
