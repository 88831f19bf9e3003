//! The model that is part of the library.

use srdiff::diffusion::{BetaSchedule, Process, Sampler};
use srdiff::model::{Model, Settings, expected_tensors};
use std::path::PathBuf;

#[test]
fn the_starter_model_is_what_its_card_says() {
    let model = Model::starter();
    let expected = Settings {
        hidden: 32,
        mults: vec![1, 2, 2, 4],
        rrdb_features: 32,
        rrdb_blocks: 8,
        rrdb_growth: 16,
        scale: 4,
        groups: None,
        attention: None,
        up_input: false,
        has_sr_head: true,
        timesteps: 100,
        schedule: BetaSchedule::Cosine { s: 0.008 },
        res_rescale: 2.0,
        lr_up_divisor: 255.0,
        clip_input: true,
        clip_denoised: true,
        distilled: None,
    };
    assert_eq!(*model.settings(), expected);
    assert_eq!(model.license(), Some("MIT OR Apache-2.0"));
    assert!(
        model
            .training()
            .is_some_and(|text| text.contains("photographs"))
    );
    assert_eq!(model.file(), "the built-in starter model");

    let parameters: usize = expected_tensors(model.settings())
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum();
    assert_eq!((parameters as f64 / 1e4).round(), 392.0, "3.92 million");
}

#[test]
fn the_starter_model_also_opens_as_a_file() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("weights/srdiff-s-x4.safetensors");
    let model = Model::open(&path).expect("the file is whole");
    assert_eq!(model.file(), path.display().to_string());
    let starter = Model::starter();
    assert_eq!(model.settings(), starter.settings());
    for name in starter.weights().names() {
        let of = |model: &'_ Model| model.weights().tensor(name).unwrap().values.into_owned();
        assert_eq!(of(&model), of(&starter), "{name}");
    }
}

#[test]
fn the_one_step_model_is_what_its_card_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("weights");
    let model = Model::open(folder.join("srdiff-s-x4-1-step.safetensors")).unwrap();
    let starter = Model::starter();
    let expected = Settings {
        distilled: Some(Process {
            sampler: Sampler::Ddpm,
            steps: 1,
        }),
        ..starter.settings().clone()
    };
    assert_eq!(*model.settings(), expected);
    assert!(model.checksum().is_some());
    assert_eq!(model.license(), starter.license());
    // It has the starter's encoder.
    let name = "rrdb.conv_first.weight";
    let of = |model: &'_ Model| model.weights().tensor(name).unwrap().values.into_owned();
    assert_eq!(of(&model), of(&starter));
}
