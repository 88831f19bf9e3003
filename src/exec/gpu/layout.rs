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
    let indices = stored_indices(value).zip(elements);
    match value.precision {
        Precision::F32 => {
            for (index, element) in indices {
                bytes[4 * index..][..4].copy_from_slice(bytemuck::bytes_of(element));
            }
        }
        Precision::F16 => {
            for (index, &element) in indices {
                let half = f16::from_f32(element).to_bits();
                bytes[2 * index..][..2].copy_from_slice(bytemuck::bytes_of(&half));
            }
        }
    }
}

/// Reads elements from the bytes of a slot.
pub(super) fn gather(value: &PlannedValue, bytes: &[u8]) -> Vec<f32> {
    let indices = stored_indices(value);
    match value.precision {
        Precision::F32 => indices
            .map(|index| bytemuck::pod_read_unaligned(&bytes[4 * index..][..4]))
            .collect(),
        Precision::F16 => indices
            .map(|index| {
                let half = bytemuck::pod_read_unaligned(&bytes[2 * index..][..2]);
                f16::from_bits(half).to_f32()
            })
            .collect(),
    }
}
