//! Slow, obvious f64 versions of every operation, written from the formulas in
//! `srdiff::ops` and nothing else: loops over logical elements `[n, c, h, w]`,
//! no layout, no blocking.

mod adam;
mod channel_sum;
mod conv2d;
mod conv_transpose2d;
mod count_non_finite;
mod group_norm;
mod linear;
mod linear_attention;
mod loss;
mod pack;
mod pointwise;
mod sampling;
mod upsample;

pub use pack::pack;

use srdiff::exec::StepRecord;
use srdiff::graph::Shape;
use srdiff::ops::{Epilogue, Op};

/// An array in `[n, c, h, w]` order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Shape,
    pub data: Vec<f64>,
}

impl Tensor {
    pub fn zeros(shape: Shape) -> Self {
        Self {
            shape,
            data: vec![0.0; shape.elements()],
        }
    }

    /// The array of `f(n, c, i, j)`.
    pub fn of(shape: Shape, mut f: impl FnMut(usize, usize, usize, usize) -> f64) -> Self {
        let mut data = Vec::with_capacity(shape.elements());
        for n in 0..shape.n {
            for c in 0..shape.c {
                for i in 0..shape.h {
                    for j in 0..shape.w {
                        data.push(f(n, c, i, j));
                    }
                }
            }
        }
        Self { shape, data }
    }

    fn index(&self, n: usize, c: usize, i: usize, j: usize) -> usize {
        let s = self.shape;
        debug_assert!(n < s.n && c < s.c && i < s.h && j < s.w);
        ((n * s.c + c) * s.h + i) * s.w + j
    }

    pub fn at(&self, n: usize, c: usize, i: usize, j: usize) -> f64 {
        self.data[self.index(n, c, i, j)]
    }

    /// Channels `first..first + count`.
    pub fn channels(&self, first: usize, count: usize) -> Self {
        Self::of(self.shape.with_channels(count), |n, c, i, j| {
            self.at(n, first + c, i, j)
        })
    }

    /// Puts `part` at channels from `first` on.
    pub fn set_channels(&mut self, first: usize, part: &Tensor) {
        let s = part.shape;
        for n in 0..s.n {
            for c in 0..s.c {
                for i in 0..s.h {
                    for j in 0..s.w {
                        let at = self.index(n, first + c, i, j);
                        self.data[at] = part.at(n, c, i, j);
                    }
                }
            }
        }
    }
}

/// The results of an operation.
///
/// # Panics
/// For packing, which makes no tensor: see [`pack()`].
pub fn evaluate(op: &Op, inputs: &[&Tensor], record: &StepRecord) -> Vec<Tensor> {
    let one = match op {
        Op::Accumulate(_) => adam::accumulate(inputs),
        Op::ActivationGradient(op) => pointwise::activation_gradient(op, inputs),
        Op::Adam(op) => return adam::adam(op, inputs),
        Op::ChannelSum(op) => channel_sum::channel_sum(op, inputs[0]),
        Op::Conv2d(op) => conv2d::conv2d(op, inputs, record),
        Op::Conv2dWeightGradient(op) => conv2d::weight_gradient(op, inputs),
        Op::ConvTranspose2d(op) => conv_transpose2d::conv_transpose2d(op, inputs),
        Op::ConvTranspose2dGradient(op) => conv_transpose2d::gradient(op, inputs),
        Op::Convert(_) => inputs[0].clone(),
        Op::CountNonFinite(_) => count_non_finite::count_non_finite(inputs[0]),
        Op::Dilate(op) => conv2d::dilate(op, inputs[0]),
        Op::EstimateX0(_) => sampling::estimate_x0(inputs, record),
        Op::FoldBorder(op) => conv2d::fold_border(op, inputs[0]),
        Op::GroupNorm(op) => group_norm::group_norm(op, inputs, record),
        Op::GroupNormGradient(op) => return group_norm::group_norm_gradient(op, inputs),
        Op::Linear(_) => linear::linear(inputs),
        Op::LinearAttention(op) => linear_attention::linear_attention(op, inputs[0]),
        Op::LinearAttentionGradient(op) => linear_attention::gradient(op, inputs),
        Op::Loss(op) => return loss::loss(op, inputs),
        Op::Noise(op) => sampling::noise(op.shape, record),
        Op::Pack(_) => panic!("a packed array is no tensor"),
        Op::Pointwise(op) => epilogue(&op.epilogue, inputs[0], &inputs[1..], record),
        Op::Reconstruct(op) => sampling::reconstruct(op, inputs),
        Op::SamplerUpdate(op) => return sampling::update(op, inputs, record),
        Op::SquaredNorms(_) => adam::squared_norms(inputs),
        Op::UpsampleBicubic(op) => upsample::bicubic(inputs[0], op.factor),
        Op::UpsampleNearest(op) => upsample::nearest(inputs[0], op.factor),
        Op::UpsampleNearestGradient(op) => upsample::nearest_gradient(inputs[0], op.factor),
    };
    vec![one]
}

/// `scale * activation(v) + shift + table[row of n, c] + sum residual_scale * residual`
fn epilogue(e: &Epilogue, v: &Tensor, operands: &[&Tensor], record: &StepRecord) -> Tensor {
    let (tables, residuals) = operands.split_at(usize::from(e.table_add));
    Tensor::of(v.shape, |n, c, i, j| {
        let activated = pointwise::activation(e.activation, v.at(n, c, i, j));
        let mut y = f64::from(e.scale) * activated + f64::from(e.shift);
        for table in tables {
            y += table.at(record.places[n].table_row as usize, c, 0, 0);
        }
        for (residual, &scale) in residuals.iter().zip(&e.residual_scales) {
            y += f64::from(scale) * residual.at(n, c, i, j);
        }
        y
    })
}
