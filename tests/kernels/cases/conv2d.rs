//! Convolutions: every kernel with every epilogue, sizes around the edges of
//! the register tiles (4 or 8 pixels, 4 or 8 outputs) and workgroups (32 x 8 or
//! 64 x 8 pixels), channels around blocks of 4 and of 8.

mod backward;

use super::{UNIT, records, table_rows, weights};
use crate::case::{Bound, Case};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{Activation, Conv2d, Epilogue, Op, Padding};

/// f32 sums of up to 96 * 9 products, in any order.
const BOUND: Bound = Bound::of(4e-6);

const LEAKY: Activation = Activation::LeakyRelu { slope: 0.2 };

#[derive(Clone)]
struct Row {
    kernel: usize,
    stride: usize,
    padding: Padding,
    n: usize,
    /// Channel groups of x, of which the first and the last are not read if
    /// there are more than two.
    groups: Vec<usize>,
    outputs: usize,
    size: (usize, usize),
    bias: bool,
    backward: bool,
    activation: Activation,
    scale: f32,
    shift: f32,
    table: bool,
    residuals: usize,
}

impl Row {
    fn new(
        (kernel, stride): (usize, usize),
        padding: Padding,
        (inputs, outputs): (usize, usize),
        size: (usize, usize),
    ) -> Self {
        Self {
            kernel,
            stride,
            padding,
            n: 1,
            groups: vec![inputs],
            outputs,
            size,
            bias: true,
            backward: false,
            activation: Activation::None,
            scale: 1.0,
            shift: 0.0,
            table: false,
            residuals: 0,
        }
    }

    fn case(&self) -> Case {
        let (h, w) = self.size;
        let groups = &self.groups;
        let mut name = format!(
            "conv2d/{k}x{k} s{} {:?} {groups:?}->{} {}x{h}x{w} {:?}",
            self.stride,
            self.padding,
            self.outputs,
            self.n,
            self.activation,
            k = self.kernel,
        );
        for (on, word) in [
            (self.backward, "backward"),
            (!self.bias, "no bias"),
            (self.scale != 1.0 || self.shift != 0.0, "scaled"),
            (self.table, "table"),
            (self.residuals == 1, "residual"),
            (self.residuals == 2, "2 residuals"),
        ] {
            if on {
                name = format!("{name} {word}");
            }
        }

        let mut case = Case::new(name, BOUND);
        let whole = Shape::new(self.n, groups.iter().sum(), h, w);
        let array = case.array("x", whole, groups, Element::Float, UNIT);
        let x = match groups.len() {
            count @ 3.. => case.view(array, 1, count - 2),
            _ => array,
        };
        let inputs = case.graph.value(x).shape.c;
        let taps = self.kernel * self.kernel;
        let (first, second) = match self.backward {
            true => (inputs, self.outputs),
            false => (self.outputs, inputs),
        };
        let shape = Shape::new(first, second, self.kernel, self.kernel);
        let mut operands = vec![x, case.weight("w", shape, weights(inputs * taps))];
        if self.bias {
            operands.push(case.weight("b", Shape::vector(self.outputs), UNIT));
        }
        if self.table {
            operands.push(case.f32("table", Shape::matrix(5, self.outputs), UNIT));
            case.records = records(4, 2, table_rows(5));
            case.step = 2;
        }
        let more = if self.padding == Padding::Full { 2 } else { 0 };
        let result = Shape::new(
            self.n,
            self.outputs,
            h.div_ceil(self.stride) + more,
            w.div_ceil(self.stride) + more,
        );
        for index in 0..self.residuals {
            // A residual is the second group of an array of its own.
            let segments = [3, self.outputs];
            let whole = result.with_channels(self.outputs + 3);
            let name = format!("r{index}");
            let array = case.array(&name, whole, &segments, Element::Float, UNIT);
            operands.push(case.view(array, 1, 1));
        }
        let op = Op::Conv2d(Conv2d {
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            bias: self.bias,
            backward: self.backward,
            epilogue: Epilogue {
                activation: self.activation,
                scale: self.scale,
                shift: self.shift,
                table_add: self.table,
                residual_scales: [0.2, -1.5][..self.residuals].to_vec(),
            },
        });
        case.step(op, &operands);
        case
    }
}

