//! Elements of a value between the host's order and the slot's.

use crate::graph::{Layout, PlannedValue, Precision};
use half::f16;

/// Index, in elements of the slot, of each element in `[n, c, h, w]` order.
fn stored_indices(value: &PlannedValue) -> impl Iterator<Item = usize> {
    assert_eq!(
        value.layout,
        Layout::ChannelBlocks4,
        "value '{}'",
        value.name
    );
    let (_, channel_offset, channel_stride) = value.place();
    let (shape, plane) = (value.shape, value.shape.pixels());
    let channels = value.channel_map();
    (0..shape.n).flat_map(move |n| {
        let channels = channels.clone();
        channels.into_iter().flat_map(move |c| {
            let stored = channel_offset + c;
            let block = (n * channel_stride + stored) / 4 * plane;
            (0..plane).map(move |p| (block + p) * 4 + stored % 4)
        })
    })
}

/// Writes elements into the bytes of a slot.
pub(super) fn scatter(value: &PlannedValue, elements: &[f32], bytes: &mut [u8]) {
    assert_eq!(
        elements.len(),
        value.shape.elements(),
        "writing '{}'",
        value.name
    );
    match value.precision {
        Precision::F32 => {
            let slot: &mut [f32] = bytemuck::cast_slice_mut(bytes);
            for (index, &element) in stored_indices(value).zip(elements) {
                slot[index] = element;
            }
        }
        Precision::F16 => {
            let slot: &mut [u16] = bytemuck::cast_slice_mut(bytes);
            for (index, &element) in stored_indices(value).zip(elements) {
                slot[index] = f16::from_f32(element).to_bits();
            }
        }
    }
}

/// Reads elements from the bytes of a slot.
pub(super) fn gather(value: &PlannedValue, bytes: &[u8]) -> Vec<f32> {
    match value.precision {
        Precision::F32 => {
            let slot: &[f32] = bytemuck::cast_slice(bytes);
            stored_indices(value).map(|index| slot[index]).collect()
        }
        Precision::F16 => {
            let slot: &[u16] = bytemuck::cast_slice(bytes);
            stored_indices(value)
                .map(|index| f16::from_bits(slot[index]).to_f32())
                .collect()
        }
    }
}
