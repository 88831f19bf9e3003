//! The gradient of linear attention.

use super::{LinearAttention, Rules, Shape, expect_operands, expect_shape};
use serde::{Deserialize, Serialize};

/// The gradient of [`LinearAttention`]. Per sample and head, with the softmax
/// over pixels `s[d, p]` of the keys and `context[d, e] = sum_p s[d, p] v[e, p]`:
///
/// `dq[d, p] = sum_e context[d, e] dy[e, p]`,
/// `dcontext[d, e] = sum_p q[d, p] dy[e, p]`,
/// `dv[e, p] = sum_d s[d, p] dcontext[d, e]`,
/// `ds[d, p] = sum_e dcontext[d, e] v[e, p]` and
/// `dk[d, p] = s[d, p] (ds[d, p] - sum_p' s[d, p'] ds[d, p'])`.
///
/// Operands: qkv `[n, 3 * heads * d, h, w]`, dy `[n, heads * d, h, w]`. Result:
/// dqkv of qkv's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearAttentionGradient {
    pub heads: usize,
    /// Channels of one head `d`; a multiple of 4.
    pub head_channels: usize,
}

impl LinearAttentionGradient {
    pub const QKV: usize = 0;
    pub const DY: usize = 1;

    /// The operation that this is the gradient of.
    pub fn of(&self) -> LinearAttention {
        LinearAttention {
            heads: self.heads,
            head_channels: self.head_channels,
        }
    }
}

impl Rules for LinearAttentionGradient {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 2, "qkv, dy")?;
        let qkv = inputs[Self::QKV];
        let y = self.of().infer(&[qkv])?;
        expect_shape("dy", inputs[Self::DY], y[0])?;
        Ok(vec![qkv])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        let qkv = inputs[Self::QKV];
        let pixels = (qkv.n * qkv.pixels()) as u64;
        10 * pixels * (self.heads * self.head_channels * self.head_channels) as u64
    }
}
