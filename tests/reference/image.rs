//! Pictures in and out.

use super::Tensor;
use srdiff::ops::{ImageUnpack, Reconstruct};

pub fn unpack(op: &ImageUnpack, pixels: &Tensor) -> Tensor {
    Tensor::of(pixels.shape.with_channels(3), |n, c, i, j| {
        let byte = (pixels.at(n, 0, i, j) as u32).to_le_bytes()[c];
        f64::from(byte) * f64::from(op.scale) + f64::from(op.shift)
    })
}

pub fn pack(x: &Tensor) -> Tensor {
    Tensor::of(x.shape.with_channels(1), |n, _, i, j| {
        let byte = |c| {
            let v = ((x.at(n, c, i, j) + 1.0) * 127.5).clamp(0.0, 255.0);
            (v + 0.5).floor() as u8
        };
        let finite = (0..3).all(|c| x.at(n, c, i, j).is_finite());
        let alpha = if finite { 255 } else { 0 };
        f64::from(u32::from_le_bytes([byte(0), byte(1), byte(2), alpha]))
    })
}

pub fn reconstruct(op: &Reconstruct, inputs: &[&Tensor]) -> Tensor {
    let (x, up) = (inputs[0], inputs[1]);
    Tensor::of(x.shape, |n, c, i, j| {
        x.at(n, c, i, j).clamp(-1.0, 1.0) / f64::from(op.res_rescale) + up.at(n, c, i, j)
    })
}
