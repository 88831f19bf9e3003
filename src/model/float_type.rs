//! Number formats that weights are stored in.

use std::{borrow::Cow, fmt};

use half::{bf16, f16};

/// A number format that weights are stored in, little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FloatType {
    /// IEEE 754 binary32.
    #[default]
    F32,
    /// IEEE 754 binary16: 11 significant bits, largest value 65504.
    F16,
    /// The upper half of binary32: 8 significant bits, the range of f32.
    Bf16,
}

impl FloatType {
    /// The names, for messages.
    pub(crate) const LIST: &str = "f32, f16 or bf16";

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Reads little-endian elements as f32, without a copy where they already are.
    ///
    /// `bytes` holds whole elements; a remainder would be ignored.
    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, [f32]> {
        match self {
            Self::F32 => match bytemuck::try_cast_slice(bytes) {
                Ok(values) if cfg!(target_endian = "little") => Cow::Borrowed(values),
                _ => decode_with(bytes, f32::from_le_bytes),
            },
            Self::F16 => decode_with(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => decode_with(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        }
    }

    /// Writes f32 values as little-endian elements, rounded to nearest even.
    ///
    /// A value beyond the range of the format becomes an infinity.
    pub(crate) fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F16 => encode_with(values, |v| f16::from_f32(v).to_le_bytes()),
            Self::Bf16 => encode_with(values, |v| bf16::from_f32(v).to_le_bytes()),
        }
    }

    /// Index of the first NaN or infinity.
    ///
    /// Looks at the exponent bits alone, so nothing is decoded.
    pub(crate) fn first_not_finite(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::F32 => bytes
                .as_chunks()
                .0
                .iter()
                .position(|&b| u32::from_le_bytes(b) & 0x7f80_0000 == 0x7f80_0000),
            Self::F16 => position16(bytes, 0x7c00),
            Self::Bf16 => position16(bytes, 0x7f80),
        }
    }
}

impl fmt::Display for FloatType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

fn decode_with<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Cow<'_, [f32]> {
    Cow::Owned(bytes.as_chunks().0.iter().map(|&b| read(b)).collect())
}

fn encode_with(values: &[f32], write: impl Fn(f32) -> [u8; 2]) -> Vec<u8> {
    values.iter().flat_map(|&v| write(v)).collect()
}

fn position16(bytes: &[u8], exponent: u16) -> Option<usize> {
    bytes
        .as_chunks()
        .0
        .iter()
        .position(|&b| u16::from_le_bytes(b) & exponent == exponent)
}
