//! Published models were trained with an enlargement of u8 / 256, beside an
//! encoder that saw u8 / 255.

use super::support;
use super::support_models::{ModelFile, keep};
use srdiff::exec::gpu::{Gpu, GpuOptions};
use srdiff::exec::{Backend, PrepareOptions, StepRecord};
use srdiff::image::{Border, Colors, Picture, bicubic};
use srdiff::model::{Model, PhaseOptions, Weights, names, phases};
use srdiff::plan::Precision;
use std::sync::Arc;

const SIZE: [usize; 2] = [6, 4];
/// What conv_first makes of the encoder's input.
const FEATURES: &str = "encoder.first";

/// A picture with both ends of the range in it.
fn rgb() -> Vec<u8> {
    let (width, height) = (SIZE[0], SIZE[1]);
    let pixels = (0..width * height).map(|i| [i * 255 / 23, 255 - i * 11, i % 2 * 255]);
    pixels.flatten().map(|v| v as u8).collect()
}

fn with_divisor(divisor: f64) -> Model {
    let mut file = ModelFile::of("tiny-x4");
    let config = file.metadata.get_mut("config").unwrap();
    *config = config.replacen('{', &format!("{{\"lr_up_divisor\": {divisor}, "), 1);
    let weights = Weights::from_bytes(file.to_bytes(), "divisor").unwrap();
    let model = Model::from_weights(weights).unwrap();
    assert_eq!(model.settings().lr_up_divisor, divisor);
    model
}

/// The enlargement `[3, h, w]`, and the first features of the encoder.
fn prepare(model: Model, gpu: Option<&Arc<Gpu>>) -> (Vec<f32>, Vec<f32>) {
    let options = PhaseOptions::new(SIZE);
    let mut graphs = phases::build(model.settings(), &options).unwrap();
    keep(&mut graphs, &|name| name == FEATURES);
    let model = Arc::new(model);
    let backend = match gpu {
        None => Backend::cpu(Precision::F32, model),
        Some(gpu) => Backend::gpu(gpu.clone(), Precision::F32, model),
    };
    let mut executor = backend.load(&graphs, &PrepareOptions::default()).unwrap();
    let image = Picture::new(SIZE[0], SIZE[1], rgb());
    executor.set_records(&[StepRecord::default()]).unwrap();
    executor
        .write(
            names::LR,
            &Colors::new(&image, Border::Reflected)
                .unwrap()
                .window([0, 0], SIZE)
                .unwrap(),
        )
        .unwrap();
    executor.run(names::IMAGE, 0).unwrap();
    executor.run(names::CONDITION, 0).unwrap();
    executor.wait(0).unwrap();
    (
        executor.read(names::UP).unwrap(),
        executor.read(FEATURES).unwrap(),
    )
}

/// The host's enlargement of u8 / `divisor` * 2 - 1, `[3, h, w]`.
fn enlarged(divisor: f64) -> Vec<f64> {
    let size = SIZE.map(|side| 4 * side);
    let pixels = bicubic::resize(&rgb(), SIZE, 3, size).unwrap();
    let of_channel = |c: usize| pixels.iter().skip(c).step_by(3);
    (0..3)
        .flat_map(of_channel)
        .map(|v| v / divisor * 2.0 - 1.0)
        .collect()
}

fn largest_difference(found: &[f32], expected: impl Iterator<Item = f64>) -> f64 {
    assert!(found.iter().all(|v| v.is_finite()));
    let pairs = found.iter().zip(expected);
    pairs.fold(0.0, |most, (&a, b)| most.max((f64::from(a) - b).abs()))
}

fn check(gpu: Option<&Arc<Gpu>>) {
    let (up, features) = prepare(with_divisor(256.0), gpu);
    assert_eq!(up.len(), 3 * 16 * SIZE[0] * SIZE[1]);
    let difference = largest_difference(&up, enlarged(256.0).into_iter());
    assert!(difference < 2e-6, "{difference:e}");
    // 1 / 256 too small at white: the other divisor would not pass.
    assert!(largest_difference(&up, enlarged(255.0).into_iter()) > 5e-3);

    let (plain_up, plain_features) = prepare(with_divisor(255.0), gpu);
    assert!(largest_difference(&plain_up, enlarged(255.0).into_iter()) < 2e-6);
    assert_eq!(features, plain_features, "the encoder's input is u8 / 255");
    check_features(&features);
}

/// The first convolution of u8 / 255, at a pixel away from the border.
fn check_features(features: &[f32]) {
    let mut file = ModelFile::of("tiny-x4");
    let (shape, weight) = file.tensor("rrdb.conv_first.weight").clone();
    let bias = file.tensor("rrdb.conv_first.bias").1.clone();
    let (rgb, [width, height]) = (rgb(), SIZE);
    let (x, y) = (2, 1);
    for o in 0..shape[0] {
        let mut sum = f64::from(bias[o]);
        for (tap, &w) in weight[o * 27..][..27].iter().enumerate() {
            let (c, v, u) = (tap / 9, tap / 3 % 3, tap % 3);
            let at = ((y + v - 1) * width + x + u - 1) * 3 + c;
            sum += f64::from(w) * f64::from(rgb[at]) / 255.0;
        }
        let found = f64::from(features[(o * height + y) * width + x]);
        assert!(
            (found - sum).abs() < 1e-5,
            "feature {o}: {found}, not {sum}"
        );
    }
}

#[test]
fn the_divisor_is_of_the_enlargement_alone_on_the_cpu() {
    check(None);
}

#[test]
fn the_divisor_is_of_the_enlargement_alone_on_the_gpu() {
    for adapter in support::adapters() {
        let gpu = Gpu::open(adapter.index, GpuOptions { checked: false }).unwrap();
        check(Some(&Arc::new(gpu)));
    }
}
