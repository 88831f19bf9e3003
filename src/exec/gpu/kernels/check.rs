//! What the kernels take for granted about the places of values. A plan that
//! breaks it is a mistake in whoever built the graph, not of the user.

use super::{Binding, Dispatch, Lowering};
use crate::graph::PlannedValue;
use crate::ops::{Conv2d, ConvTranspose2d, Op, SamplerUpdate};

/// Checks one step.
///
/// # Panics
/// When a kernel would read or write the wrong channels.
pub(super) fn check(context: &Lowering, dispatches: &[Dispatch]) {
    channels_lie_together(context);
    in_place_is_meant(context);
    for dispatch in dispatches {
        written_arrays_are_bound_once(context, dispatch);
    }
}

/// Only convolutions know the padding between the groups of a concatenation,
/// and only of x. Kernels that treat all channels alike need but the same
/// groups on both sides.
fn channels_lie_together(context: &Lowering) {
    let op = &context.step.op;
    let (knows_padding, all_alike) = match op {
        Op::Conv2d(_) => (Some(Conv2d::X), false),
        Op::ConvTranspose2d(_) => (Some(ConvTranspose2d::X), false),
        Op::Copy(_) | Op::Mish(_) | Op::UpsampleBicubic(_) | Op::UpsampleNearest(_) => (None, true),
        Op::GroupNorm(_)
        | Op::ImagePack(_)
        | Op::ImageUnpack(_)
        | Op::Linear(_)
        | Op::LinearAttention(_)
        | Op::Noise(_)
        | Op::Reconstruct(_)
        | Op::SamplerUpdate(_) => (None, false),
    };
    let maps: Vec<(&PlannedValue, Vec<usize>)> = context
        .operands()
        .filter(|(index, _)| index.is_none() || *index != knows_padding)
        .map(|(_, value)| (value, value.channel_map()))
        .collect();
    for (value, map) in &maps {
        let fits = match all_alike {
            true => *map == maps[0].1,
            false => map.iter().copied().eq(0..value.shape.c),
        };
        assert!(
            fits,
            "{} of '{}' {}: the kernel does not know the padding between its groups {:?}",
            op.name(),
            value.name,
            value.shape,
            value.segments
        );
    }
}

/// A convolution may extend the array that it reads, but not overwrite what
/// it reads; a sampler updates x and x0 where they are.
fn in_place_is_meant(context: &Lowering) {
    let place = |value: &PlannedValue| {
        let (slot, offset, _) = value.place();
        (slot, offset..offset + value.stored_channels())
    };
    match &context.step.op {
        Op::Conv2d(op) => {
            let (x, y) = (context.input(Conv2d::X), context.output(0));
            let ((x_slot, read), (y_slot, written)) = (place(x), place(y));
            let apart = read.end <= written.start || written.end <= read.start;
            assert!(
                x_slot != y_slot || apart && op.stride == 1,
                "conv2d: '{}' {} overwrites '{}' {}, which it reads",
                y.name,
                y.shape,
                x.name,
                x.shape
            );
        }
        Op::SamplerUpdate(_) => {
            for index in [SamplerUpdate::X, SamplerUpdate::X0] {
                let (old, new) = (context.input(index), context.output(index));
                assert_eq!(
                    place(old),
                    place(new),
                    "sampler_update: '{}' {} must take the place of '{}'",
                    new.name,
                    new.shape,
                    old.name
                );
            }
        }
        Op::ConvTranspose2d(_)
        | Op::Copy(_)
        | Op::GroupNorm(_)
        | Op::ImagePack(_)
        | Op::ImageUnpack(_)
        | Op::Linear(_)
        | Op::LinearAttention(_)
        | Op::Mish(_)
        | Op::Noise(_)
        | Op::Reconstruct(_)
        | Op::UpsampleBicubic(_)
        | Op::UpsampleNearest(_) => (),
    }
}

/// One buffer bound for reading and for writing, or twice for writing, is an
/// error of usage.
fn written_arrays_are_bound_once(context: &Lowering, dispatch: &Dispatch) {
    let values: Vec<usize> = dispatch
        .bindings
        .iter()
        .filter_map(|(_, binding)| match binding {
            Binding::Value(value) => Some(*value),
            Binding::Parameter { .. } | Binding::Zeros { .. } | Binding::Dummy => None,
        })
        .collect();
    let slot = |value: usize| context.plan.values[value].place().0;
    for &output in values.iter().filter(|v| context.step.outputs.contains(v)) {
        let sharing = values.iter().filter(|&&v| slot(v) == slot(output)).count();
        let value = &context.plan.values[output];
        assert!(
            sharing == 1,
            "{} of '{}' {}: another operand lies in the array that it writes",
            dispatch.entry,
            value.name,
            value.shape
        );
    }
}
