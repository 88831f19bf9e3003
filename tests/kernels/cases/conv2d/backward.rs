//! Gradients of convolutions: weights read the other way round, and a result
//! that is larger than the operand.

use super::{LEAKY, Row};
use srdiff::ops::Padding;

pub fn rows() -> Vec<Row> {
    use Padding::{Full, Reflect, Zero};
    let mut rows = Vec::new();
    let row = |kernel: usize, padding, channels, size| Row {
        bias: false,
        backward: true,
        ..Row::new((kernel, 1), padding, channels, size)
    };
    for size in [(1, 1), (1, 7), (13, 1), (2, 3), (7, 13), (3, 65), (65, 2)] {
        for (kernel, padding) in [(3, Full), (3, Zero), (1, Zero)] {
            rows.push(row(kernel, padding, (5, 3), size));
        }
        rows.push(Row {
            backward: false,
            bias: true,
            ..row(3, Full, (3, 5), size)
        });
    }
    let channels = [1, 3, 4, 13, 32, 65];
    for (at, &inputs) in channels.iter().enumerate() {
        let outputs = channels[(at + 2) % channels.len()];
        for (kernel, padding) in [(3, Full), (3, Zero), (1, Zero)] {
            rows.push(Row {
                n: if at % 2 == 0 { 3 } else { 1 },
                ..row(kernel, padding, (inputs, outputs), (3, 6))
            });
        }
    }
    rows.push(row(3, Full, (40, 17), (19, 70)));
    rows.push(row(3, Reflect, (6, 9), (5, 6)));
    for groups in [vec![3, 6], vec![4, 1, 3, 8, 2]] {
        for (kernel, padding) in [(3, Full), (3, Zero), (1, Zero)] {
            rows.push(Row {
                groups: groups.clone(),
                n: 3,
                ..row(kernel, padding, (0, 10), (4, 5))
            });
        }
    }
    for (padding, backward) in [(Full, true), (Full, false), (Zero, true)] {
        rows.push(Row {
            scale: 0.04,
            shift: 0.5,
            residuals: 2,
            table: true,
            n: 2,
            activation: LEAKY,
            backward,
            ..row(3, padding, (6, 9), (5, 6))
        });
    }
    rows
}
