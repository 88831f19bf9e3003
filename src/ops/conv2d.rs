//! Two-dimensional convolution, `torch.nn.Conv2d`.

use super::{Epilogue, Rules, Shape, expect_at_least, expect_shape};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What stands beyond the border of a 3x3 convolution's operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Padding {
    /// Zeros, `padding=1`.
    Zero,
    /// The picture mirrored about its border pixel, `torch.nn.ReflectionPad2d(1)`.
    Reflect,
    /// Zeros, `padding=2`: the result is 2 pixels larger along each axis. For
    /// gradients of padded operands.
    Full,
}

impl Padding {
    /// Pixels of it on each side.
    pub fn pixels(self) -> usize {
        match self {
            Self::Zero | Self::Reflect => 1,
            Self::Full => 2,
        }
    }
}

/// `y[n, o, i, j] = epilogue(bias[o] + sum_{c, u, v} w[o, c, u, v] * x[n, c, s*i + u - p, s*j + v - p])`
/// with kernel `k x k`, stride `s` and padding `p = (k - 1) / 2`, or 2 where it is
/// full.
///
/// If `backward`, it is the gradient of another convolution with respect to its
/// operand: `w[c, o, k - 1 - u, k - 1 - v]` stands in the place of `w[o, c, u, v]`.
///
/// Operands: x `[n, c, h, w]`, weight `[o, c, k, k]` (`[c, o, k, k]` if `backward`), bias `[1, o, 1, 1]` if
/// `bias`, then the epilogue's. Result: y `[n, o, ceil(h / s), ceil(w / s)]`
/// (`[n, o, h + 2, w + 2]` with full padding, which is for stride 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv2d {
    /// Kernel side: 1 or 3.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
    /// Beyond the border (of no effect for a 1x1 kernel).
    pub padding: Padding,
    pub bias: bool,
    /// Whether the weight is read as for the gradient of its convolution.
    #[serde(default)]
    pub backward: bool,
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
            backward: false,
            epilogue: Epilogue::none(),
        }
    }

    /// The gradient with respect to the operand of a convolution with this
    /// kernel and stride 1, whose gradient it reads.
    pub fn backward(kernel: usize, padding: Padding) -> Self {
        Self {
            bias: false,
            backward: true,
            ..Self::new(kernel, padding)
        }
    }

    /// Pixels that stand beyond the border on the left and above.
    pub fn pad(&self) -> usize {
        match self.kernel {
            1 => 0,
            _ => self.padding.pixels(),
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
        let outputs = if self.backward { weight.c } else { weight.n };
        let expected = match self.backward {
            true => Shape::new(x.c, outputs, kernel, kernel),
            false => Shape::new(outputs, x.c, kernel, kernel),
        };
        expect_shape("the weight", weight, expected)?;
        if self.bias {
            expect_shape("the bias", inputs[Self::BIAS], Shape::vector(outputs))?;
        }
        ensure!(
            !self.backward || stride == 1,
            "a convolution with stride {stride} does not read its weight backward"
        );
        let is_full = self.padding == Padding::Full;
        ensure!(
            !is_full || (kernel, stride) == (3, 1),
            "full padding is for 3x3 kernels with stride 1"
        );
        let reflects = kernel == 3 && self.padding == Padding::Reflect;
        ensure!(
            !reflects || x.h.min(x.w) >= 2,
            "reflection needs at least 2 pixels a side, but x is {x}"
        );
        let more = if is_full { 2 } else { 0 };
        let [h, w] = [x.h, x.w].map(|size| size.div_ceil(stride) + more);
        let y = Shape::new(x.n, outputs, h, w);
        self.epilogue.check(&inputs[operands..], y)?;
        Ok(vec![y])
    }

    fn flops(&self, inputs: &[Shape], outputs: &[Shape]) -> u64 {
        (2 * outputs[0].elements() * inputs[Self::X].c * self.kernel * self.kernel) as u64
    }
}
