//! `shaders/noise.wgsl`.

use super::kernel::{Kernel, Source};

pub fn lower(source: &Source) -> Kernel {
    let x = source.output(0);
    Kernel::over_blocks("noise", x)
        .count("CHANNELS", x.shape.c)
        .output("x", source, 0)
}
