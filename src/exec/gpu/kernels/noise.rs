//! `shaders/noise.wgsl`.

use super::{Dispatch, Lowering, View, blocks, pixel_grid};
use crate::exec::gpu::shader::Shader;

pub(super) fn lower(context: &Lowering) -> Vec<Dispatch> {
    let x = context.output(0);
    let (shape, view) = (x.shape, View::of(x));
    vec![Dispatch {
        shader: Shader::Noise,
        entry: "noise",
        types: vec![("x_t", x.precision)],
        constants: vec![("CHANNELS", shape.c as f64)],
        dims: vec![shape.h as u32, shape.w as u32, view.offset, view.batch],
        bindings: vec![(1, context.bind_output(0))],
        workgroups: pixel_grid(shape.h, shape.w, shape.n * blocks(x)),
        flops: 0,
    }]
}
