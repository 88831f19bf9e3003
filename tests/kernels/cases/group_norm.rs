//! Group normalisation, with groups that end inside a block of 4 channels.

use super::{UNIT, records, table_rows};
use crate::case::{Bound, Case, Fill};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{Activation, Epilogue, GroupNorm, Op};

/// Two sums over a group, and a reciprocal square root, which a GPU may round
/// loosely.
const BOUND: Bound = Bound::of(5e-6);

fn case(groups: usize, shape: Shape, x: Fill, epilogue: Epilogue, bound: Bound) -> Case {
    let words = match &epilogue {
        e if e.table_add => " with everything".to_owned(),
        e => format!(" {:?}", e.activation),
    };
    let name = format!("group_norm/{groups} groups of {shape} {x:?}{words}");
    let mut case = Case::new(name, bound);
    let whole = shape.with_channels(shape.c + 2);
    let array = case.array("x", whole, &[2, shape.c], Element::Float, x);
    let mut operands = vec![
        case.view(array, 1, 1),
        case.weight("w", Shape::vector(shape.c), Fill::Uniform(0.5, 1.5)),
        case.weight("b", Shape::vector(shape.c), UNIT),
    ];
    if epilogue.table_add {
        operands.push(case.f32("table", Shape::matrix(3, shape.c), UNIT));
        case.records = records(3, 1, table_rows(3));
        case.step = 1;
    }
    for index in 0..epilogue.residual_scales.len() {
        operands.push(case.float(&format!("r{index}"), shape, UNIT));
    }
    let op = GroupNorm {
        groups,
        epsilon: 1e-5,
        epilogue,
    };
    case.step(Op::GroupNorm(op), &operands);
    case
}

pub fn cases() -> Vec<Case> {
    let plain = Epilogue::none();
    let mish = Epilogue::activation(Activation::Mish);
    let everything = Epilogue {
        scale: 0.5,
        shift: 0.25,
        table_add: true,
        residual_scales: vec![1.0, 1.0],
        ..mish.clone()
    };
    let case =
        |groups, shape, epilogue: &Epilogue| case(groups, shape, UNIT, epilogue.clone(), BOUND);
    let mut cases = vec![
        case(1, Shape::new(1, 1, 1, 2), &plain),
        case(1, Shape::new(3, 5, 7, 13), &mish),
        case(4, Shape::new(1, 12, 13, 7), &plain),
        case(4, Shape::new(3, 20, 3, 2), &everything),
        case(2, Shape::new(1, 6, 65, 3), &mish),
        case(7, Shape::new(2, 7, 3, 65), &plain),
        case(33, Shape::new(1, 33, 2, 3), &everything),
        case(4, Shape::new(1, 64, 17, 19), &mish),
        case(32, Shape::new(1, 96, 5, 5), &mish),
    ];
    // Differences of a hundredth of numbers near a thousand are known to
    // 6e-5 / 0.02 only: that is the operand's own precision, which the
    // reference sees too; what is left is the mean's rounding to f32.
    let near_a_thousand = Fill::Uniform(999.99, 1000.01);
    let bound = Bound {
        f32: 3.5e-3,
        ..Bound::of(0.0)
    };
    let mut large_mean = self::case(
        4,
        Shape::new(2, 12, 9, 11),
        near_a_thousand,
        Epilogue::none(),
        bound,
    );
    // In f16 these numbers are all 1000, give or take nothing.
    large_mean.bound.f16 = 1e-2;
    cases.push(large_mean);
    // Variances of 3e-7, in which epsilon is nearly everything.
    let tiny = Fill::Uniform(-1e-3, 1e-3);
    let shape = Shape::new(2, 12, 7, 9);
    cases.push(self::case(4, shape, tiny, Epilogue::none(), BOUND));
    let wide = Fill::Uniform(990.0, 1010.0);
    let bound = Bound::of(1e-5);
    let shape = Shape::new(1, 8, 16, 17);
    cases.push(self::case(2, shape, wide.clone(), Epilogue::none(), bound));
    // So large that a GPU makes the statistics of parts first; the last is small.
    let shape = Shape::new(2, 6, 65, 127);
    cases.push(case(2, shape, &mish));
    cases.push(self::case(3, shape, wide, Epilogue::none(), bound));
    // Parts whose means lie far apart; of more parts than a workgroup has threads,
    // the last.
    for (shape, pixels) in [(shape, 4096), (Shape::new(1, 1, 1025, 1025), 1 << 20)] {
        let mut in_steps = self::case(1, shape, UNIT, Epilogue::none(), BOUND);
        let steps = (0..shape.pixels()).map(|i| (i % 17) as f32 + (i / pixels * 300) as f32);
        in_steps
            .fills
            .insert("x".to_owned(), Fill::Repeated(steps.collect()));
        in_steps.name.push_str(" in steps");
        cases.push(in_steps);
    }
    cases
}
