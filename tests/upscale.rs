//! The library's own interface: progress, cancel, devices that agree.

#[path = "upscale/agreement.rs"]
mod agreement;
#[path = "upscale/memory.rs"]
mod memory;
#[path = "upscale/options.rs"]
mod options;
#[cfg(feature = "gpu")]
#[path = "upscale/reuse.rs"]
mod reuse;
#[path = "upscale/select.rs"]
mod select;
#[path = "upscale/steps.rs"]
mod steps;
#[path = "support/mod.rs"]
mod support;
#[path = "support/models.rs"]
mod support_models;
#[path = "upscale/target.rs"]
mod target;
#[path = "upscale/tiles.rs"]
mod tiles;

use srdiff::diffusion::Sampler;
use srdiff::exec::gpu::AdapterSummary;
use srdiff::image::Picture;
use srdiff::model::{Model, Weights};
use srdiff::plan::Precision;
use srdiff::upscale::{
    DeviceChoice, PrecisionChoice, Progress, SampleOptions, UpscaleError, Upscaler, UpscalerOptions,
};
use std::ops::ControlFlow;
use support_models::{ModelFile, model};

fn upscaler(model: Model, device: &str, precision: PrecisionChoice) -> Upscaler {
    let Ok(device) = device.parse::<DeviceChoice>();
    let options = UpscalerOptions {
        device,
        precision,
        // The weights of most of these models are random.
        allow_mismatch: true,
        ..UpscalerOptions::default()
    };
    Upscaler::new(model, &options).unwrap()
}

fn on_the_cpu(fixture: &str) -> Upscaler {
    upscaler(model(fixture), "cpu", PrecisionChoice::F32)
}

/// An image with edges and gradients.
fn picture(width: usize, height: usize) -> Picture {
    let pixel = |index: usize| {
        let (x, y) = (index % width, index / width);
        let edge = if (x / 3 + y / 2) % 2 == 0 { 40 } else { 200 };
        [edge, x * 255 / width, y * 255 / height].map(|v| v as u8)
    };
    Picture::new(width, height, (0..width * height).flat_map(pixel).collect())
}

fn sample(sampler: Sampler, steps: usize, seed: u64) -> SampleOptions {
    SampleOptions {
        sampler,
        steps,
        seed,
        ..SampleOptions::default()
    }
}

fn upscale(upscaler: &mut Upscaler, picture: &Picture, sample: &SampleOptions) -> Picture {
    let mut go_on = |_| ControlFlow::Continue(());
    upscaler.upscale(picture, sample, &mut go_on).unwrap()
}

/// Everything that an upscale reports, in order.
fn reports(upscaler: &mut Upscaler, steps: usize) -> Vec<Progress> {
    let mut reports = Vec::new();
    let mut note = |progress| {
        reports.push(progress);
        ControlFlow::Continue(())
    };
    let options = sample(Sampler::Ddpm, steps, 1);
    upscaler
        .upscale(&picture(6, 4), &options, &mut note)
        .unwrap();
    reports
}

/// A service moves it to the thread that computes.
#[test]
fn an_upscaler_can_be_moved_between_threads() {
    let upscaler = on_the_cpu("tiny-x4");
    let moved = std::thread::spawn(move || upscaler.model().settings().scale);
    assert_eq!(moved.join().unwrap(), 4);
}

#[test]
fn progress_counts_every_step_once() {
    check_progress(on_the_cpu("tiny-x4"));
    on_every_adapter(|_, device| {
        check_progress(upscaler(model("tiny-x4"), device, PrecisionChoice::F32));
    });
}

fn check_progress(mut upscaler: Upscaler) {
    for steps in [1, 2, 3, 7] {
        let counted = (0..=steps).map(|done| Progress::Step { done, total: steps });
        let mut expected = vec![Progress::Image];
        expected.extend(counted);
        expected.push(Progress::Finish);
        let mut found = reports(&mut upscaler, steps);
        if steps == 1 {
            // Loaded for the first image, and kept.
            assert_eq!(found.remove(0), Progress::Load);
        }
        assert_eq!(found, expected);
    }
}

