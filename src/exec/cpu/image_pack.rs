//! Pixels of bytes to and from real numbers; the twin of
//! `shaders/image_pack.wgsl` and `shaders/image_unpack.wgsl`.

use super::kernel::{Kernel, Loading};
use crate::ops::ImageUnpack;
use rayon::prelude::*;

pub(super) fn load_unpack(loading: &mut Loading, op: &ImageUnpack) -> Kernel {
    let (pixels, y) = (loading.input(0), loading.output(0));
    let (scale, shift) = (op.scale, op.shift);
    Box::new(move |_| {
        let count = y.shape.n * y.shape.pixels();
        (0..count).into_par_iter().with_min_len(4096).for_each(|p| {
            // SAFETY: y is another value, and each of its pixels belongs to
            // one task.
            let (rgba, y) = unsafe { (pixels.pixel(p)[0].to_bits(), y.pixel_mut(p)) };
            for (y, byte) in y.iter_mut().zip(rgba.to_le_bytes()) {
                *y = f32::from(byte) * scale + shift;
            }
        });
    })
}

pub(super) fn load_pack(loading: &mut Loading) -> Kernel {
    let (x, pixels) = (loading.input(0), loading.output(0));
    Box::new(move |_| {
        let count = x.shape.n * x.shape.pixels();
        (0..count).into_par_iter().with_min_len(4096).for_each(|p| {
            // SAFETY: as above.
            let (x, pixel) = unsafe { (x.pixel(p), pixels.pixel_mut(p)) };
            let byte = |v: f32| (((v + 1.0) * 127.5).clamp(0.0, 255.0) + 0.5) as u8;
            let finite = x[..3].iter().all(|v| v.is_finite());
            let alpha = if finite { 255 } else { 0 };
            let rgba = [byte(x[0]), byte(x[1]), byte(x[2]), alpha];
            pixel[0] = f32::from_bits(u32::from_le_bytes(rgba));
        });
    })
}
