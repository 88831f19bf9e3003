//! What a kernel does to its result before storing it; the twin of
//! `shaders/include/epilogue.wgsl`.

use super::kernel::Loading;
use super::memory::View;
use super::mish::mish;
use crate::exec::StepRecord;
use crate::ops::{Activation, Epilogue};

/// An epilogue with its operands.
pub(super) struct BoundEpilogue {
    activation: Activation,
    scale: f32,
    shift: f32,
    table: Option<View>,
    residuals: Vec<(f32, View)>,
    pub y: View,
}

/// The per-channel numbers of one step.
pub(super) struct Offsets {
    /// Added after the activation.
    post: Vec<f32>,
}

impl BoundEpilogue {
    /// `first` is the index of the epilogue's first operand.
    pub fn new(loading: &mut Loading, op: &Epilogue, first: usize) -> Self {
        let table = op.table_add.then(|| loading.input(first));
        let first = first + usize::from(op.table_add);
        let residuals = op
            .residual_scales
            .iter()
            .enumerate()
            .map(|(index, &scale)| (scale, loading.input(first + index)))
            .collect();
        Self {
            activation: op.activation,
            scale: op.scale,
            shift: op.shift,
            table,
            residuals,
            y: loading.output(0),
        }
    }

    /// Shift and the table's row of the running step.
    pub fn offsets(&self, record: &StepRecord) -> Offsets {
        let post = match &self.table {
            Some(table) => {
                assert!(
                    (record.table_row as usize) < table.shape.n,
                    "epilogue: row {} of a table {}",
                    record.table_row,
                    table.shape
                );
                // SAFETY: the table is written by an earlier step of the program.
                let row = unsafe { table.pixel(record.table_row as usize) };
                row.iter().map(|v| v + self.shift).collect()
            }
            None => vec![self.shift; self.y.shape.c],
        };
        Offsets { post }
    }

    /// Finishes and stores `count` pixels from `first` on (counted through
    /// all samples); their sums lie in `sums`, `channels` apart, and lack `bias`.
    ///
    /// # Safety
    /// Nobody else touches these pixels' channels of y, or writes those of
    /// the residuals.
    #[inline(always)]
    pub unsafe fn store(
        &self,
        offsets: &Offsets,
        bias: &[f32],
        sums: &[f32],
        first: usize,
        count: usize,
    ) {
        // SAFETY: the caller's promise, passed on.
        unsafe {
            match self.activation {
                Activation::None => self.map(offsets, bias, sums, first, count, |v| v),
                Activation::LeakyRelu { slope } => {
                    self.map(offsets, bias, sums, first, count, |v| {
                        if v > 0.0 { v } else { slope * v }
                    });
                }
                Activation::Mish => self.map(offsets, bias, sums, first, count, mish),
            }
        }
    }

    #[inline(always)]
    unsafe fn map(
        &self,
        offsets: &Offsets,
        bias: &[f32],
        sums: &[f32],
        first: usize,
        count: usize,
        activation: impl Fn(f32) -> f32,
    ) {
        let channels = self.y.shape.c;
        let scale = self.scale;
        let (bias, post) = (&bias[..channels], &offsets.post[..channels]);
        for (k, sums) in sums.chunks_exact(channels).take(count).enumerate() {
            let pixel = first + k;
            // SAFETY: the caller's promise.
            let y = unsafe { self.y.pixel_mut(pixel) };
            let (y, sums) = (&mut y[..channels], &sums[..channels]);
            match &self.residuals[..] {
                [] => {
                    for c in 0..channels {
                        y[c] = scale * activation(sums[c] + bias[c]) + post[c];
                    }
                }
                [(s0, r0)] => {
                    // SAFETY: as above.
                    let r0 = unsafe { &r0.pixel(pixel)[..channels] };
                    for c in 0..channels {
                        let v = scale * activation(sums[c] + bias[c]) + post[c];
                        y[c] = v + s0 * r0[c];
                    }
                }
                [(s0, r0), (s1, r1), ..] => {
                    // SAFETY: as above.
                    let (r0, r1) =
                        unsafe { (&r0.pixel(pixel)[..channels], &r1.pixel(pixel)[..channels]) };
                    for c in 0..channels {
                        let v = scale * activation(sums[c] + bias[c]) + post[c];
                        y[c] = v + s0 * r0[c] + s1 * r1[c];
                    }
                }
            }
        }
    }
}
