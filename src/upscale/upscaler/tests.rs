//! What the upscaler keeps, and what it does when a device fails.

#[cfg(feature = "gpu")]
mod bad_results;

use super::*;
use crate::exec::Target;
use crate::exec::cpu::refusal;
#[cfg(feature = "gpu")]
use crate::exec::gpu::Gpu;
#[cfg(feature = "gpu")]
use crate::upscale::Device;
use crate::upscale::{Shortage, TooLarge};
use std::ops::ControlFlow;

/// A mark in the program that was checked shows that it is the one loaded.
#[test]
fn an_image_that_was_checked_is_not_prepared_again() {
    let options = UpscalerOptions {
        device: DeviceChoice::Cpu,
        ..UpscalerOptions::default()
    };
    let mut upscaler = Upscaler::new(Model::starter(), &options).unwrap();
    let mut sample = SampleOptions::seeded(upscaler.model().settings(), 1);
    sample.steps = 1;
    upscaler.check(4, 4, &sample).unwrap();
    let (size, prepared) = upscaler.prepared.take().unwrap();
    let mut program = prepared.program().clone();
    program.memory.host_bytes += 1;
    let marked = program.memory.host_bytes;
    upscaler.prepared = Some((size, Target::cpu(Precision::F32).lower(program).unwrap()));

    upscaler.check(4, 4, &sample).unwrap();
    let image = Picture::new(4, 4, vec![128; 48]);
    for _ in 0..2 {
        let result = upscaler.upscale(&image, &sample, &mut |_| ControlFlow::Continue(()));
        result.unwrap();
        upscaler.check(4, 4, &sample).unwrap();
        let (_, executor) = upscaler.loaded.as_ref().unwrap();
        assert_eq!(executor.memory().host_bytes, marked);
        assert!(upscaler.prepared.is_none());
    }
}

fn two_steps(upscaler: &Upscaler) -> SampleOptions {
    let mut sample = SampleOptions::seeded(upscaler.model().settings(), 1);
    sample.steps = 2;
    sample
}

/// Runs `fault` when the first step of each try is about to run.
#[cfg(feature = "gpu")]
fn upscale_with(
    upscaler: &mut Upscaler,
    fault: impl Fn(),
) -> Result<(Vec<u8>, Report), UpscaleError> {
    let image = Picture::new(8, 8, (0..192).map(|i| 64 + i / 2).collect());
    let sample = two_steps(upscaler);
    let mut bytes = Vec::new();
    let report = upscaler.upscale_rows(
        &image,
        &sample,
        &mut |progress| {
            if matches!(progress, Progress::Step { done: 0, .. }) {
                fault();
            }
            ControlFlow::Continue(())
        },
        &mut |strip| {
            if strip.y == 0 {
                bytes.clear();
            }
            bytes.extend_from_slice(&strip.rgb.to_u8());
            ControlFlow::Continue(())
        },
    )?;
    Ok((bytes, report))
}

/// An upscaler on each adapter, as if [`DeviceChoice::Auto`] had chosen it
/// (which chooses no software), if `auto`.
#[cfg(feature = "gpu")]
fn on_adapters(auto: bool) -> Vec<(Upscaler, Arc<Gpu>)> {
    let adapters = crate::exec::gpu::test_adapters();
    let open = |adapter: &crate::exec::gpu::AdapterSummary| {
        let name = format!("{} ({})", adapter.name, adapter.backend);
        let options = UpscalerOptions {
            device: DeviceChoice::Named(crate::exec::gpu::choice_of(adapter)),
            ..UpscalerOptions::default()
        };
        let mut upscaler = Upscaler::new(Model::starter(), &options).expect(&name);
        upscaler.leaves_gpu = auto;
        let Backend::Gpu(backend) = &upscaler.backend else {
            panic!("{name} is a GPU");
        };
        let gpu = backend.gpu().clone();
        (upscaler, gpu)
    };
    adapters.iter().map(open).collect()
}

