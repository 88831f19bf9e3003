//! Residual and enlargement together; the twin of `shaders/reconstruct.wgsl`.

use super::kernel::{Kernel, Loading};
use crate::ops::Reconstruct;
use rayon::prelude::*;

pub(super) fn load(loading: &mut Loading, op: &Reconstruct) -> Kernel {
    let (x, up, sr) = (loading.input(0), loading.input(1), loading.output(0));
    let res_rescale = op.res_rescale;
    Box::new(move |_| {
        let pixels = x.shape.n * x.shape.pixels();
        (0..pixels)
            .into_par_iter()
            .with_min_len(4096)
            .for_each(|p| {
                // SAFETY: sr is another value, and each of its pixels belongs to
                // one task.
                let (x, up, sr) = unsafe { (x.pixel(p), up.pixel(p), sr.pixel_mut(p)) };
                for ((sr, x), up) in sr.iter_mut().zip(x).zip(up) {
                    // NaN stays, for the host to see.
                    let clipped = match x.is_finite() {
                        true => x.clamp(-1.0, 1.0),
                        false => *x,
                    };
                    *sr = clipped / res_rescale + up;
                }
            });
    })
}
