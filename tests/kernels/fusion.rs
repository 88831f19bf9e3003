//! Fused graphs compute what the graphs as built compute.

use crate::models;
use crate::subjects::Subject;
use libtest_mimic::{Failed, Trial as Test};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use srdiff::exec::{Executor, PrepareOptions, StepRecord};
use srdiff::graph::Graph;
use srdiff::model::time::sinusoidal_embedding;
use srdiff::model::{Model, PhaseOptions, names, phases};
use srdiff::plan::Precision;
use std::sync::Arc;

pub fn tests(subjects: &[Arc<Subject>]) -> Vec<Test> {
    let mut tests = Vec::new();
    for subject in subjects {
        if subject.precision() != Precision::F32 {
            continue; // unfused, more results are rounded
        }
        for name in ["tiny-x4", "tiny-gn-x4", "tiny-options-x2"] {
            let test = format!("fusion/{name} on {}", subject.name);
            let subject = subject.clone();
            tests.push(Test::test(test, move || {
                same(models::model(name), &subject)
            }));
        }
    }
    tests
}

/// Samples at different timesteps, none of them the first.
fn record(timesteps: usize) -> StepRecord {
    let mut record = StepRecord {
        // The estimate is not clamped, and is eps in the main.
        clip: f32::MAX,
        x0_from_x: 0.25,
        x0_from_eps: 1.0,
        ..StepRecord::default()
    };
    for (n, place) in record.places.iter_mut().enumerate() {
        place.table_row = ((5 * n + 3) % timesteps) as u32;
    }
    record
}

/// The whole of a prediction, from the image on.
fn predicted(model: &Model, executor: &mut dyn Executor) -> Result<Vec<f32>, Failed> {
    let settings = model.settings();
    let sinusoids = sinusoidal_embedding(settings.timesteps, settings.hidden);
    executor.write(names::TIME, &sinusoids)?;
    let mut rng = StdRng::seed_from_u64(11);
    for (name, low) in [(names::LR, 0.0), (names::X, -1.0)] {
        let shape = executor.shape(name).ok_or("no such value")?;
        let values = (0..shape.elements()).map(|_| rng.random_range(low..=1.0));
        executor.write(name, &values.collect::<Vec<f32>>())?;
    }
    executor.set_records(&[record(settings.timesteps)])?;
    for phase in [names::MODEL, names::IMAGE, names::CONDITION, names::PREDICT] {
        executor.run(phase, 0)?;
    }
    Ok(executor.read(names::X0)?)
}

fn nodes(graphs: &[Graph]) -> usize {
    graphs.iter().map(|graph| graph.nodes.len()).sum()
}

fn same(model: Model, subject: &Subject) -> Result<(), Failed> {
    let least = model.settings().lr_size_multiple();
    let options = PhaseOptions {
        batch: 2,
        ..PhaseOptions::new([3 * least, 2 * least])
    };
    let graphs = phases::build(model.settings(), &options)?;
    let fused: Vec<Graph> = graphs.iter().map(srdiff::graph::fuse).collect();
    if nodes(&fused) >= nodes(&graphs) {
        return Err("nothing to fuse".into());
    }
    let model = Arc::new(model);
    let backend = subject.backend(model.clone());
    let mut results = Vec::new();
    for fuse in [false, true] {
        let options = PrepareOptions {
            fuse,
            ..PrepareOptions::default()
        };
        let mut executor = backend.load(&graphs, &options)?;
        results.push(predicted(&model, executor.as_mut())?);
    }
    let largest = results[0].iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let pairs = results[0].iter().zip(&results[1]);
    let error = pairs.fold(0.0f32, |most, (a, b)| {
        let difference = (a - b).abs();
        // NaN counts as the largest difference.
        if difference <= most { most } else { difference }
    });
    let varied = results[0].iter().any(|&v| v != results[0][0]);
    match varied && error <= 1e-5 * largest {
        true => Ok(()),
        false => Err(format!("differ by {error:e} of {largest:e}").into()),
    }
}
