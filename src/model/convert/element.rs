//! Number formats of PyTorch's storages.

use half::{bf16, f16};

/// A number format of a storage, little-endian in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F32,
    F16,
    Bf16,
    F64,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Element {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// Its name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F64 => "f64",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::I16 => "i16",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::Bool => "bool",
        }
    }

    /// How to read one element of a floating-point format; `None` for the
    /// others, which weights are not kept in.
    ///
    /// The function takes as many bytes as [`Element::size`] says.
    pub fn reader(self) -> Option<fn(&[u8]) -> f64> {
        fn bytes<const N: usize>(bytes: &[u8]) -> [u8; N] {
            bytes.try_into().expect("the bytes of one element")
        }
        Some(match self {
            Self::F32 => |b| f32::from_le_bytes(bytes(b)).into(),
            Self::F16 => |b| f16::from_le_bytes(bytes(b)).into(),
            Self::Bf16 => |b| bf16::from_le_bytes(bytes(b)).into(),
            Self::F64 => |b| f64::from_le_bytes(bytes(b)),
            Self::I64 | Self::I32 | Self::I16 | Self::I8 | Self::U8 | Self::Bool => return None,
        })
    }
}
