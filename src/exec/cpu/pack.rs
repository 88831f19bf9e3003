//! A tensor in the order that a kernel reads it; the twin of
//! `shaders/pack.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::{View, wrong_operand};
use super::winograd;
use crate::exec::ExecError;
use crate::ops::Pack;
use crate::plan::{Format, Precision};

pub(super) fn load(loading: &Loading, op: &Pack) -> Result<Kernel, ExecError> {
    let (plain, packed) = (loading.input_value(0), loading.output_value(0));
    let packing = op.packing.clone();
    if packing.precision != Precision::F32 || packed.packing.as_ref() != Some(&packing) {
        return Err(wrong_operand(packed, "is packed in another way"));
    }
    if plain.format != Format::TENSOR {
        return Err(wrong_operand(plain, "is not in PyTorch's order"));
    }
    let (elements, count) = (packing.plain.elements(), packing.elements());
    let plain = View::arrays(plain, [1, elements], loading.slot(plain))?;
    let packed = View::arrays(packed, [1, count], loading.slot(packed))?;
    let sizes = winograd::packed_for(&packing);
    Ok(Box::new(move |_| {
        // SAFETY: nothing else reads or writes either while this runs.
        let (plain, packed) = unsafe { (plain.pixel(0), packed.pixel_mut(0)) };
        match sizes {
            Some(sizes) => winograd::pack(sizes, plain, packed),
            None => packing.apply(plain, packed),
        }
    }))
}
