//! The table of cases.

mod attention;
mod conv2d;
mod conv_transpose2d;
mod dense_block;
mod elementwise;
mod group_norm;
mod image;
mod linear;
mod models;
mod sampling;

use crate::case::{Case, Fill};
use srdiff::exec::StepRecord;

/// Every case.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(attention::cases());
    cases.extend(conv2d::cases());
    cases.extend(conv_transpose2d::cases());
    cases.extend(dense_block::cases());
    cases.extend(elementwise::cases());
    cases.extend(group_norm::cases());
    cases.extend(image::cases());
    cases.extend(linear::cases());
    cases.extend(models::cases());
    cases.extend(sampling::cases());
    cases
}

/// Numbers around zero.
const UNIT: Fill = Fill::Uniform(-1.0, 1.0);

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
                table_row: at as u32,
                noise_step: 1000 + at as u32,
                clip: 9.0,
                from_x: 3.0,
                ..StepRecord::default()
            },
        })
        .collect()
}
