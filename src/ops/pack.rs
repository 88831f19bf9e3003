//! A model's tensor in the order that a kernel reads it.

use super::winograd::Winograd;
use super::{Precision, Rules, Shape, expect_operands, expect_shape};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A coordinate of a plain tensor `[n, c, h, w]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Coordinate {
    N,
    C,
    H,
    W,
}

/// One axis of a packed array: index `i` moves `step * i` along a coordinate
/// of the plain tensor, or `step * (size - 1 - i)` if it is reversed. Axes of
/// one coordinate add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Axis {
    pub size: usize,
    pub coordinate: Coordinate,
    pub step: usize,
    pub reversed: bool,
}

impl Axis {
    pub const fn new(size: usize, coordinate: Coordinate, step: usize) -> Self {
        Self {
            size,
            coordinate,
            step,
            reversed: false,
        }
    }

    pub const fn reversed(self) -> Self {
        Self {
            reversed: true,
            ..self
        }
    }
}

/// Which coordinate counts the channels of the operand that the weight is
/// multiplied with, and how these are stored: in groups, each padded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChannelMap {
    pub coordinate: Coordinate,
    /// Channels of each group.
    pub segments: Vec<usize>,
    /// Each group starts at a multiple of this.
    pub alignment: usize,
}

impl ChannelMap {
    /// Channels in these groups. Neighbours without padding between them are
    /// one group, so that equal maps compare equal.
    pub fn new(coordinate: Coordinate, groups: &[usize], alignment: usize) -> Self {
        let mut segments: Vec<usize> = Vec::new();
        for &channels in groups {
            match segments.last_mut() {
                Some(last) if last.is_multiple_of(alignment) => *last += channels,
                _ => segments.push(channels),
            }
        }
        Self {
            coordinate,
            segments,
            alignment,
        }
    }

    /// The groups as (first stored channel, first channel, channels), neighbours
    /// without padding between them merged.
    pub fn groups(&self) -> Vec<[usize; 3]> {
        let mut groups: Vec<[usize; 3]> = Vec::new();
        let (mut stored, mut first) = (0usize, 0);
        for &channels in &self.segments {
            match groups.last_mut() {
                Some([start, _, count]) if *start + *count == stored => *count += channels,
                _ => groups.push([stored, first, channels]),
            }
            first += channels;
            stored = (stored + channels).next_multiple_of(self.alignment);
        }
        groups
    }
}

/// How a tensor is packed: a strided map from packed to plain elements. What
/// lies outside the tensor, or in the padding of a channel group, is zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Packing {
    pub plain: Shape,
    /// What kernels of 3 x 3 are first transformed for, if anything; the map is
    /// then of the transformed ones, `[n, c, 4, 4]` or `[n, c, 6, 6]`.
    #[serde(default)]
    pub winograd: Option<Winograd>,
    /// Whether kernels are turned by 180 degrees before they are transformed.
    #[serde(default)]
    pub turned: bool,
    /// Axes of the packed array, outermost first.
    pub axes: Vec<Axis>,
    /// Padding between channel groups, if there is any.
    pub channels: Option<ChannelMap>,
    pub precision: Precision,
}

impl Packing {
    /// A vector of `[1, c, 1, 1]` in f32, padded to `len` elements.
    pub fn vector(plain: Shape, len: usize) -> Self {
        Self {
            plain,
            winograd: None,
            turned: false,
            axes: vec![Axis::new(len, Coordinate::C, 1)],
            channels: None,
            precision: Precision::F32,
        }
    }

    pub fn elements(&self) -> usize {
        self.axes.iter().map(|axis| axis.size).product()
    }

    /// [`ChannelMap::groups`], where there is padding.
    pub fn channel_groups(&self) -> Vec<[usize; 3]> {
        let map = self.channels.as_ref();
        map.map(ChannelMap::groups).unwrap_or_default()
    }

    /// Packs a tensor: the reference for the executors' kernels, and the CPU's.
    ///
    /// # Panics
    /// When `plain` is not of the plain shape or `packed` not of
    /// [`elements`](Self::elements).
    pub fn apply(&self, plain: &[f32], packed: &mut [f32]) {
        self.apply_as(plain, packed, |v| v);
    }

    /// As [`apply`](Self::apply), in another number format.
    ///
    /// # Panics
    /// As [`apply`](Self::apply).
    pub fn apply_as<T>(&self, plain: &[f32], packed: &mut [T], stored: impl Fn(f32) -> T) {
        assert_eq!(plain.len(), self.plain.elements(), "pack: plain tensor");
        assert_eq!(packed.len(), self.elements(), "pack: packed array");
        let (h, w, plain) = match self.winograd {
            Some(winograd) => (
                winograd.points(),
                winograd.points(),
                Cow::Owned(winograd.transform_kernels(&turned(plain, self.turned))),
            ),
            None => (self.plain.h, self.plain.w, Cow::Borrowed(plain)),
        };
        let shape = [self.plain.n, self.plain.c, h, w];
        // The plain coordinate of every stored channel, beyond all for padding.
        let mut channels = Vec::new();
        for [start, first, count] in self.channel_groups() {
            channels.resize(start, usize::MAX);
            channels.extend(first..first + count);
        }
        let mapped = self.channels.as_ref().map(|map| map.coordinate as usize);
        let mut index = vec![0; self.axes.len()];
        let mut at = [0usize; 4];
        for axis in self.axes.iter().filter(|axis| axis.reversed) {
            at[axis.coordinate as usize] += axis.step * (axis.size - 1);
        }
        for value in packed {
            let plain_at = |k: usize| match mapped {
                Some(coordinate) if coordinate == k => {
                    channels.get(at[k]).copied().unwrap_or(usize::MAX)
                }
                _ => at[k],
            };
            let [n, c, h, w] = [0, 1, 2, 3].map(plain_at);
            let inside = n < shape[0] && c < shape[1] && h < shape[2] && w < shape[3];
            *value = stored(match inside {
                true => plain[((n * shape[1] + c) * shape[2] + h) * shape[3] + w],
                false => 0.0,
            });
            // The next index, last axis first.
            for (axis, i) in self.axes.iter().zip(&mut index).rev() {
                let coordinate = &mut at[axis.coordinate as usize];
                *i = (*i + 1) % axis.size;
                let carries = *i == 0;
                let distance = if carries { axis.size - 1 } else { 1 } * axis.step;
                match axis.reversed != carries {
                    true => *coordinate -= distance,
                    false => *coordinate += distance,
                }
                if !carries {
                    break;
                }
            }
        }
    }
}

/// Kernels of 3 x 3, turned by 180 degrees if `turn`.
fn turned(kernels: &[f32], turn: bool) -> Cow<'_, [f32]> {
    if !turn {
        return Cow::Borrowed(kernels);
    }
    let kernels = kernels.chunks_exact(9);
    kernels
        .flat_map(|kernel| kernel.iter().rev().copied())
        .collect()
}

/// `32x8x9x4x2x4 f16`: sizes of the axes and the precision, and what tells
/// packings of one tensor apart.
impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for axis in &self.axes {
            let sign = if axis.reversed { "-" } else { "" };
            write!(f, "{}{:?}{sign}{} ", axis.size, axis.coordinate, axis.step)?;
        }
        if self.channel_groups().len() > 1 {
            write!(f, "groups ")?;
            for [start, _, count] in self.channel_groups() {
                write!(f, "{start}+{count} ")?;
            }
        }
        if let Some(winograd) = self.winograd {
            let turned = if self.turned { "turned " } else { "" };
            write!(f, "winograd {winograd:?} {turned}")?;
        }
        self.precision.fmt(f)
    }
}

/// Packs a tensor.
///
/// Operand: the plain tensor. Result: the same tensor, stored packed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pack {
    pub packing: Packing,
}

impl Rules for Pack {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "plain")?;
        expect_shape("the plain tensor", inputs[0], self.packing.plain)?;
        Ok(vec![self.packing.plain])
    }
}
