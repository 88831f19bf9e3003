//! The optimizer's step, and what it begins with: sums of gradients, and their norms.

use super::Tensor;
use srdiff::graph::Shape;
use srdiff::ops::Adam;

pub fn accumulate(inputs: &[&Tensor]) -> Tensor {
    let (total, x) = (inputs[0], inputs[1]);
    Tensor::of(total.shape, |n, c, i, j| {
        total.at(n, c, i, j) + x.at(n, c, i, j)
    })
}

pub fn squared_norms(inputs: &[&Tensor]) -> Tensor {
    Tensor::of(Shape::new(1, 1, 1, inputs.len()), |_, _, _, i| {
        inputs[i].data.iter().map(|v| v * v).sum()
    })
}

/// The parameter, its moments and its average.
pub fn adam(op: &Adam, inputs: &[&Tensor]) -> Vec<Tensor> {
    let [beta1, beta2, epsilon] = [op.beta1, op.beta2, op.epsilon].map(f64::from);
    let step = &inputs[Adam::STEP].data[..];
    let &[
        rate,
        gradient_scale,
        l2,
        decay,
        correction1,
        correction2,
        average,
    ] = step
    else {
        panic!("{} elements of a step", step.len());
    };
    let mut results: Vec<Tensor> = inputs[..4].iter().map(|&tensor| tensor.clone()).collect();
    for i in 0..results[0].data.len() {
        let before = |index: usize| inputs[index].data[i];
        let parameter = before(Adam::PARAMETER);
        let g = before(Adam::GRADIENT) * gradient_scale + l2 * parameter;
        let m = beta1 * before(Adam::M) + (1.0 - beta1) * g;
        let v = beta2 * before(Adam::V) + (1.0 - beta2) * g * g;
        let direction = m / correction1 / ((v / correction2).sqrt() + epsilon);
        let next = parameter - rate * (direction + decay * parameter);
        let mean = average * before(Adam::AVERAGE) + (1.0 - average) * next;
        for (result, value) in results.iter_mut().zip([next, m, v, mean]) {
            result.data[i] = value;
        }
    }
    results
}
