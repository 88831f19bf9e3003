//! What a kernel does to its result before storing it; the twin of
//! `shaders/include/epilogue.wgsl`.

use super::kernel::Loading;
use super::memory::View;
use super::mish::mish;
use super::number::Number;
use super::simd::Fma;
use crate::exec::{ExecError, StepRecord};
use crate::ops::{Activation, Epilogue};
use crate::plan::Precision;
use half::bf16;

/// An epilogue with its operands.
pub(super) struct BoundEpilogue<T = f32> {
    activation: Activation,
    scale: f32,
    shift: f32,
    bias: Option<View>,
    table: Option<Table>,
    residuals: Vec<(f32, View<T>)>,
    pub y: View<T>,
}

/// A table of rows, as it is stored.
enum Table {
    F32(View),
    Bf16(View<bf16>),
}

impl Table {
    fn new(loading: &Loading, index: usize) -> Result<Self, ExecError> {
        match loading.input_value(index).format.precision {
            Precision::Bf16 => loading.input(index).map(Self::Bf16),
            _ => loading.input(index).map(Self::F32),
        }
    }

    /// Adds a row to `to`.
    fn add_row(&self, row: usize, to: &mut [f32]) {
        match self {
            Self::F32(table) => add_row(table, row, to),
            Self::Bf16(table) => add_row(table, row, to),
        }
    }
}

fn add_row<T: Number>(table: &View<T>, row: usize, to: &mut [f32]) {
    assert!(row < table.shape.n, "row {row} of a table {}", table.shape);
    // SAFETY: an earlier node of the program has written the table.
    let row = unsafe { table.pixel(row) };
    for (to, v) in to.iter_mut().zip(row) {
        *to += v.to_f32();
    }
}

/// What is added to each channel in one run.
pub(super) struct Terms {
    /// Before the activation.
    bias: Vec<f32>,
    /// After it, for each sample: the shift and the sample's row of the table.
    post: Vec<f32>,
}

impl<T: Number> BoundEpilogue<T> {
    /// `first` is the index of the epilogue's first operand.
    pub fn new(
        loading: &Loading,
        op: &Epilogue,
        first: usize,
        bias: Option<View>,
    ) -> Result<Self, ExecError> {
        let table = match op.table_add {
            true => Some(Table::new(loading, first)?),
            false => None,
        };
        let residuals = op.residual_scales.iter();
        let residuals = residuals.zip(first + usize::from(op.table_add)..);
        Ok(Self {
            activation: op.activation,
            scale: op.scale,
            shift: op.shift,
            bias,
            table,
            residuals: residuals
                .map(|(&scale, index)| Ok((scale, loading.input(index)?)))
                .collect::<Result<_, ExecError>>()?,
            y: loading.output(0)?,
        })
    }

    pub fn terms(&self, record: &StepRecord) -> Terms {
        let shape = self.y.shape;
        let mut post = vec![self.shift; shape.n * shape.c];
        if let Some(table) = &self.table {
            for (n, post) in post.chunks_exact_mut(shape.c).enumerate() {
                table.add_row(record.places[n].table_row as usize, post);
            }
        }
        let bias = match self.bias {
            // SAFETY: weights are packed before anything runs.
            Some(bias) => unsafe { bias.pixel(0) }.to_vec(),
            None => vec![0.0; shape.c],
        };
        Terms { bias, post }
    }

    /// Finishes and stores pixels of sample `n` from `first` on (counted
    /// through all samples), whose sums lie in `sums`, `pitch` apart.
    ///
    /// # Safety
    /// Nobody else touches these pixels' channels of y, or writes those of
    /// the residuals.
    #[inline(always)]
    pub unsafe fn store<X: Number>(
        &self,
        fma: Fma,
        terms: &Terms,
        sums: (&[X], usize),
        n: usize,
        first: usize,
    ) {
        // SAFETY: the caller's promise, passed on.
        unsafe {
            match self.activation {
                Activation::None => self.map(fma, terms, sums, n, first, |v| v),
                Activation::LeakyRelu { slope } => {
                    let leaky_relu = |v: f32| if v > 0.0 { v } else { slope * v };
                    self.map(fma, terms, sums, n, first, leaky_relu);
                }
                Activation::Mish => self.map(fma, terms, sums, n, first, |v| mish(fma, v)),
            }
        }
    }

    #[inline(always)]
    unsafe fn map<X: Number>(
        &self,
        fma: Fma,
        terms: &Terms,
        (sums, pitch): (&[X], usize),
        n: usize,
        first: usize,
        activation: impl Fn(f32) -> f32,
    ) {
        let channels = self.y.shape.c;
        let scale = self.scale;
        let bias = &terms.bias[..channels];
        let post = &terms.post[n * channels..][..channels];
        for (pixel, sums) in (first..).zip(sums.chunks(pitch)) {
            // SAFETY: the caller's promise.
            let y = unsafe { self.y.pixel_mut(pixel) };
            let (y, sums) = (&mut y[..channels], &sums[..channels]);
            match &self.residuals[..] {
                [] => {
                    for c in 0..channels {
                        let v = fma.fma(scale, activation(sums[c].to_f32() + bias[c]), post[c]);
                        y[c] = T::from_f32(v);
                    }
                }
                [(s0, r0)] => {
                    // SAFETY: as above.
                    let r0 = unsafe { &r0.pixel(pixel)[..channels] };
                    for c in 0..channels {
                        let v = fma.fma(scale, activation(sums[c].to_f32() + bias[c]), post[c]);
                        y[c] = T::from_f32(fma.fma(*s0, r0[c].to_f32(), v));
                    }
                }
                [(s0, r0), (s1, r1), ..] => {
                    // SAFETY: as above.
                    let (r0, r1) =
                        unsafe { (&r0.pixel(pixel)[..channels], &r1.pixel(pixel)[..channels]) };
                    for c in 0..channels {
                        let v = fma.fma(scale, activation(sums[c].to_f32() + bias[c]), post[c]);
                        let v = fma.fma(*s0, r0[c].to_f32(), v);
                        y[c] = T::from_f32(fma.fma(*s1, r1[c].to_f32(), v));
                    }
                }
            }
        }
    }
}
