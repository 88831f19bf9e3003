//! `shaders/include/epilogue.wgsl`.

use super::kernel::{Kernel, Source};
use crate::ops::{Activation, Epilogue};

/// Adds an epilogue and the result that it stores, the node's first; `first`
/// is the index of the epilogue's first operand.
pub fn add(kernel: Kernel, source: &Source, epilogue: &Epilogue, first: usize) -> Kernel {
    let y = source.output(0);
    let activation = match epilogue.activation {
        Activation::None => 0,
        Activation::LeakyRelu { .. } => 1,
        Activation::Mish => 2,
    };
    let mut kernel = kernel
        .number("ACTIVATION", activation)
        .number("TABLE", usize::from(epilogue.table_add))
        .number("RESIDUALS", epilogue.residual_scales.len())
        .constant("SCALE", epilogue.scale)
        .constant("SHIFT", epilogue.shift)
        .count("Y_CHANNELS", y.shape.c)
        .output("y", source, 0);
    if let Activation::LeakyRelu { slope } = epilogue.activation {
        kernel = kernel.constant("SLOPE", slope);
    }
    if epilogue.table_add {
        kernel = kernel.input("table", source, first);
    }
    let first = first + usize::from(epilogue.table_add);
    let names = [
        ("residual_0", "RESIDUAL_SCALE_0"),
        ("residual_1", "RESIDUAL_SCALE_1"),
    ];
    let residuals = epilogue.residual_scales.iter().zip(names).zip(first..);
    residuals.fold(kernel, |kernel, ((&scale, (array, constant)), index)| {
        let kernel = kernel.input(array, source, index);
        kernel.constant(constant, scale)
    })
}
