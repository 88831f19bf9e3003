//! Parameters that change: written, packed again, and used.

use crate::models;
use crate::subjects::Subject;
use libtest_mimic::{Failed, Trial as Test};
use srdiff::exec::{ExecError, Executor, PrepareOptions, StepRecord};
use srdiff::graph::{Graph, ParameterError, Parameters, Role, Shape};
use srdiff::model::{Model, PhaseOptions, names, phases};
use srdiff::plan::PACK;
use std::borrow::Cow;
use std::sync::Arc;

pub fn tests(subjects: &[Arc<Subject>]) -> Vec<Test> {
    let mut tests = Vec::new();
    for subject in subjects {
        let mut add = |name: &str, test: fn(&Subject) -> Result<(), Failed>| {
            let (name, subject) = (format!("{name} on {}", subject.name), subject.clone());
            tests.push(Test::test(name, move || test(&subject)));
        };
        add("training/changed parameters are packed again", changed);
        add("training/only a trainable program packs again", refused);
    }
    tests
}

/// The image phase: convolutions, transposed ones, and their biases.
fn graphs(model: &Model) -> Result<Vec<Graph>, Failed> {
    let least = model.settings().lr_size_multiple();
    let options = PhaseOptions::new([3 * least, 2 * least]);
    let graphs = phases::build(model.settings(), &options)?;
    let is_image = |graph: &Graph| [names::IMAGE, names::CONDITION].contains(&&*graph.name);
    Ok(graphs.into_iter().filter(is_image).collect())
}

/// A model with some of its tensors changed.
struct Changed {
    model: Model,
    names: Vec<String>,
}

impl Changed {
    fn change(v: f32) -> f32 {
        0.8 * v + 0.01
    }
}

impl Parameters for Changed {
    fn parameter(&self, name: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        let tensor = self.model.parameter(name, shape)?;
        match self.names.iter().any(|changed| changed == name) {
            true => Ok(tensor.iter().copied().map(Self::change).collect()),
            false => Ok(tensor),
        }
    }
}

/// What the conditioning becomes.
fn conditioning(executor: &mut dyn Executor) -> Result<Vec<f32>, Failed> {
    let shape = executor.shape(names::LR).ok_or("no image")?;
    let lr = (0..shape.elements()).map(|i| (i * 37 % 101) as f32 / 100.0);
    executor.write(names::LR, &lr.collect::<Vec<f32>>())?;
    executor.set_records(&[StepRecord::default()])?;
    executor.run(names::IMAGE, 0)?;
    executor.run(names::CONDITION, 0)?;
    Ok(executor.read(names::CONDITIONING)?)
}

fn changed(subject: &Subject) -> Result<(), Failed> {
    let model = Arc::new(models::model("tiny-x4"));
    let graphs = graphs(&model)?;
    // Every third tensor, so that some of the others follow each.
    let parameters = graphs[0].values.iter();
    let parameters = parameters.filter(|value| value.role == Role::Parameter);
    let names: Vec<(String, Shape)> = parameters
        .step_by(3)
        .map(|value| (value.name.clone(), value.shape))
        .collect();
    let other = Changed {
        model: models::model("tiny-x4"),
        names: names.iter().map(|(name, _)| name.clone()).collect(),
    };

    let trainable = PrepareOptions {
        trainable: true,
        ..PrepareOptions::default()
    };
    let backend = subject.backend(model.clone());
    let mut executor = backend.load(&graphs, &trainable)?;
    let before = conditioning(executor.as_mut())?;
    // A program of the same backend keeps the weights that it was given.
    let mut shared = backend.load(&graphs, &PrepareOptions::default())?;
    for (name, shape) in &names {
        let tensor = model.parameter(name, *shape)?;
        if executor.read(name)? != *tensor {
            return Err(format!("'{name}' was another").into());
        }
        let tensor: Vec<f32> = tensor.iter().copied().map(Changed::change).collect();
        executor.write(name, &tensor)?;
    }
    let not_packed = conditioning(executor.as_mut())?;
    executor.run(PACK, 0)?;
    let after = conditioning(executor.as_mut())?;
    if executor.allocated_bytes() != executor.memory().device_bytes() {
        return Err("other memory than announced".into());
    }

    let backend = subject.backend(Arc::new(other));
    let mut expected = backend.load(&graphs, &PrepareOptions::default())?;
    let expected = conditioning(expected.as_mut())?;
    if after != expected || before == after || before != not_packed {
        return Err("not the result of the changed tensors".into());
    }
    match conditioning(shared.as_mut())? == before {
        true => Ok(()),
        false => Err("the weights of another program have changed".into()),
    }
}

fn refused(subject: &Subject) -> Result<(), Failed> {
    let model = models::model("tiny-x4");
    let graphs = graphs(&model)?;
    let backend = subject.backend(Arc::new(model));
    let mut executor = backend.load(&graphs, &PrepareOptions::default())?;
    let before = conditioning(executor.as_mut())?;
    match executor.run(PACK, 0) {
        Err(ExecError::Device { reason, .. }) if reason.contains(PACK) => {}
        Err(error) => return Err(format!("another error: {error}").into()),
        Ok(()) => return Err("packed".into()),
    }
    match conditioning(executor.as_mut())? == before {
        true => Ok(()),
        false => Err("another result afterwards".into()),
    }
}
