//! The gradient of a convolution's weight.

use super::{Padding, Rules, Shape, expect_operands, expect_shape};
use serde::{Deserialize, Serialize};

/// `dw[o, c, u, v] = sum_{n, i, j} dy[n, o, i, j] * x[n, c, s*i + u - p, s*j + v - p]`
/// with kernel `k x k`, stride `s` and padding `p`: 0 for `k = 1`, 1 for
/// `k = 3`, and `s / 2` for `k = 2s`.
///
/// The last is for [`ConvTranspose2d`](super::ConvTranspose2d), with its x in
/// the place of dy and the gradient of its result in that of x.
///
/// Operands: x `[n, c, h, w]`, dy `[n, o, ceil(h / s), ceil(w / s)]`. Result:
/// dw `[o, c, k, k]`, which does not depend on the number of threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv2dWeightGradient {
    pub kernel: usize,
    pub stride: usize,
    /// Beyond the border of x.
    pub padding: Padding,
}

impl Conv2dWeightGradient {
    pub const X: usize = 0;
    pub const DY: usize = 1;

    /// Pixels that stand beyond the border on the left and above.
    pub fn pad(&self) -> usize {
        match self.kernel {
            1 => 0,
            3 => 1,
            kernel => kernel / 4,
        }
    }
}

impl Rules for Conv2dWeightGradient {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let (kernel, stride) = (self.kernel, self.stride);
        let transposed = stride >= 2 && stride.is_multiple_of(2) && kernel == 2 * stride;
        ensure!(
            matches!((kernel, stride), (1, 1) | (3, 1) | (3, 2)) || transposed,
            "kernel {kernel} with stride {stride} is not supported"
        );
        expect_operands(inputs, 2, "x, dy")?;
        let (x, dy) = (inputs[Self::X], inputs[Self::DY]);
        let padding_fits = match self.padding {
            Padding::Zero => true,
            Padding::Reflect => kernel == 3 && x.h.min(x.w) >= 2,
            Padding::Full => false,
        };
        ensure!(
            padding_fits,
            "{:?} padding is not supported for kernel {kernel} and x {x}",
            self.padding
        );
        let (h, w) = (x.h.div_ceil(stride), x.w.div_ceil(stride));
        ensure!(
            !transposed || (x.h, x.w) == (stride * h, stride * w),
            "x must have sides that are multiples of {stride}, but is {x}"
        );
        let n = x.n;
        expect_shape("dy", dy, Shape { n, c: dy.c, h, w })?;
        Ok(vec![Shape::new(dy.c, x.c, kernel, kernel)])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        let (x, dy) = (inputs[Self::X], inputs[Self::DY]);
        (2 * dy.elements() * x.c * self.kernel * self.kernel) as u64
    }
}
