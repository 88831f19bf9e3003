//! The table of cases.

pub mod conv2d;
mod conv_gradients;
pub mod conv_transpose2d;
mod convert;
pub mod dense_block;
mod gradients;
mod group_norm;
mod image;
mod linear;
mod linear_attention;
pub mod models;
mod pointwise;
mod sampling;
mod training;
mod upsample;

use crate::case::{Case, Fill};
use srdiff::exec::{Place, StepRecord};
use srdiff::graph::{Element, Shape, ValueId};

/// Every case.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(conv2d::cases());
    cases.extend(conv_gradients::cases());
    cases.extend(conv_transpose2d::cases());
    cases.extend(convert::cases());
    cases.extend(dense_block::cases());
    cases.extend(gradients::cases());
    cases.extend(group_norm::cases());
    cases.extend(image::cases());
    cases.extend(linear::cases());
    cases.extend(linear_attention::cases());
    cases.extend(models::cases());
    cases.extend(pointwise::cases());
    cases.extend(sampling::cases());
    cases.extend(training::cases());
    cases.extend(upsample::cases());
    cases
}

/// Convolutions that between them have every feature of the kernels, for tiles
/// other than the usual: all kernels and strides, both paddings, no bias, every
/// epilogue, views of concatenations, arrays extended in place, sizes and
/// channels that end inside a tile, a batch.
pub fn tiled() -> Vec<Case> {
    let mut cases = conv2d::tiled();
    cases.extend(conv_transpose2d::tiled());
    cases.extend(dense_block::tiled());
    cases
}

/// Numbers around zero.
const UNIT: Fill = Fill::Uniform(-1.0, 1.0);

/// The second group of an array.
fn group(case: &mut Case, name: &str, shape: Shape, element: Element, fill: Fill) -> ValueId {
    let whole = shape.with_channels(shape.c + 3);
    let array = case.array(name, whole, &[3, shape.c], element, fill);
    case.view(array, 1, 1)
}

/// Weights that keep the variance of `inputs` summed products near one.
fn weights(inputs: usize) -> Fill {
    let bound = 3.0 / (inputs as f32).sqrt();
    Fill::Uniform(-bound, bound)
}

/// Records of which only the one at `step` is right: the others choose other
/// rows and coefficients.
fn records(count: usize, step: usize, right: StepRecord) -> Vec<StepRecord> {
    (0..count)
        .map(|at| match at == step {
            true => right,
            false => StepRecord {
                noise_step: 1000 + at as u32,
                clip: 9.0,
                from_x: 3.0,
                ..StepRecord::default()
            }
            .at_timestep(at as u32),
        })
        .collect()
}

/// A record that reads another row of a table for each sample; `rows` is odd.
fn table_rows(rows: u32) -> StepRecord {
    let place = |n| Place {
        table_row: (rows - 1 + 2 * n as u32) % rows,
        ..Place::default()
    };
    StepRecord {
        places: std::array::from_fn(place),
        ..StepRecord::default()
    }
}
