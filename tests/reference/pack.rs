//! Packed weights, from the definition of their axes.

use srdiff::ops::Packing;
use srdiff::ops::winograd::Winograd;

/// The packed array of a tensor, in f32.
pub fn pack(packing: &Packing, plain: &[f32]) -> Vec<f32> {
    let mut shape = packing.plain;
    let transformed;
    let plain = match packing.winograd {
        Some(winograd) => {
            (shape.h, shape.w) = (winograd.points(), winograd.points());
            transformed = match packing.turned {
                true => transform(winograd, &turned(plain)),
                false => transform(winograd, plain),
            };
            &transformed
        }
        None => plain,
    };
    let sizes = [shape.n, shape.c, shape.h, shape.w];
    let elements = packing.axes.iter().map(|axis| axis.size).product();
    let element = |mut index: usize| {
        let mut at = [0; 4];
        for axis in packing.axes.iter().rev() {
            let i = match axis.reversed {
                true => axis.size - 1 - index % axis.size,
                false => index % axis.size,
            };
            at[axis.coordinate as usize] += axis.step * i;
            index /= axis.size;
        }
        if let Some(map) = &packing.channels {
            let stored = &mut at[map.coordinate as usize];
            *stored = plain_channel(&map.segments, map.alignment, *stored)?;
        }
        let inside = at.iter().zip(sizes).all(|(&i, size)| i < size);
        let [n, c, h, w] = at;
        inside.then(|| plain[((n * shape.c + c) * shape.h + h) * shape.w + w])
    };
    (0..elements).map(|i| element(i).unwrap_or(0.0)).collect()
}

/// The channel that is stored at a place, if it is not padding.
fn plain_channel(segments: &[usize], alignment: usize, stored: usize) -> Option<usize> {
    let (mut start, mut first) = (0, 0);
    for &channels in segments {
        if (start..start + channels).contains(&stored) {
            return Some(first + stored - start);
        }
        first += channels;
        start = (start + channels).next_multiple_of(alignment);
    }
    None
}

/// Each 3 x 3 kernel turned by 180 degrees.
fn turned(plain: &[f32]) -> Vec<f32> {
    let turned = |i: usize| plain[i / 9 * 9 + 8 - i % 9];
    (0..plain.len()).map(turned).collect()
}

/// G g G^T of each 3 x 3 kernel g, row i of G being 1, p and p^2 of the i-th
/// point p over the product of its distances from the others; the last point is
/// infinity.
fn transform(winograd: Winograd, plain: &[f32]) -> Vec<f32> {
    let half = 0.5f64.sqrt();
    let points: &[f64] = match winograd {
        Winograd::F2 => &[0.0, 1.0, -1.0],
        Winograd::F4 => &[0.0, half, -half, 2.0 * half, -2.0 * half],
    };
    let g = |i: usize, k: usize| -> f64 {
        let Some(p) = points.get(i) else {
            return if k == 2 { 1.0 } else { 0.0 };
        };
        let distances = (0..points.len()).filter(|&j| j != i).map(|j| p - points[j]);
        p.powi(k as i32) / distances.product::<f64>()
    };
    let count = points.len() + 1;
    let mut transformed = Vec::new();
    for kernel in plain.chunks_exact(9) {
        for at in 0..count * count {
            let products =
                (0..9).map(|i| g(at / count, i / 3) * g(at % count, i % 3) * f64::from(kernel[i]));
            transformed.push(products.sum::<f64>() as f32);
        }
    }
    transformed
}
