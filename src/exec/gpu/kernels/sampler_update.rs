//! `shaders/sampler_update.wgsl`.

use super::{Binding, Dispatch, Lowering, View, blocks, pixel_grid};
use crate::exec::gpu::shader::Shader;
use crate::graph::Precision;
use crate::ops::{NoiseSource, SamplerUpdate};

pub(super) fn lower(context: &Lowering, op: &SamplerUpdate) -> Vec<Dispatch> {
    let (x, x0) = (
        context.output(SamplerUpdate::X),
        context.output(SamplerUpdate::X0),
    );
    let eps = context.input(SamplerUpdate::EPS);
    let shape = x.shape;
    let (z_view, z_precision, z) = match op.noise {
        NoiseSource::Generated => (View::default(), Precision::F32, Binding::Dummy),
        NoiseSource::Replayed => {
            let z = context.input(SamplerUpdate::Z);
            (
                View::of(z),
                z.precision,
                context.bind_input(SamplerUpdate::Z),
            )
        }
    };
    let (x_view, x0_view, eps_view) = (View::of(x), View::of(x0), View::of(eps));
    vec![Dispatch {
        shader: Shader::SamplerUpdate,
        entry: "sampler_update",
        types: vec![("eps_t", eps.precision), ("z_t", z_precision)],
        constants: vec![
            ("CHANNELS", shape.c as f64),
            (
                "REPLAYED",
                f64::from(u8::from(op.noise == NoiseSource::Replayed)),
            ),
        ],
        dims: vec![
            shape.h as u32,
            shape.w as u32,
            x_view.offset,
            x_view.batch,
            x0_view.offset,
            x0_view.batch,
            eps_view.offset,
            eps_view.batch,
            z_view.offset,
            z_view.batch,
            0,
            0,
        ],
        bindings: vec![
            (1, context.bind_output(SamplerUpdate::X)),
            (2, context.bind_output(SamplerUpdate::X0)),
            (3, context.bind_input(SamplerUpdate::EPS)),
            (4, z),
        ],
        workgroups: pixel_grid(shape.h, shape.w, shape.n * blocks(x)),
        flops: 0,
    }]
}
