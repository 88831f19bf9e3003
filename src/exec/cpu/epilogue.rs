//! What a kernel does to its result before storing it; the twin of
//! `shaders/include/epilogue.wgsl`, and of `shaders/pointwise.wgsl`: one on its own.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::mish::mish;
use super::simd::{Fma, vectorized};
use crate::exec::{ExecError, StepRecord};
use crate::ops::{Activation, Epilogue, Pointwise};
use rayon::prelude::*;

/// An epilogue with its operands.
pub(super) struct BoundEpilogue {
    activation: Activation,
    scale: f32,
    shift: f32,
    bias: Option<View>,
    table: Option<View>,
    residuals: Vec<(f32, View)>,
    pub y: View,
}

/// What is added to each channel in one run.
pub(super) struct Terms {
    /// Before the activation.
    bias: Vec<f32>,
    /// After it, for each sample: the shift and the sample's row of the table.
    post: Vec<f32>,
}

impl BoundEpilogue {
    /// `first` is the index of the epilogue's first operand.
    pub fn new(
        loading: &Loading,
        op: &Epilogue,
        first: usize,
        bias: Option<View>,
    ) -> Result<Self, ExecError> {
        let table = match op.table_add {
            true => Some(loading.input(first)?),
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
                let row = record.places[n].table_row as usize;
                assert!(row < table.shape.n, "row {row} of a table {}", table.shape);
                // SAFETY: an earlier node of the program has written the table.
                let row = unsafe { table.pixel(row) };
                for (post, v) in post.iter_mut().zip(row) {
                    *post += v;
                }
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
    /// through all samples), whose sums lie in `sums`, `channels` apart.
    ///
    /// # Safety
    /// Nobody else touches these pixels' channels of y, or writes those of
    /// the residuals.
    #[inline(always)]
    pub unsafe fn store(&self, fma: Fma, terms: &Terms, sums: &[f32], n: usize, first: usize) {
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
    unsafe fn map(
        &self,
        fma: Fma,
        terms: &Terms,
        sums: &[f32],
        n: usize,
        first: usize,
        activation: impl Fn(f32) -> f32,
    ) {
        let channels = self.y.shape.c;
        let scale = self.scale;
        let bias = &terms.bias[..channels];
        let post = &terms.post[n * channels..][..channels];
        for (pixel, sums) in (first..).zip(sums.chunks_exact(channels)) {
            // SAFETY: the caller's promise.
            let y = unsafe { self.y.pixel_mut(pixel) };
            let (y, sums) = (&mut y[..channels], &sums[..channels]);
            match &self.residuals[..] {
                [] => {
                    for c in 0..channels {
                        y[c] = fma.fma(scale, activation(sums[c] + bias[c]), post[c]);
                    }
                }
                [(s0, r0)] => {
                    // SAFETY: as above.
                    let r0 = unsafe { &r0.pixel(pixel)[..channels] };
                    for c in 0..channels {
                        let v = fma.fma(scale, activation(sums[c] + bias[c]), post[c]);
                        y[c] = fma.fma(*s0, r0[c], v);
                    }
                }
                [(s0, r0), (s1, r1), ..] => {
                    // SAFETY: as above.
                    let (r0, r1) =
                        unsafe { (&r0.pixel(pixel)[..channels], &r1.pixel(pixel)[..channels]) };
                    for c in 0..channels {
                        let v = fma.fma(scale, activation(sums[c] + bias[c]), post[c]);
                        y[c] = fma.fma(*s1, r1[c], fma.fma(*s0, r0[c], v));
                    }
                }
            }
        }
    }
}

/// Pixels of one task.
const CHUNK: usize = 1024;

pub(super) fn load_pointwise(loading: &Loading, op: &Pointwise) -> Result<Kernel, ExecError> {
    let x = loading.input(Pointwise::X)?;
    let epilogue = BoundEpilogue::new(loading, &op.epilogue, Pointwise::OPERANDS, None)?;
    let pixels = x.shape.pixels();
    let chunks = pixels.div_ceil(CHUNK);
    Ok(Box::new(move |record| {
        let terms = epilogue.terms(record);
        (0..x.shape.n * chunks).into_par_iter().for_each(|task| {
            let (n, chunk) = (task / chunks, task % chunks);
            let first = n * pixels + chunk * CHUNK;
            let end = n * pixels + pixels.min((chunk + 1) * CHUNK);
            vectorized!(fma => {
                for p in first..end {
                    // SAFETY: y is another value than x, and each of its
                    // pixels belongs to one task.
                    unsafe { epilogue.store(fma, &terms, x.pixel(p), n, p) };
                }
            });
        });
    }))
}
