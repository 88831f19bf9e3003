//! The first use of a GPU, on every adapter of this machine.

use crate::exec::gpu::{AdapterKind, AdapterSummary, CacheFolder, choice_of, test_adapters};
use crate::image::Picture;
use crate::model::Model;
use crate::upscale::device::Device;
use crate::upscale::{
    PrecisionChoice, Progress, SampleOptions, UpscaleError, Upscaler, UpscalerOptions,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

/// Enough for a few kernels on a slow machine.
const BUDGET: Duration = Duration::from_secs(3);

/// An upscaler on each adapter, which takes it for hardware.
fn on_adapters(cache: &Path) -> Vec<Upscaler> {
    let open = |adapter: &AdapterSummary| {
        let Ok(device) = choice_of(adapter).parse();
        let options = UpscalerOptions {
            device,
            precision: PrecisionChoice::F32,
            tuning: Some(BUDGET),
            cache: Some(CacheFolder::new(cache)),
            ..UpscalerOptions::default()
        };
        let mut upscaler = Upscaler::new(Model::starter(), &options).unwrap();
        if let Device::Gpu(adapter) = &mut upscaler.selected.device {
            adapter.kind = AdapterKind::Discrete;
        }
        upscaler
    };
    let adapters = test_adapters();
    adapters.iter().map(open).collect()
}

/// Upscales a small image, and counts the kernels that were timed meanwhile.
/// Stops at the `last` of them.
fn kernels_timed(upscaler: &mut Upscaler, last: usize) -> Result<usize, UpscaleError> {
    let picture = Picture::new(4, 4, (0..48).map(|v| v * 5).collect());
    let sample = SampleOptions {
        steps: 1,
        ..SampleOptions::seeded(upscaler.model().settings(), 1)
    };
    let mut timed = 0;
    let mut progress = |progress| {
        timed += usize::from(matches!(progress, Progress::Tune { .. }));
        match timed >= last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    upscaler.upscale(&picture, &sample, &mut progress)?;
    Ok(timed)
}

#[test]
fn the_first_use_times_kernels_once() {
    let cache = tempfile::tempdir().unwrap();
    for mut upscaler in on_adapters(cache.path()) {
        assert!(kernels_timed(&mut upscaler, usize::MAX).unwrap() > 5);
        let notes = upscaler.take_notes();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("timed the kernels of "), "{notes:?}");
        assert!(!notes[0].contains("timed the kernels of 0 "), "{notes:?}");
        assert_eq!(kernels_timed(&mut upscaler, usize::MAX).unwrap(), 0);
        let mut table = upscaler.tuned.table().iter();
        assert!(table.any(|(_, tuned)| tuned.times.is_some()));
    }
    // Another process knows it, what there was no time for included.
    for mut upscaler in on_adapters(cache.path()) {
        assert_eq!(kernels_timed(&mut upscaler, usize::MAX).unwrap(), 0);
        assert_eq!(upscaler.take_notes(), Vec::<String>::new());
    }
}

/// A program that ends while kernels are compiled has noted that it tried; one
/// that is stopped takes the note back.
#[test]
fn what_was_cancelled_is_timed_another_time() {
    let cache = tempfile::tempdir().unwrap();
    for mut upscaler in on_adapters(cache.path()) {
        let stopped = kernels_timed(&mut upscaler, 1);
        assert!(
            matches!(stopped, Err(UpscaleError::Cancelled)),
            "{stopped:?}"
        );
        assert!(upscaler.tuned.table().is_empty());
    }
    for mut upscaler in on_adapters(cache.path()) {
        assert!(upscaler.tuned.table().is_empty());
        assert!(kernels_timed(&mut upscaler, usize::MAX).unwrap() > 5);
    }
}
