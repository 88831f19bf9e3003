//! A tensor in the order that a kernel reads it; the twin of
//! `shaders/pack.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::{Memory, View, wrong_operand};
use super::number::Number;
use super::winograd;
use crate::exec::ExecError;
use crate::ops::Pack;
use crate::plan::{PlannedValue, Precision};
use half::bf16;

pub(super) fn load(loading: &Loading, op: &Pack) -> Result<Kernel, ExecError> {
    match op.packing.precision {
        Precision::Bf16 => load_as::<bf16>(loading, op),
        _ => load_as::<f32>(loading, op),
    }
}

fn load_as<T: Number>(loading: &Loading, op: &Pack) -> Result<Kernel, ExecError> {
    let packed = loading.output_value(0);
    let plain = loading.tensor_input(0)?;
    let packed = packed_view::<T>(op, packed, loading.slot(packed))?;
    let op = op.clone();
    Ok(Box::new(move |_| {
        // SAFETY: nothing else reads or writes either while this runs.
        let (plain, packed) = unsafe { (plain.pixel(0), packed.pixel_mut(0)) };
        pack_as(&op, plain, packed);
    }))
}

fn packed_view<T: Number>(
    op: &Pack,
    packed: &PlannedValue,
    slot: &Memory,
) -> Result<View<T>, ExecError> {
    if packed.packing.as_ref() != Some(&op.packing) {
        return Err(wrong_operand(packed, "is packed in another way"));
    }
    View::arrays(packed, [1, op.packing.elements()], slot)
}

fn pack_as<T: Number>(op: &Pack, plain: &[f32], packed: &mut [T]) {
    match winograd::packed_for::<T>(&op.packing) {
        Some(sizes) => winograd::pack(sizes, plain, packed),
        None => op.packing.apply_as(plain, packed, T::from_f32),
    }
}

/// Packs a tensor that is in no slot.
///
/// # Safety
/// Nothing else touches the slot of `packed` meanwhile.
pub(super) unsafe fn pack(
    op: &Pack,
    plain: &[f32],
    packed: &PlannedValue,
    slot: &Memory,
) -> Result<(), ExecError> {
    match op.packing.precision {
        // SAFETY: the caller's promise.
        Precision::Bf16 => pack_as::<bf16>(op, plain, unsafe {
            packed_view(op, packed, slot)?.pixel_mut(0)
        }),
        // SAFETY: as above.
        _ => pack_as::<f32>(op, plain, unsafe {
            packed_view(op, packed, slot)?.pixel_mut(0)
        }),
    }
    Ok(())
}
