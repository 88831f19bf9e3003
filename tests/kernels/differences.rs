//! The references of gradients against differences of the references of what
//! they are gradients of, so that no formula is trusted alone.

#[path = "differences/layers.rs"]
mod layers;

use crate::reference::{Tensor, evaluate};
use layers::layers;
use libtest_mimic::{Failed, Trial as Test};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use srdiff::exec::{Place, StepRecord};
use srdiff::graph::Shape;
use srdiff::ops::{Adam, AdamStep, Op};

/// Gradients with respect to the first operands, from all operands and the
/// gradient of the result.
type Gradient = Box<dyn Fn(&[Tensor], &Tensor) -> Vec<Tensor> + Send>;

struct Layer {
    name: String,
    op: Op,
    /// Of its results, the one that matters.
    result: usize,
    operands: Vec<Shape>,
    /// Whether the result is linear in each operand: differences are then
    /// exact, at any distance.
    linear: bool,
    gradient: Gradient,
}

impl Layer {
    fn new(
        name: impl Into<String>,
        op: Op,
        operands: &[Shape],
        gradient: impl Fn(&[Tensor], &Tensor) -> Vec<Tensor> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            op,
            result: 0,
            operands: operands.to_vec(),
            linear: false,
            gradient: Box::new(gradient),
        }
    }

    fn linear(self) -> Self {
        Self {
            linear: true,
            ..self
        }
    }

    /// Compares with differences; `fault` is added to one element.
    fn check(&self, fault: f64) -> Result<(), Failed> {
        let mut rng = StdRng::seed_from_u64(7);
        let mut random = |shape: Shape| Tensor::of(shape, |_, _, _, _| rng.random_range(-1.0..1.0));
        let mut operands: Vec<Tensor> = self.operands.iter().map(|&shape| random(shape)).collect();
        let forward = |operands: &[Tensor]| results(&self.op, operands).swap_remove(self.result);
        let dy = random(forward(&operands).shape);
        let dot = |y: &Tensor| -> f64 { y.data.iter().zip(&dy.data).map(|(a, b)| a * b).sum() };
        let (distance, allowed) = match self.linear {
            true => (1.0, 1e-12),
            false => (1e-5, 1e-6),
        };
        for (index, mut gradient) in (self.gradient)(&operands, &dy).into_iter().enumerate() {
            if gradient.shape != operands[index].shape {
                return Err(format!("operand {index} and its gradient differ in shape").into());
            }
            let largest = gradient
                .data
                .iter()
                .fold(0.0f64, |most, v| most.max(v.abs()));
            let middle = gradient.data.len() / 2;
            gradient.data[middle] += fault * largest;
            for (at, &got) in gradient.data.iter().enumerate() {
                let was = operands[index].data[at];
                let mut moved = |by: f64| {
                    operands[index].data[at] = was + by;
                    dot(&forward(&operands))
                };
                let want = (moved(distance) - moved(-distance)) / (2.0 * distance);
                operands[index].data[at] = was;
                let error = (got - want).abs() / largest;
                if error.is_nan() || error > allowed {
                    return Err(format!("operand {index}, {at}: {got}, not {want}").into());
                }
            }
        }
        Ok(())
    }
}

pub fn tests() -> Vec<Test> {
    let mut tests: Vec<Test> = layers()
        .into_iter()
        .map(|layer| {
            let name = format!("differences/{}", layer.name);
            Test::test(name, move || layer.check(0.0))
        })
        .collect();
    tests.push(Test::test("differences/a wrong gradient fails", || {
        for layer in layers() {
            let fault = if layer.linear { 3e-12 } else { 3e-6 };
            if layer.check(fault).is_ok() {
                return Err(format!("{} passes", layer.name).into());
            }
        }
        Ok(())
    }));
    tests.push(Test::test("differences/Adam's first step", first_step));
    tests
}

/// Rows of tables are those of the samples.
fn results(op: &Op, operands: &[Tensor]) -> Vec<Tensor> {
    let operands: Vec<&Tensor> = operands.iter().collect();
    let record = StepRecord {
        places: std::array::from_fn(|n| Place {
            table_row: n as u32,
            ..Place::default()
        }),
        ..StepRecord::default()
    };
    evaluate(op, &operands, &record)
}

fn apply(op: Op, operands: &[&Tensor]) -> Tensor {
    let operands: Vec<Tensor> = operands.iter().map(|&tensor| tensor.clone()).collect();
    results(&op, &operands).swap_remove(0)
}

/// From nothing, Adam moves every parameter by the rate, against its gradient;
/// the decay of AdamW comes on top.
fn first_step() -> Result<(), Failed> {
    let shape = Shape::vector(13);
    let tensor = |f: &dyn Fn(usize) -> f64| Tensor::of(shape, |_, c, _, _| f(c));
    let (parameter, gradient) = (
        tensor(&|c| c as f64 / 3.0 - 2.0),
        tensor(&|c| (c as f64 - 6.5) * 0.3),
    );
    let (beta1, beta2) = (0.75, 0.5); // which are exact in f32
    let step = AdamStep {
        rate: 0.125,
        gradient_scale: 2.0,
        l2: 0.0,
        decay: 0.25,
        correction1: 1.0 - beta1,
        correction2: 1.0 - beta2,
        average: 0.5,
    };
    let elements = step.elements();
    let step = Tensor::of(AdamStep::SHAPE, |_, c, _, _| f64::from(elements[c]));
    let op = Op::Adam(Adam {
        beta1,
        beta2,
        epsilon: 0.0,
    });
    let zero = Tensor::zeros(shape);
    let operands = [
        parameter.clone(),
        zero.clone(),
        zero.clone(),
        zero,
        gradient.clone(),
        step,
    ];
    let after = results(&op, &operands);
    for (at, (&p, &g)) in parameter.data.iter().zip(&gradient.data).enumerate() {
        let want = p - 0.125 * (g.signum() + 0.25 * p);
        let (got, average) = (after[0].data[at], after[3].data[at]);
        if (got - want).abs() > 1e-12 || (average - want / 2.0).abs() > 1e-12 {
            return Err(format!("{at}: {got} and {average}, not {want} and its half").into());
        }
    }
    Ok(())
}
