//! The examples of the library's interface do what they say.

#[path = "../docs/examples/upscale_buffer.rs"]
#[allow(dead_code)]
mod upscale_buffer;
#[path = "../docs/examples/upscale_file.rs"]
#[allow(dead_code)]
mod upscale_file;

use srdiff::image::Picture;
use srdiff::upscale::{DeviceChoice, UpscalerOptions};
use std::sync::atomic::Ordering;

#[test]
fn a_file_is_upscaled_and_a_cancelled_run_writes_none() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output, none] =
        ["in.png", "out.png", "none.png"].map(|name| folder.path().join(name));
    let pixels = (0..12 * 9).map(|i| image::Rgb([i as u8, 90, 200 - i as u8]));
    let pixels: Vec<image::Rgb<u8>> = pixels.collect();
    let drawn = image::RgbImage::from_fn(12, 9, |x, y| pixels[(y * 12 + x) as usize]);
    drawn.save(&input).unwrap();
    let options = UpscalerOptions {
        device: DeviceChoice::Cpu,
        ..UpscalerOptions::default()
    };
    upscale_file::run(&input, &output, &options).unwrap();
    let large = Picture::open(&output).unwrap();
    assert_eq!((large.width, large.height), (48, 36));

    upscale_file::CANCELLED.store(true, Ordering::Relaxed);
    assert!(upscale_file::run(&input, &none, &options).is_err());
    assert!(!none.exists());
}

#[test]
fn buffers_of_all_types_are_upscaled() {
    let (means, sigma) = upscale_buffer::run(DeviceChoice::Cpu).unwrap();
    for mean in means {
        assert!(
            (mean - means[0]).abs() < 0.005 && (0.4..0.6).contains(&mean),
            "{means:?}"
        );
    }
    assert!(sigma > 0.1, "{sigma}");
}
