//! A model that learns a few images by heart, from nothing.

use super::photos::{Folder, batches};
use super::resuming::cpu;
use image::{Rgb, RgbImage};
use srdiff::model::convert::{ConvertOptions, assemble};
use srdiff::train::data::Degradation;
use srdiff::train::validation::Validation;
use srdiff::train::{
    Decay, NewModel, RateSchedule, Session, SessionOptions, Stage, TrainerOptions,
};
use std::f64::consts::TAU;
use std::sync::Arc;

const SIDE: u32 = 32;

/// Crossed waves, some so short that bicubic enlargement flattens them.
fn waves(kind: u32) -> RgbImage {
    let k = f64::from(kind);
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        Rgb([0.0, 1.0, 2.0].map(|channel| {
            let (sin, cos) = (0.8 * k + 0.3 * channel).sin_cos();
            let length = 5.0 + 0.7 * k + 0.4 * channel;
            let short = (TAU * (x * cos + y * sin) / length + channel).sin();
            let long = (TAU * (y * cos - x * sin) / (length + 4.0) + k).sin();
            (128.0 + 55.0 * short + 45.0 * long).round() as u8
        }))
    })
}

/// By its sampling and by the encoder's own image, both of which would show
/// a patch that is shifted or turned otherwise than its LR.
#[test]
fn four_images_are_learnt_by_heart() {
    let folder = Folder::new();
    for kind in 0..4 {
        waves(kind)
            .save(folder.path(&format!("{kind}.png")))
            .unwrap();
    }
    let new = NewModel {
        hidden: 16,
        mults: vec![1],
        features: 8,
        blocks: 2,
        scale: 2,
        groups: None,
    };
    let model = Arc::new(new.make(1).unwrap());
    let settings = model.settings();
    let lr_side = SIDE as usize / 2;
    let sizes = (Stage::Joint, 4, lr_side);
    let batches = batches(&folder, settings, sizes, Degradation::default(), u64::MAX);
    let options = SessionOptions {
        trainer: TrainerOptions {
            average: 0.99,
            ..TrainerOptions::new(Stage::Joint, 4, [lr_side; 2])
        },
        schedule: RateSchedule {
            rate: 4e-3,
            warm_up: 20,
            decay: Decay::Cosine,
        },
        accumulate: 1,
        steps: Some(400),
        time: None,
        workers: 1,
    };
    let device = cpu();
    let mut session = Session::new(&device, model.clone(), batches, options, None).unwrap();
    while !session.is_done() {
        session.step().unwrap();
    }
    let (validation, skipped) = Validation::load(folder.root(), settings).unwrap();
    assert_eq!(skipped, []);
    assert!(validation.bicubic_psnr_y < 34.0);
    let averages = session.averages().unwrap();
    for stage in [Stage::Joint, Stage::Encoder] {
        let options = ConvertOptions::default();
        let trained = assemble("learnt", settings, &averages, &options).unwrap();
        let measured = validation.measure(trained, stage, &device, &|| false);
        let psnr = measured.unwrap().psnr_y;
        println!("{stage:?}: {psnr:.2} dB after {:.1?}", session.elapsed());
        assert!(psnr > 35.0, "{stage:?}: {psnr}");
    }
}
