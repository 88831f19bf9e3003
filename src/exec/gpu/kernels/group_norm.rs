//! `shaders/group_norm.wgsl`.

use super::conv2d::add_epilogue;
use super::{Dispatch, Lowering, View, blocks, pixel_grid};
use crate::exec::gpu::shader::Shader;
use crate::ops::GroupNorm;

pub(super) fn lower(context: &Lowering, op: &GroupNorm) -> Vec<Dispatch> {
    let x = context.input(GroupNorm::X);
    let statistics = context.output(1);
    let (shape, x_view) = (x.shape, View::of(x));
    let mut normalize = Dispatch {
        shader: Shader::GroupNorm,
        entry: "normalize",
        types: vec![("x_t", x.precision)],
        constants: vec![
            ("CHANNELS", shape.c as f64),
            ("GROUPS", op.groups as f64),
            ("EPSILON", f64::from(op.epsilon)),
        ],
        dims: vec![
            shape.h as u32,
            shape.w as u32,
            x_view.offset,
            x_view.batch,
            statistics.stored_channels() as u32,
            0,
            0,
            0,
        ],
        bindings: vec![
            (1, context.bind_input(GroupNorm::X)),
            (2, context.bind_vector(GroupNorm::WEIGHT, blocks(x))),
            (3, context.bind_vector(GroupNorm::BIAS, blocks(x))),
            (8, context.bind_output(1)),
        ],
        workgroups: pixel_grid(shape.h, shape.w, shape.n * blocks(x)),
        flops: 0,
    };
    add_epilogue(context, &op.epilogue, GroupNorm::OPERANDS, &mut normalize);
    let statistics = Dispatch {
        entry: "statistics_of_group",
        workgroups: [op.groups as u32, shape.n as u32, 1],
        ..normalize.clone()
    };
    vec![statistics, normalize]
}
