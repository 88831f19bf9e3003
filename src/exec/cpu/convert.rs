//! A value in another format; the twin of `shaders/convert.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::{View, wrong_operand};
use super::number::Number;
use super::simd::vectorized;
use crate::exec::ExecError;
use crate::exec::elements::{clear, transfer};
use crate::plan::{Format, Layout, PlannedValue, Precision};
use half::bf16;
use rayon::prelude::*;

/// Between f32 and bf16 where kernels ask for it; any format to any other, element
/// by element, where tests do.
pub(super) fn load(loading: &Loading) -> Result<Kernel, ExecError> {
    const BF16: Format = Format::new(Layout::ChannelsLast, Precision::Bf16);
    let format = |value: &PlannedValue| value.format;
    match [loading.input_value(0), loading.output_value(0)].map(format) {
        [Format::PLAIN, BF16] => load_pixels::<f32, bf16>(loading),
        [BF16, Format::PLAIN] => load_pixels::<bf16, f32>(loading),
        _ => load_any(loading),
    }
}

/// Pixels of one task.
const CHUNK: usize = 1024;

fn load_pixels<X: Number, Y: Number>(loading: &Loading) -> Result<Kernel, ExecError> {
    let (x, y): (View<X>, View<Y>) = (loading.input(0)?, loading.output(0)?);
    let pixels = x.shape.n * x.shape.pixels();
    let whole = x.is_contiguous() && y.is_contiguous();
    Ok(Box::new(move |_| {
        (0..pixels.div_ceil(CHUNK))
            .into_par_iter()
            .for_each(|chunk| {
                let (first, end) = (chunk * CHUNK, pixels.min((chunk + 1) * CHUNK));
                // SAFETY: y is another value than x, and each of its pixels belongs to
                // one task; contiguous ones are one run.
                unsafe {
                    if whole {
                        let len = (end - first) * x.shape.c;
                        let from = std::slice::from_raw_parts(x.address(first), len);
                        let to = std::slice::from_raw_parts_mut(y.address(first), len);
                        return convert(from, to);
                    }
                    for p in first..end {
                        convert(x.pixel(p), y.pixel_mut(p));
                    }
                }
            });
    }))
}

fn convert<X: Number, Y: Number>(from: &[X], to: &mut [Y]) {
    vectorized!({
        for (to, from) in to.iter_mut().zip(from) {
            *to = Y::from_f32(from.to_f32());
        }
    });
}

fn load_any(loading: &Loading) -> Result<Kernel, ExecError> {
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
