//! A tensor in the order that a kernel reads it; the twin of
//! `shaders/pack.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::{View, wrong_operand};
use super::number::Number;
use super::winograd;
use crate::exec::ExecError;
use crate::ops::Pack;
use crate::plan::{Format, Precision};
use half::bf16;

pub(super) fn load(loading: &Loading, op: &Pack) -> Result<Kernel, ExecError> {
    match op.packing.precision {
        Precision::Bf16 => load_as::<bf16>(loading, op),
        _ => load_as::<f32>(loading, op),
    }
}

fn load_as<T: Number>(loading: &Loading, op: &Pack) -> Result<Kernel, ExecError> {
    let (plain, packed) = (loading.input_value(0), loading.output_value(0));
    let packing = op.packing.clone();
    if packed.packing.as_ref() != Some(&packing) {
        return Err(wrong_operand(packed, "is packed in another way"));
    }
    if plain.format != Format::TENSOR {
        return Err(wrong_operand(plain, "is not in PyTorch's order"));
    }
    let (elements, count) = (packing.plain.elements(), packing.elements());
    let plain: View = View::arrays(plain, [1, elements], loading.slot(plain))?;
    let packed: View<T> = View::arrays(packed, [1, count], loading.slot(packed))?;
    let sizes = winograd::packed_for::<T>(&packing);
    Ok(Box::new(move |_| {
        // SAFETY: nothing else reads or writes either while this runs.
        let (plain, packed) = unsafe { (plain.pixel(0), packed.pixel_mut(0)) };
        match sizes {
            Some(sizes) => winograd::pack(sizes, plain, packed),
            None => packing.apply_as(plain, packed, T::from_f32),
        }
    }))
}
