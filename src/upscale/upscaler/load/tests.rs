//! A model that no kernel of a GPU computes.

use super::*;
use crate::exec::gpu::{choice_of, test_adapters};
use crate::image::Picture;
use crate::model::convert::{ConvertOptions, assemble};
use crate::model::{Model, Settings, expected_tensors};
use crate::upscale::device::Device;
use crate::upscale::{DeviceChoice, SampleOptions, UpscalerOptions};
use std::ops::ControlFlow;

/// The shader for the bicubic enlargement has no room for its phases.
fn of_large_scale() -> Model {
    let settings = Settings {
        hidden: 4,
        mults: vec![1],
        rrdb_features: 4,
        rrdb_blocks: 2,
        rrdb_growth: 2,
        scale: 32,
        has_sr_head: false,
        ..Model::starter().settings().clone()
    };
    let zeros = |(name, shape): (String, Vec<usize>)| (name, vec![0.0; shape.iter().product()]);
    let tensors = expected_tensors(&settings).into_iter().map(zeros).collect();
    assemble(
        "large scale",
        &settings,
        &tensors,
        &ConvertOptions::default(),
    )
    .unwrap()
}

#[test]
fn the_cpu_computes_what_no_gpu_does() {
    for adapter in test_adapters() {
        let options = UpscalerOptions {
            device: DeviceChoice::Named(choice_of(&adapter)),
            ..UpscalerOptions::default()
        };
        let mut upscaler = Upscaler::new(of_large_scale(), &options).unwrap();
        let sample = SampleOptions {
            steps: 1,
            ..SampleOptions::seeded(upscaler.model().settings(), 1)
        };
        let refused = upscaler.check(1, 1, &sample).unwrap_err().to_string();
        let said = ["cannot run this model", "by 32", "use the CPU"];
        assert!(said.iter().all(|part| refused.contains(part)), "{refused}");

        // As if it had been left to the upscaler.
        upscaler.leaves_gpu = true;
        upscaler.check(1, 1, &sample).unwrap();
        assert!(matches!(upscaler.selected().device, Device::Cpu(_)));
        let notes = upscaler.take_notes();
        assert!(notes[0].contains(&adapter.name), "{notes:?}");
        let image = Picture::new(1, 1, vec![128; 3]);
        upscaler.allow_mismatch = true;
        let result = upscaler.upscale(&image, &sample, &mut |_| ControlFlow::Continue(()));
        assert_eq!(result.unwrap().width, 32);
    }
}
