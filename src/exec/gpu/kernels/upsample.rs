//! `shaders/upsample_nearest.wgsl` and `shaders/upsample_bicubic.wgsl`.

use super::{Dispatch, Lowering, View, blocks, pixel_grid};
use crate::exec::ExecError;
use crate::exec::gpu::shader::Shader;
use crate::ops::{UpsampleBicubic, UpsampleNearest, bicubic_taps};

/// Phases that the bicubic shader's table of taps has room for.
const MAX_FACTOR: usize = 16;

pub(super) fn lower_nearest(context: &Lowering, op: &UpsampleNearest) -> Vec<Dispatch> {
    let mut dispatches =
        super::elementwise::lower(context, Shader::UpsampleNearest, "upsample_nearest");
    dispatches[0].constants.push(("FACTOR", op.factor as f64));
    dispatches
}

pub(super) fn lower_bicubic(
    context: &Lowering,
    op: &UpsampleBicubic,
) -> Result<Vec<Dispatch>, ExecError> {
    if op.factor > MAX_FACTOR {
        return Err(ExecError::Limit {
            device: "the GPU executor".to_owned(),
            what: "the factor of a bicubic enlargement".to_owned(),
            needed: op.factor as u64,
            limit: MAX_FACTOR as u64,
        });
    }
    let (x, y) = (context.input(0), context.output(0));
    let (from, to) = (View::of(x), View::of(y));
    let mut dims = vec![
        x.shape.h as u32,
        x.shape.w as u32,
        blocks(x) as u32,
        from.offset,
        from.batch,
        to.offset,
        to.batch,
        0,
    ];
    let mut taps: Vec<u32> = bicubic_taps(op.factor)
        .iter()
        .flat_map(|(taps, _)| taps.map(f32::to_bits))
        .collect();
    taps.resize(4 * MAX_FACTOR, 0);
    dims.extend(taps);
    Ok(vec![Dispatch {
        shader: Shader::UpsampleBicubic,
        entry: "upsample_bicubic",
        types: vec![("x_t", x.precision), ("y_t", y.precision)],
        constants: vec![("FACTOR", op.factor as f64)],
        dims,
        bindings: vec![(1, context.bind_input(0)), (2, context.bind_output(0))],
        workgroups: pixel_grid(y.shape.h, y.shape.w, y.shape.n * blocks(y)),
        flops: 0,
    }])
}
