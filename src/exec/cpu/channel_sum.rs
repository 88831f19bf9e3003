//! Sums over pixels; the twin of `shaders/channel_sum.wgsl`.

use super::choose::maps;
use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::number::{Number, with_numbers};
use super::simd::vectorized;
use crate::exec::{ExecError, choice};
use crate::graph::Shape;
use crate::ops::ChannelSum;
use crate::plan::{Choice, Format, NodeOperands, Precision};
use rayon::prelude::*;

/// Pixels of one task. Sums are always split here, whatever the number of
/// threads, so that they always round alike.
const CHUNK: usize = 512;

pub(super) fn choose(node: &NodeOperands, precision: Precision) -> Choice {
    Choice {
        scratch: choice::scratch(
            "partial_sums",
            partial_sums(node.inputs[0].shape()).iter().product(),
        ),
        ..maps(node, precision)
    }
}

/// Sums of chunks: how many, and their channels.
fn partial_sums(x: Shape) -> [usize; 2] {
    [x.n * x.pixels().div_ceil(CHUNK), x.c]
}

pub(super) fn load(loading: &Loading, op: &ChannelSum) -> Result<Kernel, ExecError> {
    with_numbers!(loading.precisions(0), X, Y => load_as::<X, Y>(loading, op))
}

fn load_as<X: Number, Y: Number>(loading: &Loading, op: &ChannelSum) -> Result<Kernel, ExecError> {
    let x: View<X> = loading.input(0)?;
    let value = loading.output_value(0);
    // Rows of channels, in either order of elements.
    let y: View<Y> = match value.format == Format::TENSOR && !value.is_part() {
        true => View::arrays(value, [value.shape.n, value.shape.c], loading.slot(value))?,
        false => loading.output(0)?,
    };
    let partial = loading.scratch(partial_sums(x.shape))?;
    let per_sample = op.per_sample;
    Ok(Box::new(move |_| {
        let pixels = x.shape.pixels();
        let chunks = pixels.div_ceil(CHUNK);
        (0..x.shape.n * chunks).into_par_iter().for_each(|task| {
            let (n, chunk) = (task / chunks, task % chunks);
            // SAFETY: scratch of this node alone, a row for each task.
            let sums = unsafe { partial.pixel_mut(task) };
            sums.fill(0.0);
            vectorized!({
                for p in chunk * CHUNK..pixels.min((chunk + 1) * CHUNK) {
                    // SAFETY: nothing writes x meanwhile.
                    let x = unsafe { x.pixel(n * pixels + p) };
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum += x.to_f32();
                    }
                }
            });
        });
        let of_row = if per_sample {
            chunks
        } else {
            x.shape.n * chunks
        };
        for row in 0..y.shape.n {
            let mut total = vec![0.0f64; x.shape.c];
            for task in row * of_row..(row + 1) * of_row {
                // SAFETY: the tasks are done.
                let sums = unsafe { partial.pixel(task) };
                for (total, &sum) in total.iter_mut().zip(sums) {
                    *total += f64::from(sum);
                }
            }
            // SAFETY: y is another value, written here alone.
            let y = unsafe { y.pixel_mut(row) };
            for (y, &total) in y.iter_mut().zip(&total) {
                *y = Y::from_f32(total as f32);
            }
        }
    }))
}
