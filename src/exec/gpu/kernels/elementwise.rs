//! `shaders/mish.wgsl` and `shaders/copy.wgsl`.

use super::{Dispatch, Lowering, View, blocks, pixel_grid};
use crate::exec::gpu::shader::Shader;

pub(super) fn lower(context: &Lowering, shader: Shader, entry: &'static str) -> Vec<Dispatch> {
    let (x, y) = (context.input(0), context.output(0));
    let (from, to) = (View::of(x), View::of(y));
    let shape = y.shape;
    vec![Dispatch {
        shader,
        entry,
        types: vec![("x_t", x.precision), ("y_t", y.precision)],
        constants: vec![],
        dims: vec![
            shape.h as u32,
            shape.w as u32,
            blocks(y) as u32,
            from.offset,
            from.batch,
            to.offset,
            to.batch,
            0,
        ],
        bindings: vec![(1, context.bind_input(0)), (2, context.bind_output(0))],
        workgroups: pixel_grid(shape.h, shape.w, shape.n * blocks(y)),
        flops: 0,
    }]
}
