//! Linear attention over all pixels (Katharopoulos et al. 2020, as used in
//! denoising U-Nets): softmax over positions on the keys.

use super::{Rules, expect_operands};
use crate::graph::Shape;
use serde::{Deserialize, Serialize};

/// Per sample and head, with queries, keys and values `[d, p]` over pixels p:
/// `context[d, e] = sum_p softmax_p(k[d, :])[p] * v[e, p]` and
/// `y[e, p] = sum_d context[d, e] * q[d, p]`.
///
/// Operand: qkv `[n, 3 * heads * d, h, w]`: all queries, then all keys, then
/// all values, each head by head. Result: y `[n, heads * d, h, w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearAttention {
    pub heads: usize,
    /// Channels of one head `d`; a multiple of 4.
    pub head_channels: usize,
}

impl Rules for LinearAttention {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "qkv")?;
        let qkv = inputs[0];
        let inner = self.heads.checked_mul(self.head_channels);
        if self.head_channels == 0 || !self.head_channels.is_multiple_of(4) {
            return Err(format!(
                "a head must have a multiple of 4 channels, not {}",
                self.head_channels
            ));
        }
        let whole = inner.and_then(|inner| inner.checked_mul(3));
        let Some(inner) = inner.filter(|_| whole == Some(qkv.c)) else {
            return Err(format!(
                "qkv must have 3 * {} * {} channels, but is {qkv}",
                self.heads, self.head_channels
            ));
        };
        Ok(vec![qkv.with_channels(inner)])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        let qkv = inputs[0];
        let pixels = (qkv.n * qkv.pixels()) as u64;
        4 * pixels * (self.heads * self.head_channels * self.head_channels) as u64
    }
}
