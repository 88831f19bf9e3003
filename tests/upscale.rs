//! The library's own interface: progress, cancel, devices that agree.

#[path = "support/mod.rs"]
mod support;
#[path = "support/models.rs"]
mod support_models;

use srdiff::diffusion::Sampler;
use srdiff::exec::gpu::{AdapterKind, AdapterSummary};
use srdiff::graph::Precision;
use srdiff::image::{Picture, metrics};
use srdiff::model::{Model, Weights};
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
        memory_limit: None,
    };
    Upscaler::new(model, &options).unwrap()
}

fn on_the_cpu(fixture: &str) -> Upscaler {
    upscaler(model(fixture), "cpu", PrecisionChoice::F32)
}

/// A picture with edges and gradients.
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
        sample: 0,
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
            // Loaded for the first picture, and kept.
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

/// State of one picture must not reach the next.
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

/// Cropped to what the picture covers: padding it by hand changes nothing
/// that is far from the padding.
#[test]
fn the_result_is_the_top_left_of_the_padded_one() {
    let mut upscaler = on_the_cpu("tiny-x4");
    let options = sample(Sampler::Ddim { eta: 0.0 }, 3, 5);
    let odd = picture(5, 3);
    let result = upscale(&mut upscaler, &odd, &options);
    assert_eq!((result.width, result.height), (20, 12));
    // The sides padded to multiples of 2, and at least 4, by reflection.
    let mut rgb = Vec::new();
    for y in [0, 1, 2, 1] {
        for x in [0, 1, 2, 3, 4, 3] {
            let at = 3 * (y * 5 + x);
            rgb.extend_from_slice(&odd.rgb[at..at + 3]);
        }
    }
    let padded = upscale(&mut upscaler, &Picture::new(6, 4, rgb), &options);
    for y in 0..12 {
        let row = &padded.rgb[y * 3 * 24..][..3 * 20];
        assert_eq!(&result.rgb[y * 3 * 20..][..3 * 20], row, "row {y}");
    }
}

#[test]
fn buffers_that_are_not_of_the_pictures_size_are_refused() {
    let mut upscaler = on_the_cpu("tiny-x4");
    let options = sample(Sampler::Ddpm, 1, 1);
    let good = picture(4, 4);
    let mut bad = vec![good.clone(), good.clone(), good.clone(), good];
    bad[0].rgb.pop();
    bad[1].alpha = Some(vec![0; 15]);
    (bad[2].width, bad[2].rgb) = (0, Vec::new());
    bad[3].width = usize::MAX;
    for picture in bad {
        let result = upscaler.upscale(&picture, &options, &mut |_| ControlFlow::Continue(()));
        assert!(
            matches!(result, Err(UpscaleError::Picture { .. })),
            "{result:?}"
        );
    }
}

/// Root mean square of the difference, in steps of a byte.
fn rms(a: &Picture, b: &Picture) -> f64 {
    assert_eq!(a.rgb.len(), b.rgb.len());
    let squares = a.rgb.iter().zip(&b.rgb).map(|(&a, &b)| {
        let difference = f64::from(a) - f64::from(b);
        difference * difference
    });
    (squares.sum::<f64>() / a.rgb.len() as f64).sqrt()
}

/// A result tells something about arithmetic where neither the residual nor
/// the byte was clamped; checks that a third of it does.
fn assert_telling(result: &Picture, input: &Picture) {
    let up = input.resized(result.width, result.height);
    let tells = |(&sr, &up): (&u8, &u8)| sr.abs_diff(up) < 62 && sr > 0 && sr < 255;
    let telling = result
        .rgb
        .iter()
        .zip(&up.rgb)
        .filter(|&pair| tells(pair))
        .count();
    assert!(
        3 * telling > result.rgb.len(),
        "{telling} of {}",
        result.rgb.len()
    );
}

/// Runs a test on every adapter, given what it is asked for by: software has
/// to be named, of others there may be two of one name.
fn on_every_adapter(test: impl Fn(&AdapterSummary, &str)) {
    for adapter in support::adapters() {
        match adapter.kind {
            AdapterKind::Software => test(&adapter, &adapter.name),
            _ => test(&adapter, &adapter.index.to_string()),
        }
    }
}

#[test]
fn the_gpu_and_the_cpu_agree() {
    // Plain, and with every option of the model.
    for (fixture, sampler) in [
        ("tiny-x4", Sampler::Ddpm),
        ("tiny-options-x2", Sampler::Ddim { eta: 1.0 }),
    ] {
        let options = sample(sampler, 5, 11);
        let input = picture(6, 5);
        let cpu = upscale(&mut on_the_cpu(fixture), &input, &options);
        assert_telling(&cpu, &input);
        let mut other = cpu.clone();
        other.rgb[7] ^= 0x80;
        assert!(rms(&cpu, &other) > 1.0, "a wrong byte would not be seen");
        on_every_adapter(|adapter, device| {
            let name = &adapter.name;
            let mut upscaler = upscaler(model(fixture), device, PrecisionChoice::F32);
            let gpu = upscale(&mut upscaler, &input, &options);
            let difference = rms(&cpu, &gpu);
            println!("{name}, {fixture}: rms difference {difference:.4}");
            // Now and then a value on the edge between two bytes.
            assert!(difference < 0.2, "{name}, {fixture}: {difference}");
        });
    }
}

#[test]
fn f16_is_within_50_db_of_f32() {
    let options = sample(Sampler::DpmSolverPlusPlus2M, 10, 3);
    let input = picture(8, 6);
    on_every_adapter(|adapter, device| {
        let name = &adapter.name;
        if !adapter.f16 {
            println!("skipped on {name}: it has no f16");
            return;
        }
        let [f32, f16] = [PrecisionChoice::F32, PrecisionChoice::F16].map(|precision| {
            upscale(
                &mut upscaler(Model::starter(), device, precision),
                &input,
                &options,
            )
        });
        assert_telling(&f32, &input);
        let psnr = metrics::psnr_rgb(&f32, &f16, 0).unwrap();
        println!("{name}: f16 against f32 {psnr:.1} dB");
        assert!(psnr >= 50.0, "{name}: {psnr:.1} dB");
        // Not the same run twice.
        assert!(
            psnr.is_finite(),
            "{name}: f16 and f32 are equal to the byte"
        );
    });
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

/// Clamping must not turn what is no number into a picture.
#[test]
fn a_model_that_produces_nan_is_an_error_on_every_device() {
    assert_not_finite(&mut upscaler(exploding(3e38), "cpu", PrecisionChoice::F32));
    on_every_adapter(|adapter, device| {
        assert_not_finite(&mut upscaler(exploding(3e38), device, PrecisionChoice::F32));
        if adapter.f16 {
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