#[test]
fn cancelling_stops_at_once_and_leaves_the_upscaler_usable() {
    let mut upscaler = on_the_cpu("tiny-x4");
    let options = sample(Sampler::Ddpm, 50, 1);
    let expected = upscale(&mut upscaler, &picture(6, 4), &options);

    for stop in [
        Progress::Image,
        Progress::Step { done: 3, total: 50 },
        Progress::Finish,
    ] {
        let mut after = 0;
        let mut stopped = false;
        let mut cancel = |progress| {
            after += usize::from(stopped);
            stopped |= progress == stop;
            if progress == stop {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let result = upscaler.upscale(&picture(6, 4), &options, &mut cancel);
        assert!(matches!(result, Err(UpscaleError::Cancelled)), "{stop:?}");
        assert!(stopped && after == 0, "{stop:?}: {after} reports after it");
        let again = upscale(&mut upscaler, &picture(6, 4), &options);
        assert!(again == expected, "{stop:?}: another result afterwards");
    }
}

/// State of one image must not reach the next.
#[test]
fn results_do_not_depend_on_what_was_done_before() {
    let options = sample(Sampler::DpmSolverPlusPlus2M, 4, 9);
    let fresh = |size: (usize, usize)| {
        upscale(
            &mut on_the_cpu("tiny-x4"),
            &picture(size.0, size.1),
            &options,
        )
    };
    let mut upscaler = on_the_cpu("tiny-x4");
    for size in [(6, 4), (6, 4), (5, 9), (6, 4)] {
        let result = upscale(&mut upscaler, &picture(size.0, size.1), &options);
        assert!(result == fresh(size), "{size:?}");
    }
}

#[test]
fn samples_of_a_seed_differ() {
    let mut upscaler = on_the_cpu("tiny-x4");
    let first = sample(Sampler::Ddpm, 4, 1);
    let second = SampleOptions { sample: 1, ..first };
    let high = SampleOptions {
        seed: 1 + (1 << 32),
        ..first
    };
    let results = [first, second, high].map(|s| upscale(&mut upscaler, &picture(6, 4), &s));
    assert!(results[0] != results[1] && results[0] != results[2] && results[1] != results[2]);
}

#[test]
fn buffers_that_are_not_of_the_images_size_are_refused() {
    let mut upscaler = on_the_cpu("tiny-x4");
    let options = sample(Sampler::Ddpm, 1, 1);
    let good = picture(4, 4);
    let mut bad = vec![good.clone(), good.clone(), good.clone(), good];
    bad[0].rgb = vec![0u8; 47].into();
    bad[1].alpha = Some(vec![0u8; 15].into());
    (bad[2].width, bad[2].rgb) = (0, Vec::<u8>::new().into());
    bad[3].width = usize::MAX;
    for picture in bad {
        let result = upscaler.upscale(&picture, &options, &mut |_| ControlFlow::Continue(()));
        assert!(
            matches!(result, Err(UpscaleError::Picture { .. })),
            "{result:?}"
        );
    }
}

/// Runs a test on every adapter, given what it is asked for by.
fn on_every_adapter(test: impl Fn(&AdapterSummary, &str)) {
    for adapter in support::adapters() {
        test(&adapter, &support::choice_of(&adapter));
    }
}

/// Whether an adapter can be tested in f16.
///
/// # Panics
/// When it cannot, but `SRDIFF_REQUIRE_GPU=1` says that GPUs must be tested.
fn has_f16(adapter: &AdapterSummary) -> bool {
    let name = &adapter.name;
    assert!(
        adapter.f16 || !support::gpu_required(),
        "SRDIFF_REQUIRE_GPU=1, and {name} has no f16"
    );
    if !adapter.f16 {
        println!("skipped on {name}: it has no f16");
    }
    adapter.f16
}

/// A small model whose encoder starts with weights of this size.
fn exploding(weight: f32) -> Model {
    let mut file = ModelFile::of("tiny-x4");
    file.tensor("rrdb.conv_first.weight").1.fill(weight);
    let weights = Weights::from_bytes(file.to_bytes(), "exploding").unwrap();
    Model::from_weights(weights).unwrap()
}

fn assert_not_finite(upscaler: &mut Upscaler) {
    let options = sample(Sampler::Ddpm, 3, 1);
    let result = upscaler.upscale(&picture(6, 4), &options, &mut |_| ControlFlow::Continue(()));
    let device = upscaler.selected().device.to_string();
    match result {
        Err(UpscaleError::NotFinite { .. }) => {}
        other => panic!("{device}: {other:?}"),
    }
}

/// Clamping must not turn what is no number into an image.
#[test]
fn a_model_that_produces_nan_is_an_error_on_every_device() {
    assert_not_finite(&mut upscaler(exploding(3e38), "cpu", PrecisionChoice::F32));
    on_every_adapter(|adapter, device| {
        assert_not_finite(&mut upscaler(exploding(3e38), device, PrecisionChoice::F32));
        if has_f16(adapter) {
            // Within the range of f32, not of f16.
            assert_not_finite(&mut upscaler(exploding(1e6), device, PrecisionChoice::F16));
        }
    });
}

/// f16 is too small for this model, f32 is not: left to choose, the upscaler
/// ends with what f32 alone gives, and starts with it the next time.
#[test]
fn a_model_that_exceeds_f16_is_run_again_in_f32() {
    on_every_adapter(|adapter, device| {
        if !adapter.f16 {
            println!("skipped on {}: it has no f16", adapter.name);
            return;
        }
        let large = || exploding(1e6);
        let options = sample(Sampler::Ddpm, 3, 1);
        let input = picture(6, 4);
        let mut alone = upscaler(large(), device, PrecisionChoice::F32);
        let expected = upscale(&mut alone, &input, &options);
        let mut auto = upscaler(large(), device, PrecisionChoice::Auto);
        for loads in [2, 0] {
            let mut loaded = 0;
            let mut count = |progress| {
                loaded += usize::from(progress == Progress::Load);
                ControlFlow::Continue(())
            };
            let result = auto.upscale(&input, &options, &mut count).unwrap();
            assert!(result == expected, "{}", adapter.name);
            assert_eq!(loaded, loads, "{}", adapter.name);
            assert_eq!(auto.precision(), Precision::F32);
        }
        // What is no number in f32 either is an error as ever.
        assert_not_finite(&mut upscaler(
            exploding(3e38),
            device,
            PrecisionChoice::Auto,
        ));
    });
}
