use super::kernel::{Kernel, Source};
use crate::ops::{Activation, ActivationGradient};

pub fn lower(source: &Source, op: &ActivationGradient) -> Kernel {
    let kernel = Kernel::over_blocks("activation_gradient", source.output(0))
        .constant("SCALE", op.scale)
        .input("dy", source, ActivationGradient::DY)
        .output("dx", source, 0);
    let reads_x = |kernel: Kernel| kernel.input("x", source, ActivationGradient::X);
    match op.activation {
        Activation::None => kernel.number("ACTIVATION", 0),
        Activation::LeakyRelu { slope } => {
            reads_x(kernel.number("ACTIVATION", 1)).constant("SLOPE", slope)
        }
        Activation::Mish => reads_x(kernel.number("ACTIVATION", 2)),
    }
}
