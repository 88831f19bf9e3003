//! Golden numbers of three training steps.

use super::Device;
use libtest_mimic::Failed;
use srdiff::diffusion::Schedule;
use srdiff::graph::gradient_name;
use srdiff::model::{Model, Weights};
use srdiff::train::{Batch, NoisePredictorBatch, Stage, Trainer, TrainerOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every fixture.
///
/// # Panics
/// When there is none: a test without fixtures proves nothing.
pub fn paths() -> Vec<PathBuf> {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/train");
    let folder = std::env::var_os("SRDIFF_TRAIN_FIXTURES").map_or_else(own, PathBuf::from);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|ending| ending == "safetensors")
        })
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{}: no fixtures", folder.display());
    paths
}

fn largest(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|v| f64::from(v.abs()))
        .fold(0.0, f64::max)
}

/// The largest difference as a part of the largest expected value.
pub fn error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(a, b)| {
        let difference = f64::from((a - b).abs());
        // NaN is the largest.
        if difference.is_nan() {
            f64::INFINITY
        } else {
            difference
        }
    });
    differences.fold(0.0, f64::max) / largest(expected).max(1e-30)
}

/// Refuses an error above a bound.
pub fn hold(what: &str, found: f64, bound: f64) -> Result<(), Failed> {
    match found <= bound {
        true => Ok(()),
        false => Err(format!("{what}: off by {found:.2e}, allowed {bound:.0e}").into()),
    }
}

/// A fixture with what a trainer is shown in its steps.
struct Fixture {
    model: Arc<Model>,
    golden: Weights,
    batches: Vec<Batch>,
}

impl Fixture {
    fn open(path: &Path) -> Result<Self, Failed> {
        let model = Model::from_weights(Weights::open_with_prefix(path, "weights.")?)?;
        let golden = Weights::open(path)?;
        let settings = model.settings().clone();
        let schedule = Schedule::new(&settings.schedule, settings.timesteps)?;
        let batch = |k: usize| -> Result<Batch, Failed> {
            let tensor = |name: &str| -> Result<Vec<f32>, Failed> {
                Ok(golden
                    .tensor(&format!("io.{name}.{k}"))?
                    .values
                    .into_owned())
            };
            let (hr, up, eps, lr) = (tensor("hr")?, tensor("up")?, tensor("eps")?, tensor("lr")?);
            let timesteps = tensor("t")?.iter().map(|&t| t as usize).collect();
            let images = [&hr[..], &up[..]];
            Ok(Batch {
                lr: lr.iter().map(|v| (v + 1.0) * 0.5).collect(),
                denoiser: NoisePredictorBatch::new(&settings, &schedule, images, eps, timesteps),
                hr,
            })
        };
        let batches = (0..3).map(batch).collect::<Result<_, _>>()?;
        Ok(Self {
            model: Arc::new(model),
            golden,
            batches,
        })
    }

    fn tensor(&self, name: &str) -> Result<Vec<f32>, Failed> {
        Ok(self.golden.tensor(name)?.values.into_owned())
    }
}

/// Height and width of the LR images of [`batches`].
pub const LR_SIZE: [usize; 2] = [8, 8];

/// A model, and three batches for it: those of the project's own fixture with
/// group normalisation.
pub fn batches() -> Result<(Arc<Model>, Vec<Batch>), Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/train");
    let fixture = Fixture::open(&folder.join("train-gn-x4.safetensors"))?;
    Ok((fixture.model, fixture.batches))
}

pub fn check(path: &Path, device: &Device) -> Result<(), Failed> {
    let fixture = Fixture::open(path)?;
    let tensor = |name: &str| fixture.tensor(name);
    let shape = fixture.golden.shape("io.lr.0").ok_or("no images")?;
    let options = TrainerOptions::new(Stage::Joint, shape[0], [shape[2], shape[3]]);
    let backend = device.backend(fixture.model.clone());
    let mut trainer = Trainer::new(&backend, &fixture.model, options)?;
    let names: Vec<String> = trainer
        .parameters()
        .iter()
        .map(|(name, _)| name.clone())
        .collect();

    for (k, batch) in fixture.batches.iter().enumerate() {
        let report = trainer.step(std::slice::from_ref(batch), 2e-4)?;
        let losses = [
            ("loss.q", report.losses.denoiser, 1e-4),
            ("loss.aux", report.losses.encoder, 1e-4),
            ("gradnorm", Some(report.norm), 1e-3),
        ];
        for (name, found, bound) in losses {
            let name = format!("{name}.{k}");
            let found = found.ok_or("no loss")? as f32;
            hold(&name, error(&[found], &tensor(&name)?), bound)?;
        }
        if k == 0 {
            let mut worst: (f64, &str) = (0.0, "");
            for name in &names {
                let found = trainer.read(&gradient_name(name))?;
                let error = error(&found, &tensor(&format!("grad.{name}"))?);
                if error >= worst.0 {
                    worst = (error, name);
                }
            }
            println!("    worst gradient: {} ({:.1e})", worst.1, worst.0);
            hold(&format!("gradient of {}", worst.1), worst.0, 1e-3)?;
        }
    }
    // All that PyTorch trained is trained here.
    for name in fixture
        .golden
        .names()
        .filter_map(|name| name.strip_prefix("grad."))
    {
        if !names.iter().any(|known| known == name)
            && largest(&tensor(&format!("grad.{name}"))?) > 0.0
        {
            return Err(format!("'{name}' is not trained").into());
        }
    }
    let mut worst: (f64, &str) = (0.0, "");
    for name in &names {
        let (found, start) = (trainer.read(name)?, tensor(&format!("weights.{name}"))?);
        let expected = tensor(&format!("after.{name}"))?;
        // Of the change, not of the parameter, most of which stays.
        let change = |values: &[f32]| -> Vec<f32> {
            values.iter().zip(&start).map(|(a, b)| a - b).collect()
        };
        let error = error(&change(&found), &change(&expected));
        if error >= worst.0 {
            worst = (error, name);
        }
    }
    println!("    worst parameter: {} ({:.1e})", worst.1, worst.0);
    hold(&format!("change of {}", worst.1), worst.0, 2e-2)
}
