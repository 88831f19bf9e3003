//! Number formats of elements.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Precision {
    F32,
    /// 16-bit floating point; arithmetic stays in 32.
    F16,
    /// 16-bit floating point with the range of f32 and 8 bits of precision;
    /// products are added up in f32.
    Bf16,
}

impl Precision {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Precision::F32 => 4,
            Precision::F16 | Precision::Bf16 => 2,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Bf16 => "bf16",
        })
    }
}
