//! Number formats of stored weights.

use std::{borrow::Cow, fmt};

use half::{bf16, f16};
use safetensors::Dtype;

/// A number format that weights are stored in, little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FloatType {
    #[default]
    F32,
    /// IEEE 754 binary16: 11 significant bits, largest value 65504.
    F16,
    /// The upper half of binary32: 8 significant bits, the range of f32.
    Bf16,
}

impl FloatType {
    const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    pub(super) fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::BF16,
        }
    }

    pub(super) fn from_dtype(dtype: Dtype) -> Option<Self> {
        Self::ALL.into_iter().find(|float| float.dtype() == dtype)
    }

    /// Reads little-endian elements as f32, without a copy where they already are.
    pub(super) fn decode(self, bytes: &[u8]) -> Cow<'_, [f32]> {
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
    pub(super) fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => encode_with(values, f32::to_le_bytes),
            Self::F16 => encode_with(values, |v| f16::from_f32(v).to_le_bytes()),
            Self::Bf16 => encode_with(values, |v| bf16::from_f32(v).to_le_bytes()),
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

fn encode_with<const N: usize>(values: &[f32], write: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&v| write(v)).collect()
}
