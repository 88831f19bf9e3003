//! How much memory an upscale needs, and what is said when there is less.

use srdiff::exec::{PrepareOptions, Target};
use srdiff::model::{Model, PhaseOptions, phases};
use srdiff::ops::NoiseSource;
use srdiff::plan::{MemoryReport, Precision};
use srdiff::upscale::{DeviceChoice, SampleOptions, UpscaleError, Upscaler, UpscalerOptions};

#[test]
fn the_working_memory_of_threads_is_counted() {
    let options = PhaseOptions {
        batch: 1,
        height: 20,
        width: 30,
        noise: NoiseSource::Generated,
        sr_head: false,
    };
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
