//! Elements of a value between the host's order, `[n, c, h, w]`, and the bytes
//! of its slot.

use super::ExecError;
use crate::host_memory::with_room;
use crate::plan::{Layout, PlannedValue, Precision};
use half::{bf16, f16};

/// For each sample and channel, the index in the slot of its first pixel, and
/// the distance of its pixels; both in elements.
fn planes(value: &PlannedValue) -> impl Iterator<Item = (usize, usize)> {
    let (stride, pixels) = (value.channel_stride, value.shape.pixels());
    let (first, layout) = (value.channel_offset, value.format.layout);
    let channels = value.channel_map();
    (0..value.shape.n).flat_map(move |n| {
        let plane = move |c: usize| match layout {
            Layout::ChannelsLast => (n * pixels * stride + first + c, stride),
            Layout::ChannelsFirst => ((n * stride + first + c) * pixels, 1),
            Layout::ChannelBlocks4 => {
                let block = (n * stride + first + c) / 4;
                (block * pixels * 4 + (first + c) % 4, 4)
            }
        };
        channels.clone().into_iter().map(plane)
    })
}

/// Writes elements into the bytes of a slot.
///
/// # Panics
/// When the number of elements is not the value's, or the slot is too small.
pub(super) fn scatter(value: &PlannedValue, elements: &[f32], bytes: &mut [u8]) {
    match value.format.precision {
        Precision::F32 => scatter_as(value, elements, bytes, f32::to_ne_bytes),
        Precision::F16 => scatter_as(value, elements, bytes, |v| f16::from_f32(v).to_ne_bytes()),
        Precision::Bf16 => {
            scatter_as(value, elements, bytes, |v| bf16::from_f32(v).to_ne_bytes());
        }
    }
}

fn scatter_as<const BYTES: usize>(
    value: &PlannedValue,
    elements: &[f32],
    bytes: &mut [u8],
    stored: impl Fn(f32) -> [u8; BYTES],
) {
    let shape = value.shape;
    assert_eq!(elements.len(), shape.elements(), "writing '{}'", value.name);
    let (slot, _) = bytes.as_chunks_mut();
    let planes = planes(value).zip(elements.chunks_exact(shape.pixels().max(1)));
    for ((first, step), plane) in planes {
        for (place, &element) in slot[first..].iter_mut().step_by(step).zip(plane) {
            *place = stored(element);
        }
    }
}

/// Reads elements from the bytes of a slot.
///
/// # Errors
/// When there is no memory for them.
///
/// # Panics
/// When the slot is too small.
pub(super) fn gather(value: &PlannedValue, bytes: &[u8]) -> Result<Vec<f32>, ExecError> {
    match value.format.precision {
        Precision::F32 => gather_as(value, bytes, f32::from_ne_bytes),
        Precision::F16 => gather_as(value, bytes, |v| f16::from_ne_bytes(v).to_f32()),
        Precision::Bf16 => gather_as(value, bytes, |v| bf16::from_ne_bytes(v).to_f32()),
    }
}

/// Copies elements from one slot to another in any format, without an array
/// for them in between.
///
/// # Panics
/// When the values have not as many elements, or a slot is too small.
pub(super) fn transfer(from: (&PlannedValue, &[u8]), to: (&PlannedValue, &mut [u8])) {
    use Precision::{Bf16, F16, F32};
    let f16_of = |v| f16::from_f32(v).to_ne_bytes();
    let of_f16 = |bytes| f16::from_ne_bytes(bytes).to_f32();
    let bf16_of = |v| bf16::from_f32(v).to_ne_bytes();
    let of_bf16 = |bytes| bf16::from_ne_bytes(bytes).to_f32();
    match (from.0.format.precision, to.0.format.precision) {
        (F32, F32) => transfer_as(from, to, f32::from_ne_bytes, f32::to_ne_bytes),
        (F32, F16) => transfer_as(from, to, f32::from_ne_bytes, f16_of),
        (F16, F32) => transfer_as(from, to, of_f16, f32::to_ne_bytes),
        (F16, F16) => transfer_as(from, to, of_f16, f16_of),
        (F32, Bf16) => transfer_as(from, to, f32::from_ne_bytes, bf16_of),
        (Bf16, F32) => transfer_as(from, to, of_bf16, f32::to_ne_bytes),
        (F16, Bf16) => transfer_as(from, to, of_f16, bf16_of),
        (Bf16, F16) => transfer_as(from, to, of_bf16, f16_of),
        (Bf16, Bf16) => transfer_as(from, to, of_bf16, bf16_of),
    }
}

fn transfer_as<const FROM: usize, const TO: usize>(
    (x, from): (&PlannedValue, &[u8]),
    (y, to): (&PlannedValue, &mut [u8]),
    element: impl Fn([u8; FROM]) -> f32,
    stored: impl Fn(f32) -> [u8; TO],
) {
    assert_eq!(x.shape, y.shape, "from '{}' to '{}'", x.name, y.name);
    let ((from, _), (to, _)) = (from.as_chunks(), to.as_chunks_mut());
    let pixels = x.shape.pixels();
    for ((x_first, x_step), (y_first, y_step)) in planes(x).zip(planes(y)) {
        let elements = from[x_first..].iter().step_by(x_step);
        let places = to[y_first..].iter_mut().step_by(y_step);
        for (place, &bytes) in places.zip(elements).take(pixels) {
            *place = stored(element(bytes));
        }
    }
}

/// Writes zero to all elements of a value.
///
/// # Panics
/// When the slot is too small.
pub(super) fn clear(value: &PlannedValue, bytes: &mut [u8]) {
    match value.format.precision {
        Precision::F32 => clear_as(value, bytes, [0; size_of::<f32>()]),
        Precision::F16 | Precision::Bf16 => clear_as(value, bytes, [0; size_of::<f16>()]),
    }
}

fn clear_as<const BYTES: usize>(value: &PlannedValue, bytes: &mut [u8], zero: [u8; BYTES]) {
    let (slot, _) = bytes.as_chunks_mut();
    for (first, step) in planes(value) {
        let plane = slot[first..].iter_mut().step_by(step);
        plane
            .take(value.shape.pixels())
            .for_each(|place| *place = zero);
    }
}

fn gather_as<const BYTES: usize>(
    value: &PlannedValue,
    bytes: &[u8],
    element: impl Fn([u8; BYTES]) -> f32,
) -> Result<Vec<f32>, ExecError> {
    let (slot, _) = bytes.as_chunks();
    let mut elements = with_room(value.shape.elements())?;
    for (first, step) in planes(value) {
        let plane = slot[first..].iter().step_by(step);
        let plane = plane.take(value.shape.pixels());
        elements.extend(plane.map(|&stored| element(stored)));
    }
    Ok(elements)
}
