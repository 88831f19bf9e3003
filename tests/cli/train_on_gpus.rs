//! `train` on every GPU: the parameters of the CPU, or a refusal.

use super::folder::{Folder, Run};
use super::support::{adapters, choice_of};
use super::train::{trained, with_photos};
use srdiff::model::convert::{self, ConvertOptions, assemble};
use srdiff::model::{Settings, Weights};
use srdiff::train::{Checkpoint, NewModel, initial_tensors};
use std::collections::BTreeMap;
use std::fs;

/// The losses that lines of JSON tell.
fn losses(run: &Run) -> Vec<f64> {
    let lines = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines = lines.filter(|line: &serde_json::Value| line["event"].is_null());
    let losses =
        lines.flat_map(|line| ["loss_denoiser", "loss_encoder"].map(|key| line[key].as_f64()));
    losses.flatten().collect()
}

type Tensors = BTreeMap<String, Vec<f32>>;

/// The tensors of a file whose names start with `prefix`, which is dropped.
fn tensors(folder: &Folder, file: &str, prefix: &str) -> Tensors {
    let weights = Weights::open(folder.path(file)).unwrap();
    let named = weights.names().filter_map(|full| {
        let values = weights.tensor(full).unwrap().values.into_owned();
        Some((full.strip_prefix(prefix)?.to_owned(), values))
    });
    named.collect()
}

/// What a training came to.
struct Outcome {
    losses: Vec<f64>,
    /// How far it moved the parameters, and their averages.
    parameters: Tensors,
    averages: Tensors,
}

impl Outcome {
    /// Of the files in the folder.
    fn of(folder: &Folder, losses: Vec<f64>) -> Self {
        let start = tensors(folder, "start.safetensors", "");
        let moved = |mut to: Tensors| {
            for (name, values) in &mut to {
                let from = &start[name];
                assert_eq!(values.len(), from.len(), "{name}");
                values.iter_mut().zip(from).for_each(|(a, b)| *a -= b);
            }
            assert!(to.keys().eq(start.keys()));
            to
        };
        Self {
            losses,
            parameters: moved(tensors(folder, "out.checkpoint", "model.")),
            averages: moved(tensors(folder, "out.safetensors", "")),
        }
    }
}

/// Root mean square of the differences, as a part of that of what is expected.
fn off(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let pairs = found.iter().zip(expected);
    let differences = squares(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)));
    match squares(&mut expected.iter().map(|&v| f64::from(v))) {
        // Tensors that are not trained stay to the bit.
        0.0 if differences == 0.0 => 0.0,
        expected => (differences / expected).sqrt(),
    }
}

/// How far two results of a training may be apart: losses, the change of each
/// tensor, and that of all tensors as one.
///
/// Measured with lavapipe: 1e-7, 4e-5 and 5e-6 in f32; 3e-6, 0.3 and 0.06 in f16,
/// where small gradients change their signs, and with them Adam's first steps. A
/// step that is 1.02 times too long is off by 0.02 everywhere.
struct Allowed {
    loss: f64,
    tensor: f64,
    all: f64,
}

const F32: Allowed = Allowed {
    loss: 1e-4,
    tensor: 5e-3,
    all: 1e-3,
};

const F16: Allowed = Allowed {
    loss: 1e-2,
    tensor: 1.0,
    all: 0.2,
};

impl Outcome {
    /// What is not as expected.
    fn faults(&self, expected: &Self, allowed: &Allowed) -> Vec<String> {
        let mut faults = Vec::new();
        let mut hold = |what: String, off: f64, allowed: f64| {
            // NaN is a fault.
            if off.is_nan() || off >= allowed {
                faults.push(format!("{what} is off by {off:.1e}"));
            }
        };
        assert_eq!(self.losses.len(), expected.losses.len());
        for (found, expected) in self.losses.iter().zip(&expected.losses) {
            let off = (found - expected).abs() / expected;
            hold(format!("loss {found}"), off, allowed.loss);
        }
        for (what, found, expected) in [
            ("parameters", &self.parameters, &expected.parameters),
            ("averages", &self.averages, &expected.averages),
        ] {
            let all = |tensors: &Tensors| tensors.values().flatten().copied().collect::<Vec<f32>>();
            hold(
                what.to_owned(),
                off(&all(found), &all(expected)),
                allowed.all,
            );
            for (name, expected) in expected {
                let off = off(&found[name], expected);
                hold(format!("{name} of the {what}"), off, allowed.tensor);
            }
        }
        faults
    }
}

