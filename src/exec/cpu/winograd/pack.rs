//! How weights lie in memory, transformed to their points.

use super::super::choose::vector;
use super::super::conv2d::weight_sizes;
use super::super::number::{LANES, Number};
use super::super::product;
use super::super::simd::vectorized;
use super::PRODUCTS;
use crate::graph::Shape;
use crate::ops::winograd::{POINTS, Winograd};
use crate::ops::{Axis, Conv2d, Coordinate, Packing, Padding};

/// The packings of weight, a [product](product::packing) at each point, and bias.
pub(super) fn packings<T: Number>(op: &Conv2d, channels: usize, outputs: usize) -> [Packing; 2] {
    let points = [
        Axis::new(POINTS, Coordinate::H, 1),
        Axis::new(POINTS, Coordinate::W, 1),
    ];
    let (plain, sizes) = weight_sizes(op, channels, outputs);
    let weight = Packing {
        winograd: Some(Winograd::F4),
        turned: op.backward,
        ..product::packing::<T>(plain, &points, &[], sizes)
    };
    [weight, vector(outputs)]
}

/// Packs a weight as [`Packing::apply`] does, but fast: all blocks of outputs
/// and channels at once.
///
/// # Panics
/// When `plain` or `packed` has not the length that the packing says.
pub fn pack<T: Number>(sizes: PackedSizes, plain: &[f32], packed: &mut [T]) {
    let PackedSizes {
        outputs,
        channels,
        backward,
    } = sizes;
    assert_eq!(
        plain.len(),
        outputs * channels * 9,
        "winograd: plain tensor"
    );
    let blocks = outputs.div_ceil(LANES);
    let depth = channels.next_multiple_of(T::DEPTH);
    let of_point = blocks * depth * LANES;
    assert_eq!(packed.len(), PRODUCTS * of_point, "winograd: packed array");
    if !(outputs.is_multiple_of(LANES) && channels == depth) {
        packed.fill(T::zeroed());
    }
    let g = Winograd::F4.kernel_matrix();
    vectorized!({
        for at in 0..blocks * channels {
            let (block, c) = (at / channels, at % channels);
            let first = block * LANES;
            let mut kernels = [[0.0; LANES]; 9];
            for lane in 0..LANES.min(outputs - first) {
                let (output, at) = (first + lane, |at: usize| &plain[at * 9..][..9]);
                let kernel = match backward {
                    true => at(c * outputs + output),
                    false => at(output * channels + c),
                };
                for (k, lanes) in kernels.iter_mut().enumerate() {
                    let k = if backward { 8 - k } else { k };
                    lanes[lane] = f64::from(kernel[k]);
                }
            }
            let row = (block * depth + c / T::DEPTH * T::DEPTH) * LANES + c % T::DEPTH;
            for (u, across) in g.iter().enumerate() {
                let mut along_columns = [[0.0; LANES]; 3];
                for (j, lanes) in along_columns.iter_mut().enumerate() {
                    for (k, sum) in lanes.iter_mut().enumerate() {
                        let [upper, middle, lower] = [0, 3, 6].map(|i| kernels[i + j][k]);
                        *sum = across[0] * upper + across[1] * middle + across[2] * lower;
                    }
                }
                let [left, middle, right] = &along_columns;
                for (v, down) in g.iter().enumerate() {
                    let point = u * POINTS + v;
                    let packed = packed[point * of_point + row..].iter_mut();
                    for (k, place) in packed.step_by(T::DEPTH).take(LANES).enumerate() {
                        let sum = down[0] * left[k] + down[1] * middle[k] + down[2] * right[k];
                        *place = T::from_f32(sum as f32);
                    }
                }
            }
        }
    });
}

/// What a weight is packed for.
#[derive(Clone, Copy)]
pub struct PackedSizes {
    outputs: usize,
    channels: usize,
    /// As [`Conv2d::backward`].
    backward: bool,
}

/// The sizes of a weight that is packed for this kernel.
pub fn packed_for<T: Number>(packing: &Packing) -> Option<PackedSizes> {
    let Shape { n, c, .. } = packing.plain;
    let (backward, padding) = (packing.turned, Padding::Zero);
    let [outputs, channels] = if backward { [c, n] } else { [n, c] };
    let op = Conv2d {
        backward,
        ..Conv2d::new(3, padding)
    };
    (*packing == packings::<T>(&op, channels, outputs)[0]).then_some(PackedSizes {
        outputs,
        channels,
        backward,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    #[test]
    fn weights_are_packed_as_their_packing_says() {
        fn check<T: Number + std::fmt::Debug + PartialEq>(
            op: &Conv2d,
            [outputs, channels]: [usize; 2],
        ) {
            let [packing, _] = packings::<T>(op, channels, outputs);
            let sizes = packed_for::<T>(&packing).expect("a weight of this kernel");
            let element = |i: usize| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5;
            let plain: Vec<f32> = (0..packing.plain.elements()).map(element).collect();
            let mut expected = vec![T::from_f32(f32::NAN); packing.elements()];
            let mut packed = expected.clone();
            packing.apply_as(&plain, &mut expected, T::from_f32);
            pack(sizes, &plain, &mut packed);
            assert_eq!(packed, expected, "{outputs} x {channels}");
        }
        for sizes in [[16, 16], [17, 3], [1, 5], [40, 33]] {
            for op in [Conv2d::new, Conv2d::backward] {
                let op = op(3, Padding::Zero);
                check::<f32>(&op, sizes);
                check::<bf16>(&op, sizes);
            }
        }
    }
}
