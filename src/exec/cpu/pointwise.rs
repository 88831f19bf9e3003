//! An epilogue on its own; the twin of `shaders/pointwise.wgsl`.

use super::choose::weighted;
use super::epilogue::BoundEpilogue;
use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::number::{Number, with_numbers};
use super::simd::vectorized;
use crate::exec::ExecError;
use crate::ops::Pointwise;
use crate::plan::{Choice, NodeOperands, Precision, Wanted};
use rayon::prelude::*;

/// Pixels of one task.
const CHUNK: usize = 1024;

/// The operand as it is, residuals in the precision of the result.
pub(super) fn choose(node: &NodeOperands, op: &Pointwise, precision: Precision) -> Choice {
    let mut choice = weighted(node, precision, []);
    let first = Pointwise::OPERANDS + usize::from(op.epilogue.table_add);
    let residuals = first..Pointwise::OPERANDS + op.epilogue.operands();
    for residual in &mut choice.inputs[residuals] {
        *residual = Wanted::Value(choice.outputs[0]);
    }
    choice
}

pub(super) fn load(loading: &Loading, op: &Pointwise) -> Result<Kernel, ExecError> {
    with_numbers!(loading.precisions(Pointwise::X), X, Y => load_as::<X, Y>(loading, op))
}

fn load_as<X: Number, Y: Number>(loading: &Loading, op: &Pointwise) -> Result<Kernel, ExecError> {
    let x: View<X> = loading.input(Pointwise::X)?;
    let epilogue: BoundEpilogue<Y> =
        BoundEpilogue::new(loading, &op.epilogue, Pointwise::OPERANDS, None)?;
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
                    unsafe { epilogue.store(fma, &terms, (x.pixel(p), x.shape.c), n, p) };
                }
            });
        });
    }))
}
