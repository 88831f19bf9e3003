//! New models, and models from averages.

use super::photos::{Folder, batches, model, new_model};
use super::resuming::{cpu, two_steps};
use super::support_models;
use srdiff::graph::{Parameters, Shape};
use srdiff::model::convert::{ConvertOptions, assemble};
use srdiff::model::{FloatType, Model};
use srdiff::train::data::Degradation;
use srdiff::train::{NewModel, Session, Stage, initial_tensors};
use std::sync::Arc;

#[test]
fn new_parameters_are_as_pytorch_begins() {
    let settings = NewModel {
        groups: Some(4),
        ..new_model(4)
    }
    .settings()
    .unwrap();
    let tensors = initial_tensors(&settings, 3);
    let range = |name: &str| {
        let values = &tensors[name];
        let fold = |f: fn(f32, f32) -> f32, start| values.iter().copied().fold(start, f);
        (fold(f32::min, f32::MAX), fold(f32::max, f32::MIN))
    };
    // 3x3 convolutions of 16 channels, and of 8 to 3; transposed ones of 8 outputs.
    for (name, inputs) in [
        ("denoise_fn.downs.1.0.block2.block.1.weight", 16 * 9),
        ("denoise_fn.downs.1.0.block2.block.1.bias", 16 * 9),
        ("rrdb.HRconv.weight", 8 * 9),
        ("denoise_fn.cond_proj.weight", 8 * 64),
        ("denoise_fn.mlp.0.weight", 8),
    ] {
        let bound = 1.0 / f64::from(inputs).sqrt();
        let (least, most) = range(name);
        let values = tensors[name].len();
        assert!(
            f64::from(most) <= bound && f64::from(least) >= -bound,
            "{name}"
        );
        if values > 100 {
            assert!(
                f64::from(most - least) > 1.9 * bound,
                "{name}: {least} {most}"
            );
            let mean = tensors[name].iter().map(|&v| f64::from(v)).sum::<f64>() / values as f64;
            let deviation = bound / (3.0 * values as f64).sqrt();
            assert!(mean.abs() < 5.0 * deviation, "{name}: {mean}");
        }
    }
    let norm = "denoise_fn.downs.0.0.block1.block.2";
    assert_eq!(range(&format!("{norm}.weight")), (1.0, 1.0));
    assert_eq!(range(&format!("{norm}.bias")), (0.0, 0.0));
    assert_eq!(initial_tensors(&settings, 3), tensors);
    assert_ne!(initial_tensors(&settings, 4), tensors);
}

#[test]
fn sizes_of_no_model_are_refused() {
    let refused = |change: fn(&mut NewModel)| {
        let mut new = new_model(4);
        change(&mut new);
        new.settings().unwrap_err().to_string()
    };
    for (said, name) in [
        (refused(|new| new.hidden = 10), "hidden"),
        (refused(|new| new.mults = vec![2, 2]), "mults"),
        (refused(|new| new.mults = vec![1, 0]), "mults"),
        (refused(|new| new.features = 12), "features"),
        (refused(|new| new.blocks = 1), "blocks"),
        (refused(|new| new.scale = 3), "scale"),
        (refused(|new| new.groups = Some(3)), "groups"),
    ] {
        assert!(said.contains(&format!("`{name}`")), "{said}");
    }
    // Whatever is not refused is a model.
    for mults in [vec![1], vec![1, 2, 3, 4, 5, 6]] {
        let new = NewModel {
            mults,
            groups: Some(8),
            ..new_model(8)
        };
        assert!(new.make(1).is_ok());
    }
}

fn session(folder: &Folder, model: &Arc<Model>, stage: Stage) -> Session {
    let sizes = (stage, 1, 8);
    let settings = model.settings();
    let batches = batches(folder, settings, sizes, Degradation::default(), u64::MAX);
    let options = two_steps(stage);
    Session::new(&cpu(), model.clone(), None, batches, options, None).unwrap()
}

fn parameter(model: &Model, name: &str, shape: Shape) -> Vec<f32> {
    model.parameter(name, shape).unwrap().into_owned()
}

/// What the trainer averages is what an executor reads from the model file, the
/// gate of the attention included; other tensors stay as they were.
#[test]
fn averages_become_a_model() {
    let folder = Folder::with_images();
    let base = Arc::new(support_models::model("tiny-options-x2"));
    for (stage, still) in [
        (Stage::Denoiser, "rrdb.conv_first.weight"),
        (Stage::Encoder, "denoise_fn.mid_attn.fn.fn.to_out.weight"),
    ] {
        let mut session = session(&folder, &base, stage);
        session.step().unwrap();
        session.step().unwrap();
        let tensors = session.averages().unwrap();
        let options = ConvertOptions::default();
        let model = assemble("averages", base.settings(), &tensors, &options).unwrap();
        let before = base.weights().tensor(still).unwrap();
        assert_eq!(model.weights().tensor(still).unwrap(), before);
        let moved = |(name, shape): &(String, Shape)| {
            let (new, old) = (
                parameter(&model, name, *shape),
                parameter(&base, name, *shape),
            );
            let most = new.iter().zip(&old).map(|(a, b)| (a - b).abs());
            let most = most.fold(0.0, f32::max);
            // Two steps of Adam are about two rates long at most.
            assert!(most > 0.0 && most < 3e-3, "{name}: {most}");
        };
        session.trainer().parameters().iter().for_each(moved);
    }
}

#[test]
fn model_files_keep_to_the_range_of_their_format() {
    let base = model(4, 1);
    let settings = base.settings();
    let mut tensors = initial_tensors(settings, 1);
    let options = ConvertOptions {
        float_type: Some(FloatType::F16),
        license: Some("CC0-1.0".to_owned()),
        training: Some("a test".to_owned()),
        ..ConvertOptions::default()
    };
    let half = assemble("half", settings, &tensors, &options).unwrap();
    assert_eq!(
        (half.license(), half.training()),
        (Some("CC0-1.0"), Some("a test"))
    );
    assert!(half.checksum().is_some());
    tensors.get_mut("rrdb.HRconv.weight").unwrap()[3] = 1e6;
    let error = assemble("half", settings, &tensors, &options).unwrap_err();
    assert!(
        error.to_string().contains("beyond the range of f16"),
        "{error}"
    );
    tensors.remove("rrdb.HRconv.weight");
    let error = assemble("half", settings, &tensors, &options).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}
