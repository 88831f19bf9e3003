//! Luma, chroma and alpha as the samples of an image.

use super::av1::CodePoints;
use super::mosaic::Mosaic;
use crate::image::samples::Sample;
use crate::image::{ImageProblem, Samples};
use std::ops::Range;

/// Alpha, and how it is to be understood.
pub struct Alpha {
    pub plane: Mosaic,
    pub is_full_range: bool,
    /// Colours were multiplied with it.
    pub is_premultiplied: bool,
}

impl Alpha {
    pub fn new(plane: Mosaic, is_premultiplied: bool) -> Self {
        Self {
            is_full_range: plane.any_frame().is_none_or(|frame| frame.is_full_range()),
            plane,
            is_premultiplied,
        }
    }
}

/// How stored numbers become levels in [0, 1], or [-0.5, 0.5] for chroma.
#[derive(Clone, Copy)]
struct Scale {
    zero: f32,
    one: f32,
}

impl Scale {
    fn luma(bits: u32, is_full_range: bool) -> Self {
        let unit = (1 << (bits - 8)) as f32;
        match is_full_range {
            true => Self {
                zero: 0.0,
                one: ((1 << bits) - 1) as f32,
            },
            false => Self {
                zero: 16.0 * unit,
                one: 219.0 * unit,
            },
        }
    }

    fn chroma(bits: u32, is_full_range: bool) -> Self {
        let unit = (1 << (bits - 8)) as f32;
        Self {
            zero: 128.0 * unit,
            one: match is_full_range {
                true => ((1 << bits) - 1) as f32,
                false => 224.0 * unit,
            },
        }
    }

    fn level(self, number: f32) -> f32 {
        (number - self.zero) / self.one
    }
}

/// Interleaved samples of the part of an image that is shown, and how many each pixel has.
pub fn samples(
    color: &Mosaic,
    alpha: Option<&Alpha>,
    points: CodePoints,
    shown: &[Range<usize>; 2],
) -> Result<(usize, Samples), ImageProblem> {
    let matrix = matrix(color, points.matrix)?;
    let convert = Convert {
        color,
        alpha,
        is_full_range: points.is_full_range,
        code: points.matrix,
        matrix,
        shown,
    };
    let channels = if color.format.is_gray { 1 } else { 3 };
    let samples = match color.format.bits {
        8 => convert.run::<u8>().into(),
        _ => convert.run::<u16>().into(),
    };
    Ok((channels + usize::from(alpha.is_some()), samples))
}

/// The shares of red and blue in luma; none where the planes are green, blue and red.
fn matrix(color: &Mosaic, matrix: u8) -> Result<Option<[f32; 2]>, ImageProblem> {
    if color.format.is_gray {
        return Ok(None);
    }
    Ok(Some(match matrix {
        0 if color.format.halved == [false; 2] => return Ok(None),
        1 => [0.2126, 0.0722],
        // Not stated is as BT.601 (MIAF).
        2 | 5 | 6 => [0.299, 0.114],
        4 => [0.30, 0.11],
        7 => [0.212, 0.087],
        9 => [0.2627, 0.0593],
        other => {
            let what = format!("colours by the matrix coefficients {other}");
            return Err(ImageProblem::Feature(what));
        }
    }))
}

struct Convert<'a> {
    color: &'a Mosaic,
    alpha: Option<&'a Alpha>,
    is_full_range: bool,
    /// The code point of the matrix.
    code: u8,
    matrix: Option<[f32; 2]>,
    shown: &'a [Range<usize>; 2],
}

