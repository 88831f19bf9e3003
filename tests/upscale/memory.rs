//! How much memory an upscale needs, and what is said when there is less.

use super::{picture, sample};
use srdiff::diffusion::Sampler;
use srdiff::exec::{PrepareOptions, Target};
use srdiff::image::Border;
use srdiff::model::{Model, PhaseOptions, phases};
use srdiff::plan::{MemoryReport, Precision};
use srdiff::upscale::{
    DeviceChoice, SampleOptions, TileChoice, UpscaleError, Upscaler, UpscalerOptions,
};
use std::ops::ControlFlow;

#[test]
fn the_working_memory_of_threads_is_counted() {
    let options = PhaseOptions::new([30, 20]);
    let graphs = phases::build(Model::starter().settings(), &options).unwrap();
    let memory = |threads| {
        let prepared = Target::Cpu {
            threads,
            precision: Precision::F32,
        }
        .prepare(&graphs, &PrepareOptions::default());
        prepared.unwrap().memory()
    };
    let (one, many) = (memory(1), memory(64));
    let others = |report: MemoryReport| report.total_bytes() - report.thread_bytes;
    assert_eq!(others(one), others(many));
    assert!(one.thread_bytes > 0 && many.thread_bytes > 8 * one.thread_bytes);
}

#[test]
fn what_does_not_fit_is_worked_on_in_tiles() {
    let options = UpscalerOptions {
        device: DeviceChoice::Cpu,
        memory_limit: Some(600 << 20),
        ..UpscalerOptions::default()
    };
    let mut upscaler = Upscaler::new(Model::starter(), &options).unwrap();
    let sample = SampleOptions::seeded(upscaler.model().settings(), 1);
    upscaler.check(3000, 2000, &sample).unwrap();
    upscaler.check(20_000, 1, &sample).unwrap();

    for size in [(1 << 25, 1), (3, usize::MAX)] {
        let result = upscaler.check(size.0, size.1, &sample);
        assert!(matches!(result, Err(UpscaleError::TooLarge(_))), "{size:?}");
    }

    // Weights alone take more than this.
    let options = UpscalerOptions {
        memory_limit: Some(1 << 20),
        ..options
    };
    let mut upscaler = Upscaler::new(Model::starter(), &options).unwrap();
    let Err(UpscaleError::TooLarge(error)) = upscaler.check(300, 200, &sample) else {
        panic!("300x200 in 1 MiB");
    };
    let text = error.to_string();
    let start = "the image is 300x200; even in the smallest tiles this needs ";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("1.0 MiB may be used"), "{text}");
}

fn limited(limit: u64, tile: TileChoice) -> Upscaler {
    let options = UpscalerOptions {
        device: DeviceChoice::Cpu,
        memory_limit: Some(limit),
        tile,
        ..UpscalerOptions::default()
    };
    Upscaler::new(Model::starter(), &options).unwrap()
}

/// Bytes of the program for an image in one piece.
fn program_bytes(side: usize) -> u64 {
    let upscaler = limited(u64::MAX, TileChoice::Auto);
    upscaler.prepare(side, side).unwrap().memory().total_bytes()
}

/// Upscales an image of `side` x `side` in one step; the size of its tiles.
fn tiles(upscaler: &mut Upscaler, side: usize, options: SampleOptions) -> Option<[usize; 2]> {
    let report = upscaler.upscale_rows(
        &picture(side, side),
        &options,
        &mut |_| ControlFlow::Continue(()),
        &mut |_| ControlFlow::Continue(()),
    );
    report.unwrap().tiles.map(|(tile, _)| tile)
}

#[test]
fn a_tile_that_is_loaded_already_keeps_to_the_limit_too() {
    let one_step = sample(Sampler::Ddpm, 1, 1);
    // Both images have tiles of 28 pixels, if there is memory for them.
    let bytes = program_bytes(20);
    let new = || limited(bytes, TileChoice::AtMost(32));
    let alone = tiles(&mut new(), 40, one_step);
    assert_ne!(alone, Some([28, 28]));
    let mut upscaler = new();
    assert_eq!(tiles(&mut upscaler, 20, one_step), None);
    assert_eq!(tiles(&mut upscaler, 40, one_step), alone);
}

#[test]
fn the_canvas_of_an_image_in_one_piece_is_counted() {
    let plain = sample(Sampler::Ddpm, 1, 1);
    let bytes = program_bytes(40);
    assert_eq!(
        tiles(&mut limited(bytes, TileChoice::Auto), 40, plain),
        None
    );
    let consistent = SampleOptions {
        consistent: true,
        ..plain
    };
    let wrapped = SampleOptions {
        border: Border::Wrapped,
        ..plain
    };
    let between = SampleOptions {
        toward: Some((2, 0.5)),
        ..plain
    };
    for options in [consistent, wrapped, between] {
        let mut upscaler = limited(bytes, TileChoice::Auto);
        assert!(tiles(&mut upscaler, 40, options).is_some(), "{options:?}");
        // A KiB and a half for each pixel of the image and its margin.
        let mut upscaler = limited(bytes + 1536 * 48 * 48, TileChoice::Auto);
        assert_eq!(tiles(&mut upscaler, 40, options), None, "{options:?}");
    }
}

#[test]
fn more_memory_is_never_too_little() {
    let one_step = sample(Sampler::Ddpm, 1, 1);
    // Tiles of 16 pixels are the smallest.
    let least = program_bytes(8);
    for size in [[40, 40], [20, 20], [90, 30]] {
        let fits = |mib: u64| {
            let mut upscaler = limited(least + (mib << 20), TileChoice::AtMost(32));
            upscaler.check(size[0], size[1], &one_step).is_ok()
        };
        let found: Vec<bool> = [0, 4, 8, 12, 16, 24, 32].map(fits).to_vec();
        assert!(found.is_sorted(), "{size:?}: {found:?}");
        // Eight MiB are enough for the canvas.
        assert!(found[2], "{size:?}");
    }
}
