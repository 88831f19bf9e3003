//! A value in another format; the twin of `shaders/convert.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::wrong_operand;
use crate::exec::ExecError;
use crate::exec::elements::{clear, transfer};
use crate::plan::PlannedValue;

/// Any format to any other, element by element: conversions are rare.
pub(super) fn load(loading: &Loading) -> Result<Kernel, ExecError> {
    let [x, y] = [loading.input_value(0), loading.output_value(0)].map(PlannedValue::clone);
    let [from, to] = [&x, &y].map(|value| loading.slot(value).clone());
    for (value, slot) in [(&x, &from), (&y, &to)] {
        if value.packing.is_some() || value.array_bytes() > slot.len() as u64 {
            return Err(wrong_operand(value, "is no array of its slot"));
        }
    }
    // The same place, with the padding of its channel groups.
    let channels = y.stored_channels();
    let padded = PlannedValue {
        shape: y.shape.with_channels(channels),
        segments: vec![channels],
        ..y.clone()
    };
    Ok(Box::new(move |_| {
        // SAFETY: the two are in different slots, by the program's check, and
        // nothing else runs meanwhile.
        let (from, to) = unsafe { (from.bytes(), to.bytes_mut()) };
        if padded.shape != y.shape {
            clear(&padded, to);
        }
        transfer((&x, from), (&y, to));
    }))
}
