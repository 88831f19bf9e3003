//! Packed weights, from the definition of their axes.

use srdiff::ops::Packing;

/// The packed array of a tensor, in f32.
pub fn pack(packing: &Packing, plain: &[f32]) -> Vec<f32> {
    let shape = packing.plain;
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
