//! What an upscaler keeps from one image to the next, and what it must not.

use super::{exploding, on_every_adapter, picture, sample, upscale, upscaler};
use crate::support;
use crate::support_models::model;
use srdiff::diffusion::Sampler;
use srdiff::exec::gpu::{Gpu, GpuOptions};
use srdiff::exec::{Backend, PrepareOptions};
use srdiff::image::{Border, Picture};
use srdiff::model::{PhaseOptions, phases};
use srdiff::plan::Precision;
use srdiff::upscale::{PrecisionChoice, Progress, SampleOptions, UpscaleError, Upscaler};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Runs a test with what every device is asked for by.
fn on_every_device(test: impl Fn(&str)) {
    test("cpu");
    on_every_adapter(|_, device| test(device));
}

/// An upscale, and how often a program was loaded for it.
fn upscale_counted(
    upscaler: &mut Upscaler,
    image: &Picture,
    options: &SampleOptions,
) -> (Result<Picture, UpscaleError>, usize) {
    let mut loads = 0;
    let mut count = |progress| {
        loads += usize::from(progress == Progress::Load);
        ControlFlow::Continue(())
    };
    let result = upscaler.upscale(image, options, &mut count);
    (result, loads)
}

/// Upscales until `stop` is reported.
fn cancel_at(upscaler: &mut Upscaler, image: &Picture, options: &SampleOptions, stop: Progress) {
    let mut cancel = |progress| match progress == stop {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let result = upscaler.upscale(image, options, &mut cancel);
    assert!(matches!(result, Err(UpscaleError::Cancelled)), "{stop:?}");
}

/// With the sampler that reads the step before, whose estimate a cancelled run
/// leaves behind.
#[test]
fn cancelling_keeps_the_program_and_nothing_else() {
    let options = sample(Sampler::DpmSolverPlusPlus2M, 6, 4);
    let (first, second) = (picture(6, 4), Picture::new(6, 4, vec![90; 72]));
    on_every_device(|device| {
        let new = || upscaler(model("tiny-x4"), device, PrecisionChoice::F32);
        let expected = upscale(&mut new(), &second, &options);
        assert!(
            expected != upscale(&mut new(), &first, &options),
            "{device}"
        );

        let mut upscaler = new();
        // Before anything is loaded.
        cancel_at(&mut upscaler, &first, &options, Progress::Load);
        for stop in [
            Progress::Image,
            Progress::Step { done: 0, total: 6 },
            Progress::Step { done: 3, total: 6 },
            Progress::Finish,
        ] {
            cancel_at(&mut upscaler, &first, &options, stop);
            let (result, loads) = upscale_counted(&mut upscaler, &second, &options);
            assert_eq!(loads, 0, "{device}, after {stop:?}");
            assert!(result.unwrap() == expected, "{device}, after {stop:?}");
        }
    });
}

#[test]
fn an_image_that_gives_nan_leaves_nothing_behind() {
    let options = sample(Sampler::DpmSolverPlusPlus2M, 4, 4);
    // The encoder's weights are too large for any image but a black one.
    let (bad, good) = (picture(6, 4), Picture::new(6, 4, vec![0; 72]));
    on_every_device(|device| {
        let new = || upscaler(exploding(3e38), device, PrecisionChoice::F32);
        let expected = upscale(&mut new(), &good, &options);
        let mut upscaler = new();
        for expected_loads in [1, 0] {
            let (result, loads) = upscale_counted(&mut upscaler, &bad, &options);
            assert!(
                matches!(result, Err(UpscaleError::NotFinite { .. })),
                "{device}: {result:?}"
            );
            assert_eq!(loads, expected_loads, "{device}");
            let (result, loads) = upscale_counted(&mut upscaler, &good, &options);
            assert_eq!(loads, 0, "{device}");
            assert!(result.unwrap() == expected, "{device}");
        }
    });
}

/// Loads the program of an LR size, and drops it again.
fn load(backend: &Backend, [width, height]: [usize; 2]) {
    let options = PhaseOptions::new([width, height]);
    let graphs = phases::build(model("tiny-x4").settings(), &options).unwrap();
    backend.load(&graphs, &PrepareOptions::default()).unwrap();
}

/// Weights packed and pipelines compiled so far.
fn work_done(backend: &Backend) -> [usize; 2] {
    match backend {
        Backend::Cpu(cpu) => [cpu.packed_weights(), 0],
        Backend::Gpu(gpu) => [gpu.packed_weights(), gpu.gpu().compiled_pipelines()],
    }
}

#[test]
fn an_image_of_another_size_compiles_and_packs_nothing() {
    let check = |backend: &Backend| {
        assert_eq!(work_done(backend), [0, 0]);
        load(backend, [6, 4]);
        let [weights, pipelines] = work_done(backend);
        assert!(weights > 20, "{weights}");
        assert_eq!(pipelines > 0, matches!(backend, Backend::Gpu(_)));
        for size in [[8, 10], [30, 4], [6, 4]] {
            load(backend, size);
            assert_eq!(work_done(backend), [weights, pipelines], "{size:?}");
        }
    };
    check(&Backend::cpu(Precision::F32, Arc::new(model("tiny-x4"))));
    for adapter in support::adapters() {
        for precision in [Precision::F32, Precision::F16] {
            if precision == Precision::F16 && !adapter.f16 {
                println!("skipped on {}: it has no f16", adapter.name);
                continue;
            }
            let gpu = Gpu::open(adapter.index, GpuOptions::default()).unwrap();
            let model = Arc::new(model("tiny-x4"));
            check(&Backend::gpu(Arc::new(gpu), precision, model));
        }
    }
}

#[test]
fn an_image_with_another_border_is_encoded_again() {
    let input = picture(6, 4);
    let reflected = sample(Sampler::Ddpm, 2, 4);
    let wrapped = SampleOptions {
        border: Border::Wrapped,
        ..reflected
    };
    let new = || upscaler(model("tiny-x4"), "cpu", PrecisionChoice::F32);
    let expected = upscale(&mut new(), &input, &reflected);
    let mut upscaler = new();
    upscale(&mut upscaler, &input, &wrapped);
    for encodings in [1, 0] {
        let (mut rgb, mut encoded) = (Vec::new(), 0);
        let report = upscaler.upscale_next(
            &input,
            &reflected,
            &mut |progress| {
                encoded += usize::from(progress == Progress::Image);
                ControlFlow::Continue(())
            },
            &mut |strip| {
                rgb.extend_from_slice(&strip.rgb.to_u8());
                ControlFlow::Continue(())
            },
        );
        report.unwrap();
        assert_eq!(encoded, encodings);
        assert!(rgb == *expected.rgb8());
    }
}
