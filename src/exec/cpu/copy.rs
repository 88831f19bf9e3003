//! Copy; the twin of `shaders/copy.wgsl`.

use super::kernel::{Kernel, Loading};
use rayon::prelude::*;

pub(super) fn load(loading: &mut Loading) -> Kernel {
    let (x, y) = (loading.input(0), loading.output(0));
    let pixels = y.shape.n * y.shape.pixels();
    Box::new(move |_| {
        (0..pixels)
            .into_par_iter()
            .with_min_len(1024)
            .for_each(|p| {
                // SAFETY: y is another value than x, and each of its pixels
                // belongs to one task.
                unsafe { y.pixel_mut(p).copy_from_slice(x.pixel(p)) };
            });
    })
}
