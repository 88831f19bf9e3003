//! Linear attention over all pixels (Katharopoulos et al. 2020, as used in
//! denoising U-Nets): softmax over positions on the keys.

use super::{Rules, Shape, expect_operands};
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
        let (heads, d) = (self.heads, self.head_channels);
        ensure!(
            d > 0 && d.is_multiple_of(4),
            "a head must have a multiple of 4 channels, not {d}"
        );
        let whole = heads.checked_mul(d).and_then(|inner| inner.checked_mul(3));
        ensure!(
            whole == Some(qkv.c),
            "qkv must have 3 * {heads} * {d} channels, but is {qkv}"
        );
        Ok(vec![qkv.with_channels(heads * d)])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        let qkv = inputs[0];
        let pixels = (qkv.n * qkv.pixels()) as u64;
        4 * pixels * (self.heads * self.head_channels * self.head_channels) as u64
    }
}
