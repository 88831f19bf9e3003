//! Number formats of stored weights.

use std::{borrow::Cow, fmt};

use half::{bf16, f16, slice::HalfFloatSliceExt};
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
            Self::F16 => decode_halves(bytes, f16::from_le_bytes),
            Self::Bf16 => decode_halves(bytes, bf16::from_le_bytes),
        }
    }

    /// The first of little-endian elements that is infinite or no number.
    pub(super) fn not_finite(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::F32 => not_finite_with(bytes, |b| f32::from_le_bytes(b).is_finite()),
            Self::F16 => not_finite_with(bytes, |b| f16::from_le_bytes(b).is_finite()),
            Self::Bf16 => not_finite_with(bytes, |b| bf16::from_le_bytes(b).is_finite()),
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

/// As [`decode_with`], several at once where the CPU has an instruction for it.
fn decode_halves<T: Copy>(bytes: &[u8], read: impl Fn([u8; 2]) -> T) -> Cow<'_, [f32]>
where
    [T]: HalfFloatSliceExt,
{
    const AT_ONCE: usize = 256;
    let elements = bytes.as_chunks().0;
    let mut values = vec![0.0; elements.len()];
    let mut halves = [read([0; 2]); AT_ONCE];
    let values_at_once = values.chunks_mut(AT_ONCE);
    for (elements, values) in elements.chunks(AT_ONCE).zip(values_at_once) {
        let halves = &mut halves[..elements.len()];
        for (half, &element) in halves.iter_mut().zip(elements) {
            *half = read(element);
        }
        halves.convert_to_f32_slice(values);
    }
    Cow::Owned(values)
}

fn not_finite_with<const N: usize>(
    bytes: &[u8],
    is_finite: impl Fn([u8; N]) -> bool,
) -> Option<usize> {
    // Without a branch for each element, compilers look at several at once.
    const AT_ONCE: usize = 256;
    let elements: &[[u8; N]] = bytes.as_chunks().0;
    let are_finite = |part: &[[u8; N]]| part.iter().fold(true, |all, &b| all & is_finite(b));
    let part = elements
        .chunks(AT_ONCE)
        .position(|part| !are_finite(part))?;
    let first = part * AT_ONCE;
    let within = elements[first..].iter().position(|&b| !is_finite(b))?;
    Some(first + within)
}

fn encode_with<const N: usize>(values: &[f32], write: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&v| write(v)).collect()
}
