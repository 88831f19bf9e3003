//! `srdiff plan --json` is all that another runtime needs: a runtime
//! that knows WebGPU, the file and the weights, and nothing of the
//! executor, computes what the executor computes.

#[path = "export/runtime.rs"]
mod runtime;
#[path = "support/mod.rs"]
mod support;
#[path = "support/models.rs"]
mod support_models;

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;
use srdiff::exec::gpu::{Gpu, GpuOptions};
use srdiff::exec::{Backend, PrepareOptions, StepRecord};
use srdiff::model::{Model, PhaseOptions, Weights, names, phases, time::sinusoidal_embedding};
use srdiff::plan::Precision;
use std::sync::Arc;
use support_models::ModelFile;

/// Of an image of 12x8 with its margin.
const SIZE: [usize; 2] = [20, 16];

fn exported(args: &[&str]) -> Value {
    let output = cargo_bin_cmd!("srdiff")
        .args(["plan", "12x8", "--json", "--steps", "3", "--seed", "5"])
        .args(args)
        .output()
        .expect("the command runs");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// An LR image with gradients and edges, as planes in [0, 1].
fn image() -> Vec<f32> {
    let [width, height] = SIZE;
    let value = |i: usize| ((i * 7) % 13) as f32 / 26.0 + (i / width % 3) as f32 / 8.0;
    (0..3 * width * height).map(value).collect()
}

/// What both make of the image, on every adapter: it must be the same.
fn compare(export: &Value, model: fn() -> Model, worse: &[Value]) {
    assert_eq!(export["lr_size"], serde_json::json!(SIZE));
    assert_eq!(export["margin"], 4);
    for adapter in support::adapters() {
        let weights = model();
        let tensor = |name: &str| weights.weights().tensor(name).expect(name).values.to_vec();
        let expected = expected(adapter.index, export, model());
        assert!(expected.iter().any(|v| (v - expected[0]).abs() > 0.1));
        let worst = |export: &Value| {
            let found = runtime::run(export, &adapter.name, &tensor, &image(), "sr");
            assert_eq!(found.len(), expected.len());
            let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
            differences.fold(0.0, f32::max)
        };
        // The same shaders, but compiled with other checks.
        let off = worst(export);
        assert!(off < 1e-5, "{}: {off} off", adapter.name);
        for worse in worse {
            assert!(worst(worse) > 1e-3, "another export gives the same image");
        }
    }
}

#[test]
fn another_runtime_computes_the_same_image_from_the_json_alone() {
    let export = exported(&[]);
    assert_eq!(export["gates"], serde_json::json!({}));
    let mut broken = export.clone();
    broken["records"][2][4] = Value::from(0.5f32.to_bits());
    compare(&export, Model::starter, &[broken]);
}

/// Attention, whose gate is a tensor of its own, and weight normalisation.
#[test]
fn what_tensors_are_multiplied_by_is_in_the_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("options.safetensors");
    let bytes = ModelFile::of("tiny-options-x2").tamed().to_bytes();
    std::fs::write(&file, bytes).expect("written");
    let export = exported(&["-m", file.to_str().expect("UTF-8")]);
    let mut ungated = export.clone();
    ungated["gates"] = serde_json::json!({});
    let model = || {
        let bytes = ModelFile::of("tiny-options-x2").tamed().to_bytes();
        let weights = Weights::from_bytes(bytes, "options").expect("a file");
        Model::from_weights(weights).expect("a model")
    };
    compare(&export, model, &[ungated]);
}

/// What the executor makes of the same image and records.
fn expected(adapter: usize, export: &Value, model: Model) -> Vec<f32> {
    let gpu = Gpu::open(adapter, GpuOptions { checked: false }).expect("an adapter that is listed");
    let settings = model.settings().clone();
    let backend = Backend::gpu(Arc::new(gpu), Precision::F32, Arc::new(model));
    let options = PhaseOptions::new(SIZE);
    let graphs = phases::build(&settings, &options).expect("a size that fits");
    let mut executor = backend
        .load(&graphs, &PrepareOptions::default())
        .expect("it loads");
    let words: Vec<Vec<u32>> = serde_json::from_value(export["records"].clone()).expect("words");
    let records: Vec<StepRecord> = words
        .iter()
        .map(|words| bytemuck::pod_read_unaligned(bytemuck::cast_slice(words)))
        .collect();
    executor.set_records(&records).expect("records");
    let sinusoids = sinusoidal_embedding(settings.timesteps, settings.hidden);
    executor.write(names::TIME, &sinusoids).expect("an input");
    executor.write(names::LR, &image()).expect("an input");
    for phase in [names::MODEL, names::IMAGE, names::CONDITION, names::START] {
        executor.run(phase, 0).expect("a phase");
    }
    for record in 1..records.len() {
        executor.run(names::PREDICT, record).expect("a phase");
        executor.run(names::UPDATE, record).expect("a phase");
    }
    executor.run(names::FINISH, 0).expect("a phase");
    executor.read(names::SR).expect("an output")
}
