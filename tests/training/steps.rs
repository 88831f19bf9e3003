//! Steps that must come to the same numbers in another way.

use super::{Device, fixture};
use libtest_mimic::Failed;
use srdiff::exec::Backend;
use srdiff::graph::gradient_name;
use srdiff::model::Model;
use srdiff::plan::Precision;
use srdiff::train::{Batch, Stage, Trainer, TrainerOptions};
use std::sync::Arc;

/// Gradients by the names of their parameters.
pub type Gradients = Vec<(String, Vec<f32>)>;

/// The gradients of a step on these batches, and the bytes that the trainer takes.
fn gradients(
    backend: &Backend,
    model: &Model,
    batches: &[Batch],
    change: impl FnOnce(&mut TrainerOptions),
) -> Result<(Gradients, u64), Failed> {
    let images = batches[0].denoiser.timesteps.len();
    let mut options = TrainerOptions::new(Stage::Joint, images, fixture::LR_SIZE);
    change(&mut options);
    let mut trainer = Trainer::new(backend, model, options)?;
    trainer.step(batches, 0.0)?;
    let gradients = gradients_of(&mut trainer)?;
    Ok((gradients, trainer.memory().total_bytes()))
}

/// Those of the last step.
pub fn gradients_of(trainer: &mut Trainer) -> Result<Gradients, Failed> {
    let parameters = trainer.parameters().iter();
    let names: Vec<String> = parameters.map(|(name, _)| name.clone()).collect();
    let mut all = Vec::new();
    for name in names {
        let gradient = trainer.read(&gradient_name(&name))?;
        all.push((name, gradient));
    }
    Ok(all)
}

/// What is computed again is what would have been kept, and takes less memory.
pub fn recomputation(device: &Device) -> Result<(), Failed> {
    let (model, batches) = fixture::batches()?;
    let backend = device.backend(model.clone());
    let (kept, all) = gradients(&backend, &model, &batches[..1], |_| {})?;
    let (again, less) = gradients(&backend, &model, &batches[..1], |o| o.segments = 4)?;
    if kept != again {
        return Err("recomputation changes gradients".into());
    }
    match less < all {
        true => Ok(()),
        false => Err(format!("{less} bytes with recomputation, {all} without").into()),
    }
}

/// Gradients of two batches are the sums of each one's.
pub fn accumulation(device: &Device) -> Result<(), Failed> {
    let (model, batches) = fixture::batches()?;
    let backend = device.backend(model.clone());
    let of = |batches: &[Batch]| {
        let (all, _) = gradients(&backend, &model, batches, |o| o.accumulates = true)?;
        Ok::<_, Failed>(all)
    };
    let [first, second, both] = [of(&batches[..1])?, of(&batches[1..2])?, of(&batches[..2])?];
    for ((name, both), ((_, first), (_, second))) in both.iter().zip(first.iter().zip(&second)) {
        let sum: Vec<f32> = first.iter().zip(second).map(|(a, b)| a + b).collect();
        let error = fixture::error(both, &sum);
        if error > 1e-6 {
            return Err(format!("'{name}' is off by {error:.1e}").into());
        }
    }
    Ok(())
}

/// Gradients do not depend on the number of threads.
pub fn threads() -> Result<(), Failed> {
    let (model, batches) = fixture::batches()?;
    let mut found = Vec::new();
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()?;
        found.push(pool.install(|| {
            let backend = Backend::cpu(Precision::F32, model.clone());
            gradients(&backend, &model, &batches[..1], |_| {}).map(|(all, _)| all)
        })?);
    }
    match found[0] == found[1] && found[0] == found[2] {
        true => Ok(()),
        false => Err("another number of threads, other gradients".into()),
    }
}

/// In bf16, gradients are those of f32 up to its precision.
pub fn bf16() -> Result<(), Failed> {
    let (model, batches) = fixture::batches()?;
    let of = |precision| -> Result<_, Failed> {
        let backend = Backend::cpu(precision, model.clone() as Arc<Model>);
        Ok(gradients(&backend, &model, &batches[..1], |_| {})?.0)
    };
    let (exact, rounded) = (of(Precision::F32)?, of(Precision::Bf16)?);
    // All gradients as one vector: the angle between the two.
    let mut products = [0.0f64; 3];
    for ((_, a), (_, b)) in exact.iter().zip(&rounded) {
        for (&a, &b) in a.iter().zip(b) {
            let (a, b) = (f64::from(a), f64::from(b));
            products[0] += a * b;
            products[1] += a * a;
            products[2] += b * b;
        }
    }
    let cosine = products[0] / (products[1] * products[2]).sqrt();
    println!("    cosine of the angle between gradients in f32 and bf16: {cosine:.5}");
    match cosine > 0.99 {
        true => Ok(()),
        false => Err(format!("the cosine of their angle is {cosine}").into()),
    }
}
