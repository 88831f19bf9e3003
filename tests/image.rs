//! Pictures: files in and out, resizing, measures, and images as planes.

#[cfg(feature = "avif")]
#[path = "image/avif.rs"]
mod avif;
#[path = "image/beside_pixels.rs"]
mod beside_pixels;
#[path = "image/bicubic.rs"]
mod bicubic;
#[path = "image/bmp.rs"]
mod bmp;
#[path = "image/damage.rs"]
mod damage;
#[path = "image/decode.rs"]
mod decode;
#[path = "image/directories.rs"]
mod directories;
#[path = "image/encode.rs"]
mod encode;
#[path = "image/files.rs"]
mod files;
#[path = "image/frame_reader.rs"]
mod frame_reader;
#[path = "image/frames.rs"]
mod frames;
#[path = "image/gif.rs"]
mod gif;
#[cfg(feature = "jxl")]
#[path = "image/jxl.rs"]
mod jxl;
#[path = "image/kinds.rs"]
mod kinds;
#[cfg(target_os = "linux")]
#[path = "image/memory.rs"]
mod memory;
#[path = "image/metadata.rs"]
mod metadata;
#[path = "image/metrics.rs"]
mod metrics;
#[path = "image/missing_frames.rs"]
mod missing_frames;
#[path = "image/on_disk.rs"]
mod on_disk;
#[path = "image/perceptual.rs"]
mod perceptual;
#[path = "image/planes.rs"]
mod planes;
#[path = "image/refusal.rs"]
mod refusal;
#[path = "image/resized.rs"]
mod resized;
#[path = "image/strips.rs"]
mod strips;
#[path = "image/tags.rs"]
mod tags;
#[path = "image/tiff.rs"]
mod tiff;
#[path = "image/tiff_opacity.rs"]
mod tiff_opacity;
#[path = "image/webp.rs"]
mod webp;
#[path = "image/words.rs"]
mod words;

use serde::de::DeserializeOwned;
use srdiff::image::Picture;

/// The bytes that `reference.py` makes from this seed.
fn noise(count: usize, seed: usize) -> Vec<u8> {
    let hash = |i: usize| ((i + seed * 7919) as u32).wrapping_mul(2_654_435_761) >> 24;
    (0..count).map(|i| hash(i) as u8).collect()
}

/// A colour picture of [`noise`].
fn noise_picture(width: usize, height: usize, seed: usize) -> Picture {
    Picture::new(width, height, noise(3 * width * height, seed))
}

/// What `reference.py` wrote under `key`.
fn reference<T: DeserializeOwned>(key: &str) -> T {
    let text = include_str!("image/reference.json");
    let mut all: serde_json::Value = serde_json::from_str(text).unwrap();
    serde_json::from_value(all[key].take()).unwrap()
}