pub fn cases() -> Vec<Case> {
    use Padding::{Reflect, Zero};
    let mut rows = Vec::new();
    let kernels = [(3, 1), (3, 2), (1, 1)];

    // Sizes, both orders, around a tile and a workgroup.
    for kernel in kernels {
        for (padding, least) in [(Zero, 1), (Reflect, 2)] {
            if kernel.0 == 1 && padding == Reflect {
                continue;
            }
            for size in [
                (1, 1),
                (1, 7),
                (13, 1),
                (2, 3),
                (3, 2),
                (2, 2),
                (7, 13),
                (13, 7),
                (3, 65),
                (131, 2),
                (9, 33),
            ] {
                if size.0.min(size.1) >= least {
                    rows.push(Row::new(kernel, padding, (5, 3), size));
                }
            }
        }
    }

    // Channels, with the border that each padding mode makes.
    let channels = [1, 3, 4, 5, 8, 31, 32, 33, 64, 96];
    for (at, &inputs) in channels.iter().enumerate() {
        for (offset, kernel) in kernels.into_iter().enumerate() {
            let outputs = channels[(3 * at + 4 * offset + 1) % channels.len()];
            let padding = if at % 2 == 0 { Zero } else { Reflect };
            rows.push(Row {
                n: if at % 3 == 0 { 3 } else { 1 },
                ..Row::new(kernel, padding, (inputs, outputs), (3, 6))
            });
        }
    }

    // Several tasks of the CPU, which end inside a row.
    for (padding, channels) in [(Zero, (64, 96)), (Reflect, (40, 17))] {
        rows.push(Row {
            n: 2,
            ..Row::new((3, 1), padding, channels, (19, 70))
        });
    }

    // Epilogues.
    let base = |kernel| Row::new(kernel, Reflect, (6, 9), (5, 6));
    for kernel in kernels {
        for activation in [LEAKY, Activation::Mish] {
            for residuals in [0, 2] {
                rows.push(Row {
                    activation,
                    residuals,
                    n: 2,
                    ..base(kernel)
                });
            }
        }
        rows.push(Row {
            bias: false,
            ..base(kernel)
        });
        rows.push(Row {
            bias: false,
            outputs: 4,
            ..base(kernel)
        });
        rows.push(Row {
            table: true,
            n: 3,
            activation: Activation::Mish,
            ..base(kernel)
        });
        rows.push(Row {
            scale: 2.0,
            shift: -1.0,
            ..base(kernel)
        });
        rows.push(Row {
            scale: 0.04,
            shift: 0.5,
            table: true,
            residuals: 1,
            n: 2,
            activation: LEAKY,
            ..base(kernel)
        });
    }

    // Views of a concatenation, their groups not multiples of 4.
    for groups in [
        vec![3, 6],
        vec![2, 5, 4],
        vec![4, 1, 3, 8, 2],
        vec![7, 32, 5, 16, 3],
    ] {
        for kernel in kernels {
            rows.push(Row {
                groups: groups.clone(),
                n: 3,
                ..Row::new(kernel, Zero, (0, 10), (4, 5))
            });
        }
    }
    rows.extend(backward::rows());
    let mut cases: Vec<Case> = rows.iter().map(Row::case).collect();
    for kernel in kernels {
        cases.push(mixed(kernel, Element::F32, Element::Float));
        cases.push(mixed(kernel, Element::Float, Element::F32));
    }
    cases
}

/// See [`super::tiled`].
pub fn tiled() -> Vec<Case> {
    use Padding::{Reflect, Zero};
    let mut rows = Vec::new();
    for kernel in [(3, 1), (3, 2), (1, 1)] {
        // Sizes that end inside a tile, and one pixel.
        rows.push(Row::new(kernel, Zero, (5, 3), (67, 9)));
        rows.push(Row::new(kernel, Zero, (33, 17), (1, 1)));
        // A batch, and outputs that end inside a tile of 16.
        rows.push(Row {
            n: 2,
            ..Row::new(kernel, Reflect, (4, 21), (5, 6))
        });
        rows.push(Row {
            n: 3,
            table: true,
            residuals: 2,
            scale: 0.3,
            shift: -1.0,
            activation: Activation::Mish,
            groups: vec![2, 5, 4, 3],
            ..Row::new(kernel, Reflect, (0, 9), (9, 4))
        });
        rows.push(Row {
            bias: false,
            residuals: 1,
            activation: LEAKY,
            ..Row::new(kernel, Zero, (6, 13), (3, 10))
        });
    }
    let gradient = |padding, channels, size| Row {
        n: 2,
        bias: false,
        backward: true,
        ..Row::new((3, 1), padding, channels, size)
    };
    rows.push(gradient(Padding::Full, (5, 19), (11, 7)));
    rows.push(gradient(Zero, (21, 6), (9, 35)));
    let mut cases: Vec<Case> = rows.iter().map(Row::case).collect();
    cases.push(mixed((3, 1), Element::F32, Element::Float));
    cases
}

/// For kernels of one kind that differ in their tiles' sizes: a whole number of
/// all tiles, and what ends inside one.
pub fn few() -> Vec<Case> {
    use Padding::{Reflect, Zero};
    let rows = [
        Row::new((3, 1), Zero, (32, 128), (16, 16)),
        Row {
            n: 3,
            table: true,
            residuals: 2,
            scale: 0.3,
            shift: -1.0,
            activation: Activation::Mish,
            groups: vec![2, 5, 4, 3],
            ..Row::new((3, 2), Reflect, (0, 9), (9, 4))
        },
        Row {
            n: 2,
            ..Row::new((3, 1), Reflect, (35, 70), (19, 15))
        },
        Row::new((1, 1), Zero, (19, 37), (13, 7)),
    ];
    rows.iter().map(Row::case).collect()
}

/// From or into an array that is in f32 whatever the rest is stored in: the
/// ends of the network.
fn mixed((kernel, stride): (usize, usize), from: Element, into: Element) -> Case {
    let name = format!("conv2d/{kernel}x{kernel} s{stride} {from:?} to {into:?}");
    let mut case = Case::new(name, BOUND);
    let x = case.array("x", Shape::new(2, 6, 5, 6), &[6], from, UNIT);
    let shape = Shape::new(9, 6, kernel, kernel);
    let w = case.weight("w", shape, weights(6 * kernel * kernel));
    let b = case.weight("b", Shape::vector(9), UNIT);
    let size = (5usize.div_ceil(stride), 6usize.div_ceil(stride));
    let shape = Shape::new(2, 9, size.0, size.1);
    let residual = case.array("r", shape, &[9], from, UNIT);
    let y = case.array("y", shape, &[9], into, UNIT);
    let op = Op::Conv2d(Conv2d {
        kernel,
        stride,
        padding: Padding::Reflect,
        bias: true,
        backward: false,
        epilogue: Epilogue {
            residual_scales: vec![1.0],
            ..Epilogue::activation(LEAKY)
        },
    });
    case.step_into(op, &[x, w, b, residual], &[y]);
    case
}
