//! `shaders/reconstruct.wgsl`.

use super::{Dispatch, Lowering, View, blocks, pixel_grid};
use crate::exec::gpu::shader::Shader;
use crate::ops::Reconstruct;

pub(super) fn lower(context: &Lowering, op: &Reconstruct) -> Vec<Dispatch> {
    let (x, up, sr) = (context.input(0), context.input(1), context.output(0));
    let (x_view, up_view, sr_view) = (View::of(x), View::of(up), View::of(sr));
    let shape = x.shape;
    vec![Dispatch {
        shader: Shader::Reconstruct,
        entry: "reconstruct",
        types: vec![
            ("x_t", x.precision),
            ("up_t", up.precision),
            ("y_t", sr.precision),
        ],
        constants: vec![("RES_RESCALE", f64::from(op.res_rescale))],
        dims: vec![
            shape.h as u32,
            shape.w as u32,
            blocks(x) as u32,
            x_view.offset,
            x_view.batch,
            up_view.offset,
            up_view.batch,
            sr_view.offset,
            sr_view.batch,
            0,
            0,
            0,
        ],
        bindings: vec![
            (1, context.bind_input(0)),
            (2, context.bind_input(1)),
            (3, context.bind_output(0)),
        ],
        workgroups: pixel_grid(shape.h, shape.w, shape.n * blocks(x)),
        flops: 0,
    }]
}
