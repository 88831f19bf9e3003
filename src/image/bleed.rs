//! Colours for pixels that are not visible.
//!
//! A file may hold any colour where its picture is transparent, most often
//! black. Enlarging mixes neighbours, so such colours would shine through at
//! the rim of what is visible.

use super::samples::Sample;
use super::{Picture, Samples};
use std::borrow::Cow;

/// The opacity from which on a pixel's own colour is trusted: below it, files
/// that were saved premultiplied have lost most of the colour to rounding.
const TRUSTED: f32 = 16.0 / 255.0;

/// The colours of a picture, those of invisible pixels taken from the visible
/// ones around them; hardly visible pixels get some of both.
pub fn visible_colors(picture: &Picture) -> Cow<'_, Samples> {
    let Some(alpha) = picture.alpha.as_ref().filter(|alpha| !alpha.all_largest()) else {
        return Cow::Borrowed(&picture.rgb);
    };
    let opacity: Vec<f32> = match alpha {
        Samples::U8(alpha) => alpha.iter().map(|&v| v.unit()).collect(),
        Samples::U16(alpha) => alpha.iter().map(|&v| v.unit()).collect(),
    };
    let most = opacity.iter().copied().fold(0.0, f32::max);
    if most == 0.0 || opacity.iter().all(|&a| a >= TRUSTED) {
        return Cow::Borrowed(&picture.rgb);
    }
    let trusted = TRUSTED.min(most);
    let mut rgb = picture.rgb.clone();
    match &mut rgb {
        Samples::U8(rgb) => fill(rgb, &opacity, trusted, picture.width),
        Samples::U16(rgb) => fill(rgb, &opacity, trusted, picture.width),
    }
    Cow::Owned(rgb)
}

/// Spreads the colours of trusted pixels outwards, a ring of pixels at a time.
fn fill<T: Sample>(rgb: &mut [T], opacity: &[f32], trusted: f32, width: usize) {
    let height = opacity.len() / width;
    let neighbours = |index: usize| {
        let (x, y) = (index % width, index / width);
        let rows = y.saturating_sub(1)..(y + 2).min(height);
        rows.flat_map(move |y| {
            let columns = x.saturating_sub(1)..(x + 2).min(width);
            columns.map(move |x| y * width + x)
        })
        .filter(move |&other| other != index)
    };
    // How much a pixel's colour counts for its neighbours; none: not yet known.
    let mut weight: Vec<f32> = opacity
        .iter()
        .map(|&a| if a >= trusted { a } else { 0.0 })
        .collect();
    let mut queued: Vec<bool> = weight.iter().map(|&w| w > 0.0).collect();
    let mut ring: Vec<usize> = (0..weight.len()).filter(|&i| weight[i] > 0.0).collect();
    while !ring.is_empty() {
        let mut next = Vec::new();
        for &index in &ring {
            for other in neighbours(index).filter(|&other| !queued[other]) {
                next.push(other);
            }
            for other in neighbours(index) {
                queued[other] = true;
            }
        }
        next.sort_unstable();
        next.dedup();
        let filled: Vec<[T; 3]> = next
            .iter()
            .map(|&index| {
                let mut sum = [0.0f32; 3];
                let mut total = 0.0;
                for other in neighbours(index).filter(|&other| weight[other] > 0.0) {
                    total += weight[other];
                    for (sum, &sample) in sum.iter_mut().zip(&rgb[3 * other..]) {
                        *sum += weight[other] * sample.unit();
                    }
                }
                let own = (opacity[index] / trusted).min(1.0);
                [0, 1, 2].map(|channel| {
                    let mean = sum[channel] / total;
                    let value = own * rgb[3 * index + channel].unit() + (1.0 - own) * mean;
                    T::from_level(value * T::LARGEST)
                })
            })
            .collect();
        for (&index, color) in next.iter().zip(&filled) {
            rgb[3 * index..][..3].copy_from_slice(color);
            weight[index] = trusted;
        }
        ring = next;
    }
}