impl Convert<'_> {
    fn run<T: Sample>(&self) -> Vec<T> {
        let [columns, rows] = self.shown;
        let format = self.color.format;
        let channels = if format.is_gray { 1 } else { 3 } + usize::from(self.alpha.is_some());
        let mut result = Vec::with_capacity(channels * columns.len() * rows.len());
        let luma = Scale::luma(format.bits, self.is_full_range);
        // Green, blue and red are all scaled as luma is.
        let chroma = match self.matrix {
            Some(_) => Scale::chroma(format.bits, self.is_full_range),
            None => luma,
        };
        // What libavif leaves to libyuv.
        let is_common = format.bits == 8 && matches!(self.code, 1 | 2 | 5 | 6 | 9);
        let alone = (is_common && self.color.size[0] % 2 == 1).then(|| self.color.size[0] - 1);
        let chroma_of = |plane| Chroma::new(plane, alone);
        let (mut first, mut blue, mut red) = (Vec::new(), chroma_of(1), chroma_of(2));
        let mut opacities = Vec::new();
        for y in rows.clone() {
            self.color.row(0, y, 0, &mut first);
            if !format.is_gray {
                blue.read(self.color, y);
                red.read(self.color, y);
            }
            let opacity = self.alpha.map(|alpha| {
                let bits = alpha.plane.format.bits;
                let largest = ((1u32 << bits) - 1) as u16;
                alpha.plane.row(0, y, largest, &mut opacities);
                let scale = Scale::luma(bits, alpha.is_full_range);
                (scale, alpha.is_premultiplied)
            });
            for x in columns.clone() {
                let y = luma.level(first[x].into());
                let color = match (format.is_gray, self.matrix) {
                    (true, _) => [y; 3],
                    (false, None) => [chroma.level(red.at(x)), y, chroma.level(blue.at(x))],
                    (false, Some([kr, kb])) => {
                        let (cb, cr) = (chroma.level(blue.at(x)), chroma.level(red.at(x)));
                        let r = y + 2.0 * (1.0 - kr) * cr;
                        let b = y + 2.0 * (1.0 - kb) * cb;
                        [r, (y - kr * r - kb * b) / (1.0 - kr - kb), b]
                    }
                };
                let color = &color[..if format.is_gray { 1 } else { 3 }];
                let Some((scale, is_premultiplied)) = opacity else {
                    result.extend(color.iter().map(|v| T::from_level(v * T::LARGEST)));
                    continue;
                };
                let opacity = scale.level(opacities[x].into()).clamp(0.0, 1.0);
                let undone = match is_premultiplied && opacity > 0.0 {
                    true => T::LARGEST / opacity,
                    false => T::LARGEST,
                };
                result.extend(color.iter().map(|v| T::from_level(v * undone)));
                result.push(T::from_level(opacity * T::LARGEST));
            }
        }
        result
    }
}

/// A row of chroma. A sample of halved chroma lies between those of luma, so each of luma
/// gets three parts of the nearest and one of the next, as libavif has it. libyuv gives the
/// last of an odd width its sample alone.
struct Chroma {
    plane: usize,
    near: Vec<u16>,
    next: Vec<u16>,
    /// Blended vertically.
    row: Vec<f32>,
    is_halved: bool,
    /// The column that has its sample alone.
    alone: Option<usize>,
}

impl Chroma {
    fn new(plane: usize, alone: Option<usize>) -> Self {
        Self {
            plane,
            near: Vec::new(),
            next: Vec::new(),
            row: Vec::new(),
            is_halved: false,
            alone,
        }
    }

    /// Reads what belongs to row `y` of luma.
    fn read(&mut self, color: &Mosaic, y: usize) {
        let none = 1 << (color.format.bits - 1);
        let [is_halved, rows_are_halved] = color.format.halved;
        self.is_halved = is_halved;
        self.row.clear();
        if !rows_are_halved {
            color.row(self.plane, y, none, &mut self.near);
            self.row.extend(self.near.iter().map(|&v| f32::from(v)));
            return;
        }
        let [_, rows] = color.plane_size(self.plane);
        color.row(self.plane, y / 2, none, &mut self.near);
        color.row(self.plane, beside(y, rows), none, &mut self.next);
        let pairs = self.near.iter().zip(&self.next);
        self.row
            .extend(pairs.map(|(&near, &next)| 0.75 * f32::from(near) + 0.25 * f32::from(next)));
    }

    fn at(&self, x: usize) -> f32 {
        match self.is_halved {
            true if self.alone == Some(x) => self.row[x / 2],
            true => 0.75 * self.row[x / 2] + 0.25 * self.row[beside(x, self.row.len())],
            false => self.row[x],
        }
    }
}

/// The second nearest of `count` halved samples.
fn beside(at: usize, count: usize) -> usize {
    match at % 2 {
        0 => (at / 2).saturating_sub(1),
        _ => (at / 2 + 1).min(count - 1),
    }
}
