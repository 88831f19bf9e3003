//! Where a value's channel blocks lie in its slot.

use crate::graph::PlannedValue;

/// Offset of a value's first vec4 and distance of its samples, in vec4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    pub offset: u32,
    pub batch: u32,
}

impl View {
    pub(super) fn of(value: &PlannedValue) -> Self {
        let (_, channel_offset, channel_stride) = value.place();
        let plane = value.shape.pixels();
        Self {
            offset: (channel_offset / 4 * plane) as u32,
            batch: (channel_stride / 4 * plane) as u32,
        }
    }
}
