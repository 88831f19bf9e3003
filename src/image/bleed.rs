//! Colours for pixels that are not visible.
//!
//! A file may hold any colour where its image is transparent, most often
//! black. Enlarging mixes neighbours, so such colours would shine through at
//! the rim of what is visible.

use super::buffer::Buffer;
use super::samples::Sample;
use super::{Border, Picture, Samples};
use crate::host_memory::{NoMemory, collected, push};
use bytemuck::{Pod, Zeroable};
use std::borrow::Cow;

/// The opacity from which on a pixel's own colour is trusted: below it, files
/// that were saved premultiplied have lost most of the colour to rounding.
const TRUSTED: f32 = 16.0 / 255.0;

/// The colours of an image, those of invisible pixels taken from the visible
/// ones around them; hardly visible pixels get some of both.
pub fn visible_colors(picture: &Picture, border: Border) -> Result<Cow<'_, Samples>, NoMemory> {
    match &picture.alpha {
        None => Ok(Cow::Borrowed(&picture.rgb)),
        Some(Samples::U8(alpha)) => visible(picture, alpha, border),
        Some(Samples::U16(alpha)) => visible(picture, alpha, border),
    }
}

fn visible<'a, A: Sample>(
    picture: &'a Picture,
    alpha: &Buffer<A>,
    border: Border,
) -> Result<Cow<'a, Samples>, NoMemory> {
    let (mut least, mut most) = (f32::INFINITY, 0.0f32);
    for part in alpha.parts(1) {
        let units = part.iter().map(|a| a.unit());
        (least, most) = units.fold((least, most), |(least, most), a| {
            (least.min(a), most.max(a))
        });
    }
    if most == 0.0 || least >= TRUSTED {
        return Ok(Cow::Borrowed(&picture.rgb));
    }
    let trusted = TRUSTED.min(most);
    let mut rgb = picture.rgb.copied()?;
    match &mut rgb {
        Samples::U8(rgb) => fill(rgb, alpha, trusted, picture.width, border)?,
        Samples::U16(rgb) => fill(rgb, alpha, trusted, picture.width, border)?,
    }
    rgb.let_go();
    Ok(Cow::Owned(rgb))
}

/// How a pixel comes to its colour.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
struct State(u8);

impl State {
    /// It has none yet.
    const UNKNOWN: Self = Self(0);
    /// It is in the next ring.
    const WAITING: Self = Self(1);
    /// From its neighbours.
    const FILLED: Self = Self(2);
    /// It has had one.
    const OWN: Self = Self(3);
}

/// Spreads the colours of trusted pixels outwards, a ring of pixels at a time.
fn fill<T: Sample, A: Sample>(
    rgb: &mut Buffer<T>,
    alpha: &Buffer<A>,
    trusted: f32,
    width: usize,
    border: Border,
) -> Result<(), NoMemory> {
    let height = alpha.len() / width;
    // Up to three coordinates from the one before. A reflection has no colour that
    // the image itself has not.
    let around = move |at: usize, length: usize| {
        let near = at as isize - 1..at as isize + 2;
        near.filter(move |&at| border == Border::Wrapped || (0..length as isize).contains(&at))
            .map(move |at| border.fold(at, length))
    };
    let neighbours = |index: usize| {
        let (x, y) = (index % width, index / width);
        around(y, height)
            .flat_map(move |y| around(x, width).map(move |x| y * width + x))
            .filter(move |&other| other != index)
    };
    let state = |alpha: &A| match alpha.unit() >= trusted {
        true => State::OWN,
        false => State::UNKNOWN,
    };
    let mut states: Buffer<State> = alpha.zeros_beside(alpha.len())?;
    for (states, alpha) in states.iter_mut().zip(alpha) {
        *states = state(alpha);
    }
    let is_own = |other: usize| states[other] == State::OWN;
    let mut ring = Vec::new();
    for index in (0..alpha.len()).filter(|&index| !is_own(index)) {
        if neighbours(index).any(is_own) {
            push(&mut ring, index)?;
        }
    }
    while !ring.is_empty() {
        let filled = ring.iter().map(|&index| {
            let mut sum = [0.0f32; 3];
            let mut total = 0.0;
            for other in neighbours(index) {
                // How much its colour counts.
                let weight = match states[other] {
                    State::OWN => alpha[other].unit(),
                    State::FILLED => trusted,
                    _ => continue,
                };
                total += weight;
                for (sum, &sample) in sum.iter_mut().zip(&rgb[3 * other..]) {
                    *sum += weight * sample.unit();
                }
            }
            let own = (alpha[index].unit() / trusted).min(1.0);
            [0, 1, 2].map(|channel| {
                let mean = sum[channel] / total;
                let value = own * rgb[3 * index + channel].unit() + (1.0 - own) * mean;
                T::from_level(value * T::LARGEST)
            })
        });
        let filled = collected(ring.len(), filled)?;
        for (&index, color) in ring.iter().zip(&filled) {
            rgb[3 * index..][..3].copy_from_slice(color);
            states[index] = State::FILLED;
        }
        let mut next = Vec::new();
        for &index in &ring {
            for other in neighbours(index) {
                if states[other] == State::UNKNOWN {
                    states[other] = State::WAITING;
                    push(&mut next, other)?;
                }
            }
        }
        next.sort_unstable();
        ring = next;
        rgb.let_go();
        alpha.let_go();
        states.let_go();
    }
    Ok(())
}
