//! The twin of `shaders/upsample_bicubic.wgsl`.

use super::choose::{bytes, plain};
use super::kernel::{Kernel, Loading};
use super::memory::View;
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::ops::{UpsampleBicubic, bicubic_taps, symmetric};
use crate::plan::{Choice, NodeOperands};
use rayon::prelude::*;

pub(super) fn choose(node: &NodeOperands) -> Choice {
    Choice {
        thread_bytes: bytes(row_elements(node.inputs[0].shape())),
        ..plain(node)
    }
}

/// A row of x, in which four are blended into one.
fn row_elements(x: Shape) -> usize {
    x.w * x.c
}

pub(super) fn load(loading: &Loading, op: &UpsampleBicubic) -> Result<Kernel, ExecError> {
    let (x, y): (View, View) = (loading.input(0)?, loading.output(0)?);
    let factor = op.factor;
    let taps = bicubic_taps(factor);
    let threads = loading.thread_scratch(row_elements(x.shape))?;
    Ok(Box::new(move |_| {
        (0..y.shape.n * y.shape.h).into_par_iter().for_each(|row| {
            threads.scratch([row_elements(x.shape), 0], |blend, _| {
                enlarge_row(&x, &y, factor, &taps, row, blend);
            });
        });
    }))
}

/// Makes row `row` of y, counted through all samples: four rows of x blended
/// into one, then four pixels of that into each result.
fn enlarge_row(
    x: &View,
    y: &View,
    factor: usize,
    taps: &[([f32; 4], isize)],
    row: usize,
    blend: &mut [f32],
) {
    let (n, i) = (row / y.shape.h, row % y.shape.h);
    let channels = x.shape.c;
    let (weights, first) = taps[i % factor];
    let rows: [usize; 4] = std::array::from_fn(|a| {
        let i = symmetric((i / factor) as isize + first + a as isize, x.shape.h);
        (n * x.shape.h + i) * x.shape.w
    });
    for (j, blend) in blend.chunks_exact_mut(channels).enumerate() {
        // SAFETY: nothing writes x meanwhile.
        let pixels = rows.map(|row| unsafe { x.pixel(row + j) });
        for (c, blend) in blend.iter_mut().enumerate() {
            *blend = (0..4).map(|a| weights[a] * pixels[a][c]).sum();
        }
    }
    for j in 0..y.shape.w {
        let (weights, first) = taps[j % factor];
        let columns: [usize; 4] = std::array::from_fn(|b| {
            symmetric((j / factor) as isize + first + b as isize, x.shape.w) * channels
        });
        // SAFETY: each row of y belongs to one task.
        let result = unsafe { y.pixel_mut(row * y.shape.w + j) };
        for (c, result) in result.iter_mut().enumerate() {
            *result = (0..4).map(|b| weights[b] * blend[columns[b] + c]).sum();
        }
    }
}
