//! A model whose results are bad on every device.

use super::*;

/// The starter with weights that exceed any range on the way.
fn exploding() -> Model {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/weights/srdiff-s-x4.safetensors"
    );
    let mut file = std::fs::read(path).unwrap();
    let start = 8 + u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..start]).unwrap();
    // Without the checksum's key, nobody looks for it.
    let key = file.windows(10).position(|bytes| bytes == b"\"checksum\"");
    file[key.unwrap() + 1] = b'C';
    let largest_f16 = 65504f32;
    for (name, tensor) in header.as_object().unwrap() {
        if !name.starts_with("rrdb.") || !name.ends_with(".weight") {
            continue;
        }
        assert_eq!(tensor["dtype"], "F16", "{name}");
        let place = |i: usize| start + tensor["data_offsets"][i].as_u64().unwrap() as usize;
        for element in file[place(0)..place(1)].chunks_exact_mut(2) {
            let bits = half::f16::from_f32(largest_f16).to_le_bytes();
            element.copy_from_slice(&bits);
        }
    }
    let weights = crate::model::Weights::from_bytes(file, "exploding").unwrap();
    Model::from_weights(weights).unwrap()
}

/// What is bad on every device is the model's fault: the GPU is kept.
#[test]
fn a_bad_result_is_tried_in_f32_and_on_the_cpu() {
    for (mut upscaler, gpu) in on_adapters(true) {
        let first = upscaler.precision();
        upscaler.model = Arc::new(exploding());
        upscaler.backend = Backend::gpu(gpu, first, upscaler.model.clone());
        let error = upscale_with(&mut upscaler, || ()).unwrap_err();
        match &error {
            UpscaleError::NotFinite { device, precision } => {
                assert!(device.starts_with("CPU"), "{error}");
                assert_eq!(*precision, Precision::F32);
            }
            _ => panic!("{error}"),
        }
        assert!(matches!(upscaler.selected().device, Device::Gpu(_)));
        assert_eq!(upscaler.precision(), first);
    }
}

/// It has no memory for a second device, for instance.
#[test]
fn a_gpu_that_does_not_open_again_is_replaced_by_the_cpu() {
    for (mut upscaler, gpu) in on_adapters(true) {
        if upscaler.precision() != Precision::F16 {
            continue;
        }
        upscaler.model = Arc::new(exploding());
        upscaler.backend = Backend::gpu(gpu, Precision::F16, upscaler.model.clone());
        if let Device::Gpu(adapter) = &mut upscaler.selected.device {
            adapter.index = 1000;
        }
        match upscale_with(&mut upscaler, || ()).unwrap_err() {
            UpscaleError::NotFinite { device, .. } => assert!(device.starts_with("CPU")),
            error => panic!("{error}"),
        }
        // What ran last stays: the GPU would not open now, either.
        assert!(matches!(upscaler.selected().device, Device::Cpu(_)));
    }
}

/// The next image is tried on the GPU again, however the last try ended.
#[test]
fn a_try_on_the_cpu_that_gives_nothing_leaves_the_gpu_chosen() {
    for (mut upscaler, gpu) in on_adapters(true) {
        let first = upscaler.precision();
        upscaler.model = Arc::new(exploding());
        upscaler.backend = Backend::gpu(gpu, first, upscaler.model.clone());
        let mut left = match first {
            Precision::F16 => 3,
            _ => 2,
        };
        let image = Picture::new(8, 8, vec![128; 192]);
        let result = upscaler.upscale(&image, &two_steps(&upscaler), &mut |progress| {
            left -= i32::from(progress == Progress::Image);
            match left {
                0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        assert!(matches!(result, Err(UpscaleError::Cancelled)), "{result:?}");
        assert!(matches!(upscaler.selected().device, Device::Gpu(_)));
        assert_eq!(upscaler.precision(), first);
    }
}
