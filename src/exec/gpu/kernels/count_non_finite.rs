use super::kernel::{Kernel, Source};

pub fn lower(source: &Source) -> Kernel {
    let x = source.input(0);
    Kernel::new("count_non_finite")
        .count("CHANNELS", x.shape.c)
        .size(x)
        .input("x", source, 0)
        .f32_output("y", source, 0)
        .grid([1, x.shape.h, x.shape.n])
}
