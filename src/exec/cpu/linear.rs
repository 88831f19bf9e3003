//! Fully connected layer; the twin of `shaders/linear.wgsl`.

use super::choose::{weight_and_bias, weighted};
use super::gemm::multiply;
use super::kernel::{Kernel, Loading};
use super::memory::View;
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::ops::{Axis, Coordinate, Linear, Packing};
use crate::plan::{Choice, NodeOperands, Precision};
use rayon::prelude::*;

/// Rows of one task.
const CHUNK: usize = 32;

pub(super) fn choose(node: &NodeOperands) -> Choice {
    let (x, y) = (node.inputs[Linear::X].shape(), node.outputs[0].shape());
    weighted(node, Precision::F32, packings(x.c, y.c))
}

/// The packings of weight, `[inputs][outputs]`, and bias.
fn packings(inputs: usize, outputs: usize) -> [Packing; 2] {
    let axes = vec![
        Axis::new(inputs, Coordinate::C, 1),
        Axis::new(outputs, Coordinate::N, 1),
    ];
    weight_and_bias(Shape::matrix(outputs, inputs), axes, outputs)
}

pub(super) fn load(loading: &Loading) -> Result<Kernel, ExecError> {
    let (x, y): (View, View) = (loading.input(Linear::X)?, loading.output(0)?);
    let (rows, outputs) = (x.shape.n, y.shape.c);
    let [weight, bias] = packings(x.shape.c, outputs);
    let weight: View = loading.weight(Linear::WEIGHT, &weight)?;
    let bias: View = loading.weight(Linear::BIAS, &bias)?;
    Ok(Box::new(move |_| {
        // SAFETY: weights are packed before anything runs.
        let (weight, bias) = unsafe { (weight.pixel(0), bias.pixel(0)) };
        (0..rows.div_ceil(CHUNK)).into_par_iter().for_each(|chunk| {
            let first = chunk * CHUNK;
            let count = CHUNK.min(rows - first);
            for row in first..first + count {
                // SAFETY: each row belongs to one task.
                unsafe { y.pixel_mut(row).copy_from_slice(bias) };
            }
            // SAFETY: `count` rows from `first` on lie in both slots.
            unsafe {
                multiply(
                    [count, x.shape.c, outputs],
                    (x.address(first), [x.pitch, 1]),
                    (weight.as_ptr(), outputs),
                    (y.address(first), y.pitch),
                    true,
                );
            }
        });
    }))
}