#[cfg(feature = "gpu")]
#[test]
fn a_lost_gpu_is_replaced_by_the_cpu() {
    for (mut upscaler, gpu) in on_adapters(true) {
        let (bytes, report) = upscale_with(&mut upscaler, || gpu.destroy()).unwrap();
        assert_eq!(bytes.len(), 3 * 32 * 32);
        let Retry { error, next } = &report.retried[0];
        assert!(error.contains("lost"), "{report:?}");
        assert!(matches!(upscaler.selected().device, Device::Cpu(_)));
        let on_cpu = NextTry::On {
            device: upscaler.selected().device.to_string(),
            precision: Precision::F32,
        };
        assert_eq!(*next, on_cpu);
        // It stays there.
        let (again, report) = upscale_with(&mut upscaler, || ()).unwrap();
        assert!(report.retried.is_empty());
        assert!(again == bytes);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_lost_gpu_that_was_asked_for_is_an_error_and_opened_again() {
    for (mut upscaler, gpu) in on_adapters(false) {
        let (whole, _) = upscale_with(&mut upscaler, || ()).unwrap();
        let error = upscale_with(&mut upscaler, || gpu.destroy()).unwrap_err();
        assert!(error.to_string().contains("lost"), "{error}");
        let (again, report) = upscale_with(&mut upscaler, || ()).unwrap();
        assert!(matches!(upscaler.selected().device, Device::Gpu(_)));
        assert!(report.retried.is_empty());
        assert!(again == whole);
    }
}

/// 60x60 pixels, in one step.
fn upscale_large(upscaler: &mut Upscaler) -> Result<(Vec<u8>, Report), UpscaleError> {
    upscale_large_by(upscaler, Upscaler::upscale_rows)
}

/// How an image is upscaled: as a new one, or again.
type Way = fn(
    &mut Upscaler,
    &Picture,
    &SampleOptions,
    OnProgress<'_>,
    OnRows<'_>,
) -> Result<Report, UpscaleError>;

fn upscale_large_by(
    upscaler: &mut Upscaler,
    upscale: Way,
) -> Result<(Vec<u8>, Report), UpscaleError> {
    let image = Picture::new(60, 60, (0..10_800).map(|i| (i / 50) as u8).collect());
    let sample = SampleOptions {
        steps: 1,
        ..two_steps(upscaler)
    };
    let mut bytes = Vec::new();
    let report = upscale(
        upscaler,
        &image,
        &sample,
        &mut |_| ControlFlow::Continue(()),
        &mut |strip| {
            bytes.extend_from_slice(&strip.rgb.to_u8());
            ControlFlow::Continue(())
        },
    )?;
    assert_eq!(bytes.len(), 3 * 240 * 240);
    Ok((bytes, report))
}

/// Refuses memory in several ways, by `set`: `upscaler` goes on in smaller tiles,
/// gives up with a clear error, and works again when there is memory.
fn check_without_memory(upscaler: &mut Upscaler, set: &dyn Fn(Box<dyn FnMut(u64) -> bool + Send>)) {
    let whole = upscaler.budget().prepare([68, 68]).unwrap();
    let slots = whole.program().slots.iter();
    let largest = slots.map(|slot| slot.bytes).max().unwrap();

    // Uploads pass through more, whatever the size of the tiles.
    let uploads = 32 << 20;
    assert!(largest < uploads);
    set(Box::new(move |bytes| {
        (largest / 3..uploads).contains(&bytes)
    }));
    let (bytes, report) = upscale_large(upscaler).unwrap();
    let (tile, count) = report.tiles.expect("several tiles");
    assert!(count > 1 && tile[0] * tile[1] < 68 * 68 / 2, "{report:?}");
    assert!(report.retried.is_empty(), "{report:?}");

    // There is memory again: another sample of the image stays in its tiles, and
    // the next image is tried in one piece.
    set(Box::new(|_| false));
    let (_, again) = upscale_large_by(upscaler, Upscaler::upscale_next).unwrap();
    assert_eq!(again.tiles, report.tiles);
    let (_, next) = upscale_large(upscaler).unwrap();
    assert_eq!(next.tiles, None);

    // Another size, so that something has to be loaded.
    upscaler.loaded = None;
    set(Box::new(|_| true));
    match upscale_large(upscaler).unwrap_err() {
        UpscaleError::TooLarge(error) => {
            let TooLarge { shortage, .. } = *error;
            assert!(matches!(shortage, Shortage::Refused { .. }), "{shortage:?}");
        }
        error => panic!("{error}"),
    }
    set(Box::new(|_| false));
    let (whole, report) = upscale_large(upscaler).unwrap();
    assert_eq!(report.tiles, None);
    let differences = whole.iter().zip(&bytes).map(|(a, b)| a.abs_diff(*b));
    let worst = differences.max().unwrap();
    assert!(worst <= 8, "tiles differ by {worst}");
}

#[test]
fn a_cpu_without_memory_works_in_tiles_or_says_so() {
    let options = UpscalerOptions {
        device: DeviceChoice::Cpu,
        ..UpscalerOptions::default()
    };
    let mut upscaler = Upscaler::new(Model::starter(), &options).unwrap();
    check_without_memory(&mut upscaler, &|refuse| refusal::set(refuse));
    // For the whole result on its way from the device, and for each array of a
    // run over tiles in turn.
    refusal::set(|bytes| bytes == 3 * 4 * (4 * 68 * 4 * 68));
    let (_, report) = upscale_large(&mut upscaler).unwrap();
    assert!(report.tiles.is_some(), "{report:?}");
    let retried = report.retried.iter().map(Retry::to_string);
    let expected = "out of memory on the host: 1 MiB needed; run again in smaller tiles";
    assert_eq!(retried.collect::<Vec<_>>(), [expected]);
    upscaler.tile = TileChoice::AtMost(40);
    for number in [0, 1, 2, 3, 5, 8] {
        // Loads its tile.
        upscale_large(&mut upscaler).unwrap();
        let mut left = number;
        refusal::set(move |_| {
            left -= 1;
            left == -1
        });
        let (_, report) = upscale_large(&mut upscaler).unwrap();
        assert_eq!(report.retried.len(), 1, "{number}: {report:?}");
        refusal::clear();
    }
    refusal::clear();
}

/// Refuses each of the arrays that the first 64 rows of the result are made with:
/// no row is handed on twice then.
#[test]
fn rows_that_are_refused_are_made_in_smaller_tiles() {
    let options = UpscalerOptions {
        device: DeviceChoice::Cpu,
        ..UpscalerOptions::default()
    };
    let mut upscaler = Upscaler::new(Model::starter(), &options).unwrap();
    for number in 0..3 {
        // Loads the program: its own memory is not meant.
        upscale_large(&mut upscaler).unwrap();
        let mut left = number;
        refusal::set(move |bytes| {
            let is_rows = bytes == 3 * 4 * (64 * 240);
            left -= i32::from(is_rows);
            is_rows && left == -1
        });
        let (_, report) = upscale_large(&mut upscaler).unwrap();
        refusal::clear();
        assert!(report.tiles.is_some(), "{number}: {report:?}");
        assert_eq!(report.retried[0].next, NextTry::SmallerTiles);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_gpu_without_memory_works_in_tiles_or_says_so() {
    for (mut upscaler, gpu) in on_adapters(false) {
        check_without_memory(&mut upscaler, &|refuse| gpu.refusal.set(refuse));
    }
}

/// Other programs may have all of it.
#[cfg(feature = "gpu")]
#[test]
fn a_gpu_without_any_memory_is_replaced_by_the_cpu_for_an_image() {
    for (mut upscaler, gpu) in on_adapters(true) {
        gpu.refusal.set(|_| true);
        let (_, report) = upscale_large(&mut upscaler).unwrap();
        assert!(matches!(upscaler.selected().device, Device::Cpu(_)));
        let Retry { error, next } = report.retried.last().unwrap();
        assert!(matches!(next, NextTry::On { .. }), "{report:?}");
        assert!(error.contains("memory"), "{report:?}");
        // Another sample of the image stays there; the next image tries the GPU.
        upscale_large_by(&mut upscaler, Upscaler::upscale_next).unwrap();
        assert!(matches!(upscaler.selected().device, Device::Cpu(_)));
        upscale_large(&mut upscaler).unwrap();
        assert!(matches!(upscaler.selected().device, Device::Gpu(_)));
    }
}

/// Of a device that is open already, neither is opened anew nor asked for another
/// precision.
#[cfg(feature = "gpu")]
#[test]
fn an_open_device_is_shared() {
    for adapter in crate::exec::gpu::test_adapters() {
        let choice = DeviceChoice::Named(crate::exec::gpu::choice_of(&adapter));
        let device = OpenDevice::open(&choice, PrecisionChoice::F32).unwrap();
        let options = UpscalerOptions {
            device: DeviceChoice::Cpu,
            precision: PrecisionChoice::F16,
            ..UpscalerOptions::default()
        };
        let upscalers = [(); 2].map(|()| {
            let model = Model::starter();
            let mut upscaler = Upscaler::on(&device, model, &options).unwrap();
            upscale_with(&mut upscaler, || ()).unwrap();
            assert_eq!(upscaler.precision(), Precision::F32);
            assert_eq!(upscaler.selected(), device.selected());
            upscaler
        });
        let gpus = upscalers
            .each_ref()
            .map(|upscaler| match &upscaler.backend {
                Backend::Gpu(backend) => backend.gpu(),
                Backend::Cpu(_) => panic!("on the CPU"),
            });
        assert!(Arc::ptr_eq(gpus[0], gpus[1]));
    }
}
