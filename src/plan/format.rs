//! How the elements of a value are stored.

use crate::ops::Precision;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the elements of a value lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// `[n][h][w][channels]`: what matrix products over pixels like.
    ChannelsLast,
    /// `[n][channels][h][w]`: PyTorch's order, that of plain tensors.
    ChannelsFirst,
    /// `[n][channels / 4][h][w][4]`: what vec4 loads and neighbouring threads
    /// like. Every channel group is padded to a multiple of 4 with zeros.
    ChannelBlocks4,
}

impl Layout {
    /// Channels to which each channel group is padded.
    pub fn channel_alignment(self) -> usize {
        match self {
            Layout::ChannelsLast | Layout::ChannelsFirst => 1,
            Layout::ChannelBlocks4 => 4,
        }
    }

    /// Channels of groups of these sizes with the padding of each counted.
    pub fn stored_channels(self, segments: &[usize]) -> usize {
        let alignment = self.channel_alignment();
        segments.iter().map(|c| c.next_multiple_of(alignment)).sum()
    }
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Format {
    pub layout: Layout,
    pub precision: Precision,
}

impl Format {
    pub const fn new(layout: Layout, precision: Precision) -> Self {
        Self { layout, precision }
    }

    /// Channels last in f32: what the CPU works on, and scratch arrays.
    pub const PLAIN: Self = Self::new(Layout::ChannelsLast, Precision::F32);
    /// A tensor as PyTorch and model files have it.
    pub const TENSOR: Self = Self::new(Layout::ChannelsFirst, Precision::F32);
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = match self.layout {
            Layout::ChannelsLast => "channels last",
            Layout::ChannelsFirst => "channels first",
            Layout::ChannelBlocks4 => "channel blocks of 4",
        };
        write!(f, "{layout} {}", self.precision)
    }
}
