//! What loading a program allocates, compiles and packs, on every executor.

use crate::models;
use crate::subjects::Subject;
use libtest_mimic::{Failed, Trial as Test};
use srdiff::exec::{Backend, Executor, PrepareOptions};
use srdiff::graph::Graph;
use srdiff::model::{Model, PhaseOptions, phases};
use std::sync::Arc;

pub fn tests(subjects: &[Arc<Subject>]) -> Vec<Test> {
    let mut tests = Vec::new();
    for subject in subjects {
        for name in ["starter", "tiny-x4"] {
            let test = format!("loading/{name} twice on {}", subject.name);
            let subject = subject.clone();
            tests.push(Test::test(test, move || twice(model(name), &subject)));
        }
    }
    tests
}

fn model(name: &str) -> Model {
    match name {
        "starter" => Model::starter(),
        name => models::model(name),
    }
}

/// All phases of a model, for an LR image of so many times the smallest size.
fn graphs(model: &Model, height: usize, width: usize) -> Result<Vec<Graph>, Failed> {
    let least = model.settings().lr_size_multiple();
    let options = PhaseOptions::new([width * least, height * least]);
    Ok(phases::build(model.settings(), &options)?)
}

/// What is compiled and what is packed.
fn counts(backend: &Backend) -> (usize, usize) {
    match backend {
        Backend::Cpu(cpu) => (0, cpu.packed_weights()),
        Backend::Gpu(gpu) => (gpu.gpu().compiled_pipelines(), gpu.packed_weights()),
    }
}

/// The memory is what was announced, and another size of image needs nothing
/// but memory.
fn twice(model: Model, subject: &Subject) -> Result<(), Failed> {
    let (first, second) = (graphs(&model, 2, 3)?, graphs(&model, 4, 2)?);
    // Other tests compile for the subject's own device meanwhile.
    let backend = subject.opened_again()?.backend(Arc::new(model));
    let load = |graphs: &[Graph]| -> Result<Box<dyn Executor>, Failed> {
        let prepared = backend
            .target()
            .prepare(graphs, &PrepareOptions::default())?;
        let announced = prepared.memory();
        let executor = backend.load_prepared(prepared)?;
        let allocated = executor.allocated_bytes();
        if executor.memory() != announced || allocated != announced.device_bytes() {
            return Err(format!("{allocated} bytes are allocated, not {announced:?}").into());
        }
        Ok(executor)
    };
    let _kept = load(&first)?;
    let before = counts(&backend);
    load(&second)?;
    let after = counts(&backend);
    match before.1 > 0 && before == after {
        true => Ok(()),
        false => Err(format!("pipelines and packed weights: {before:?}, then {after:?}").into()),
    }
}
