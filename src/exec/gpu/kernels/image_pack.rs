//! `shaders/image_pack.wgsl` and `shaders/image_unpack.wgsl`.

use super::{Dispatch, Lowering, View, pixel_grid};
use crate::exec::gpu::shader::Shader;
use crate::ops::ImageUnpack;

pub(super) fn lower_unpack(context: &Lowering, op: &ImageUnpack) -> Vec<Dispatch> {
    let y = context.output(0);
    let (shape, view) = (y.shape, View::of(y));
    vec![Dispatch {
        shader: Shader::ImageUnpack,
        entry: "image_unpack",
        types: vec![("y_t", y.precision)],
        constants: vec![
            ("SCALE", f64::from(op.scale)),
            ("SHIFT", f64::from(op.shift)),
        ],
        dims: vec![shape.h as u32, shape.w as u32, view.offset, view.batch],
        bindings: vec![(1, context.bind_input(0)), (2, context.bind_output(0))],
        workgroups: pixel_grid(shape.h, shape.w, shape.n),
        flops: 0,
    }]
}

pub(super) fn lower_pack(context: &Lowering) -> Vec<Dispatch> {
    let x = context.input(0);
    let (shape, view) = (x.shape, View::of(x));
    vec![Dispatch {
        shader: Shader::ImagePack,
        entry: "image_pack",
        types: vec![("x_t", x.precision)],
        constants: vec![],
        dims: vec![shape.h as u32, shape.w as u32, view.offset, view.batch],
        bindings: vec![(1, context.bind_input(0)), (2, context.bind_output(0))],
        workgroups: pixel_grid(shape.h, shape.w, shape.n),
        flops: 0,
    }]
}