/// Every stage, stopped and gone on with, in f32 and f16.
#[test]
fn gpus_train_as_the_cpu_does() {
    let folder = with_photos();
    fs::create_dir(folder.path("held")).unwrap();
    folder.draw("held/x.png", 40, 40);
    trained(
        &folder,
        &[
            ("--steps", "1"),
            ("-o", "start.safetensors"),
            ("--seed", "2"),
        ],
    );
    let train = |stage, device: &str, precision, more: &[&str]| {
        let args = [
            "train",
            "photos",
            "-o=out.safetensors",
            "-m=start.safetensors",
            "--patch=32",
            "-b2",
            "--log=1",
            "--json",
            "--seed=5",
            "--decay=constant",
            "--warm-up=0",
            "--validate=held",
            "--stage",
            stage,
            "--device",
            device,
            "--precision",
            precision,
        ];
        let run = folder.run(&[&args[..], more].concat());
        assert_eq!(run.code, 0, "{stage} {device} {precision}: {run:?}");
        losses(&run)
    };
    let adapters = adapters();
    let mut faults = Vec::new();
    for stage in ["encoder", "denoiser", "joint", "distill"] {
        if adapters.is_empty() {
            return;
        }
        let losses = train(stage, "cpu", "f32", &["-n3", "--force"]);
        let expected = Outcome::of(&folder, losses);
        for adapter in &adapters {
            for (precision, allowed) in [("f32", F32), ("f16", F16)] {
                if precision == "f16" && !adapter.f16 {
                    continue;
                }
                let device = choice_of(adapter);
                let mut losses = train(stage, &device, precision, &["-n2", "--force"]);
                losses.extend(train(stage, &device, precision, &["-n3", "--resume"]));
                let found = Outcome::of(&folder, losses);
                let found = found.faults(&expected, &allowed);
                let named = found
                    .iter()
                    .map(|fault| format!("{stage} {precision}: {fault}"));
                faults.extend(named);
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Its scale is that of f16 from the step on at which a training goes on in f16.
#[test]
fn f16_goes_on_after_f32_with_a_scale_of_its_own() {
    let folder = with_photos();
    trained(&folder, &[("--steps", "2"), ("--seed", "2")]);
    for adapter in adapters().iter().filter(|adapter| adapter.f16) {
        let (checkpoint, device) = (format!("{}.checkpoint", adapter.index), choice_of(adapter));
        fs::copy(folder.path("new.checkpoint"), folder.path(&checkpoint)).unwrap();
        for (steps, precision, scales, at_scale) in [
            ("3", "f16", true, 1),
            ("4", "f16", true, 2),
            ("5", "f32", false, 1),
            ("6", "f16", true, 1),
        ] {
            let resumed = [
                ("--checkpoint", &*checkpoint),
                ("--device", &device),
                ("--precision", precision),
                ("--steps", steps),
                ("--resume", ""),
            ];
            trained(&folder, &resumed);
            let saved = Checkpoint::open(&folder.path(&checkpoint)).unwrap().saved;
            assert_eq!(saved.skipped, 0);
            assert_eq!((saved.scale > 1.0, saved.at_scale), (scales, at_scale));
        }
    }
}

#[test]
fn wrong_steps_are_noticed() {
    let moved = |factor: f32| Tensors::from([("a".to_owned(), vec![factor * 1e-3, factor * 2e-3])]);
    let outcome = |loss, parameters, averages| Outcome {
        losses: vec![loss],
        parameters: moved(parameters),
        averages: moved(averages),
    };
    let expected = outcome(0.5, 1.0, 1.0);
    let noticed = |found: Outcome, allowed| !found.faults(&expected, allowed).is_empty();
    assert!(!noticed(outcome(0.5, 1.0, 1.0001), &F32));
    assert!(!noticed(outcome(0.5, 1.1, 0.9), &F16));
    for wrong in [
        outcome(0.501, 1.0, 1.0),
        outcome(0.5, 1.02, 1.0),
        outcome(0.5, 1.0, 0.98),
    ] {
        assert!(noticed(wrong, &F32));
    }
    for wrong in [-1.0, 2.0, 0.5, f32::NAN] {
        assert!(noticed(outcome(0.5, wrong, 1.0), &F16), "{wrong}");
    }
}

/// A step of the model `odd.safetensors`.
fn step_of_odd<'a>(stage: &'a str, device: &'a str) -> Vec<&'a str> {
    let args = ["train", "photos", "-o=out.safetensors", "--patch=32", "-b2"];
    let of = ["-m=odd.safetensors", "-n1", "--force", "--stage", stage];
    [&args[..], &of, &["--device", device]].concat()
}

/// A layer whose gradient no kernel of a GPU computes is named; what is trained
/// without it is trained.
#[test]
fn gpus_name_the_layer_that_they_cannot_train() {
    let folder = with_photos();
    let new = NewModel {
        hidden: 8,
        mults: vec![1, 2],
        features: 8,
        blocks: 2,
        scale: 4,
        groups: None,
    };
    let settings = Settings {
        rrdb_growth: 2,
        ..new.settings().unwrap()
    };
    let tensors = initial_tensors(&settings, 1);
    let model = assemble("odd", &settings, &tensors, &ConvertOptions::default()).unwrap();
    convert::save(&model, &folder.path("odd.safetensors"), false).unwrap();
    for adapter in adapters() {
        let device = choice_of(&adapter);
        for stage in ["encoder", "joint"] {
            let parts = ["'rrdb.RRDB_trunk.1.RDB3.conv5'", "use --device cpu"];
            folder.refuses(&step_of_odd(stage, &device), 7, &parts);
        }
        let run = folder.run(&step_of_odd("denoiser", &device));
        assert_eq!(run.code, 0, "{run:?}");
    }
    let run = folder.run(&step_of_odd("joint", "cpu"));
    assert_eq!(run.code, 0, "{run:?}");
}
