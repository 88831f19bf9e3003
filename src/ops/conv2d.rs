//! Two-dimensional convolution, `torch.nn.Conv2d`.

use super::{Epilogue, Rules, expect_at_least, expect_shape};
use crate::graph::Shape;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What stands beyond the border of a 3x3 convolution's operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Padding {
    /// Zeros, `padding=1`.
    Zero,
    /// The picture mirrored about its border pixel, `torch.nn.ReflectionPad2d(1)`.
    Reflect,
}

/// `y[n, o, i, j] = epilogue(bias[o] + sum_{c, u, v} w[o, c, u, v] * x[n, c, s*i + u - p, s*j + v - p])`
/// with kernel `k x k`, stride `s` and padding `p = (k - 1) / 2`.
///
/// Operands: x `[n, c, h, w]`, weight `[o, c, k, k]`, bias `[1, o, 1, 1]` if
/// `bias`, then the epilogue's. Result: y `[n, o, ceil(h / s), ceil(w / s)]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv2d {
    /// Kernel side: 1 or 3.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
    /// Beyond the border (of no effect for a 1x1 kernel).
    pub padding: Padding,
    pub bias: bool,
    pub epilogue: Epilogue,
}

impl Conv2d {
    pub const X: usize = 0;
    pub const WEIGHT: usize = 1;
    pub const BIAS: usize = 2;

    /// With stride 1, a bias, and nothing after it.
    pub fn new(kernel: usize, padding: Padding) -> Self {
        Self {
            kernel,
            stride: 1,
            padding,
            bias: true,
            epilogue: Epilogue::none(),
        }
    }

    /// Number of operands before those of the epilogue.
    pub fn operands(&self) -> usize {
        2 + usize::from(self.bias)
    }

    /// Whether the kernel is 3x3 and the stride 1, as Winograd's algorithm wants it.
    pub fn is_3x3_of_stride_1(&self) -> bool {
        (self.kernel, self.stride) == (3, 1)
    }

    /// The epilogue's residuals among the operands.
    pub fn residuals(&self) -> Range<usize> {
        let first = self.operands() + usize::from(self.epilogue.table_add);
        first..self.operands() + self.epilogue.operands()
    }
}

impl Rules for Conv2d {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let (kernel, stride) = (self.kernel, self.stride);
        ensure!(
            matches!((kernel, stride), (1, 1) | (3, 1) | (3, 2)),
            "kernel {kernel} with stride {stride} is not supported (1x1 stride 1, 3x3 stride 1 or 2)"
        );
        let operands = self.operands();
        expect_at_least(inputs, operands, "x, weight, bias")?;
        let (x, weight) = (inputs[Self::X], inputs[Self::WEIGHT]);
        let expected = Shape::new(weight.n, x.c, kernel, kernel);
        expect_shape("the weight", weight, expected)?;
        if self.bias {
            expect_shape("the bias", inputs[Self::BIAS], Shape::vector(weight.n))?;
        }
        let reflects = kernel == 3 && self.padding == Padding::Reflect;
        ensure!(
            !reflects || x.h.min(x.w) >= 2,
            "reflection needs at least 2 pixels a side, but x is {x}"
        );
        let (h, w) = (x.h.div_ceil(stride), x.w.div_ceil(stride));
        let y = Shape::new(x.n, weight.n, h, w);
        self.epilogue.check(&inputs[operands..], y)?;
        Ok(vec![y])
    }

    fn flops(&self, inputs: &[Shape], outputs: &[Shape]) -> u64 {
        (2 * outputs[0].elements() * inputs[Self::X].c * self.kernel * self.kernel) as u64
    }
}
