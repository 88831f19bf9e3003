//! From the last x_0 to the rows of the result.

use super::UpscaleError;
use super::fidelity::Fidelity;
use super::tiling::MARGIN;
use crate::host_memory::{NoMemory, with_room, zeros};
use crate::image::bicubic::Resizing;
use crate::image::{Colors, Enlargement, Picture, Planes, Strip};
use crate::model::Settings;
use rayon::prelude::*;
use std::ops::ControlFlow;

/// Called with the rows of a result from top to bottom; [`ControlFlow::Break`]
/// cancels.
pub type OnRows<'a> = &'a mut dyn FnMut(Strip) -> ControlFlow<()>;

/// Rows that are worked on at a time.
const ROWS: usize = 64;

/// Makes the result from the canvas, checks it and hands it on.
pub(super) struct Finish<'a> {
    settings: &'a Settings,
    colors: &'a Colors<'a>,
    /// Width and height of the input.
    size: [usize; 2],
    enlargement: Enlargement<'a>,
    fidelity: Fidelity<'a>,
    on_rows: OnRows<'a>,
    is_finite: bool,
}

/// What was found out about a result on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Findings {
    pub is_finite: bool,
    pub is_lost: bool,
    pub lr_psnr: f64,
}

impl<'a> Finish<'a> {
    pub fn new(
        settings: &'a Settings,
        picture: &'a Picture,
        colors: &'a Colors<'a>,
        on_rows: OnRows<'a>,
    ) -> Result<Self, NoMemory> {
        let size = [picture.width, picture.height];
        Ok(Self {
            settings,
            colors,
            size,
            enlargement: Enlargement::new(picture, settings.scale, colors.border())?,
            fidelity: Fidelity::new(colors, size.map(|side| side * settings.scale))?,
            on_rows,
            is_finite: true,
        })
    }

    /// Takes rows of x_0, from the canvas's row `top` on.
    pub fn residual(
        &mut self,
        top: usize,
        rows: usize,
        x0: &Planes<'_>,
    ) -> Result<(), UpscaleError> {
        let rescale = self.settings.res_rescale as f32;
        self.rows(top, rows, x0, |x0, up| {
            // NaN stays NaN.
            for (x0, &up) in x0.iter_mut().zip(up) {
                *x0 = x0.clamp(-1.0, 1.0) / rescale + up;
            }
        })
    }

    /// Takes rows of the result itself, in about [-1, 1].
    pub fn result(&mut self, top: usize, rows: usize, sr: &Planes<'_>) -> Result<(), UpscaleError> {
        self.rows(top, rows, sr, |_, _| ())
    }

    /// Crops rows of the canvas to the image and turns them into the result,
    /// given them and the enlarged input.
    fn rows(
        &mut self,
        top: usize,
        rows: usize,
        canvas: &Planes<'_>,
        to_result: impl Fn(&mut [f32], &[f32]) + Sync,
    ) -> Result<(), UpscaleError> {
        let margin = MARGIN * self.settings.scale;
        let (width, height) = (self.enlargement.width(), self.enlargement.height());
        let first = top.max(margin);
        let last = (top + rows).min(margin + height);
        for start in (first..last).step_by(ROWS) {
            let rows = ROWS.min(last - start);
            let y = start - margin;
            let up = self.enlarged(y, rows)?;
            let mut sr = zeros(3 * rows * width)?;
            let cropped = Planes {
                values: canvas.values,
                stride: canvas.stride,
                first: [canvas.first[0] + margin, canvas.first[1] + start - top],
            };
            let finite = sr.par_chunks_mut(width).zip(up.par_chunks(width));
            let finite = finite.enumerate().map(|(row, (sr, up))| {
                sr.copy_from_slice(cropped.row(row / rows, row % rows, width));
                let finite = sr.iter().all(|v| v.is_finite());
                to_result(sr, up);
                finite
            });
            self.is_finite &= finite.reduce(|| true, |a, b| a && b);
            if !self.is_finite {
                // Nothing of this is for anyone to see.
                return Ok(());
            }
            let [sr, up] = [&sr, &up].map(|values| Planes {
                values,
                stride: width,
                first: [0, 0],
            });
            self.fidelity.push(rows, &sr, &up)?;
            let strip = self.enlargement.strip(y, rows, &sr)?;
            if (self.on_rows)(strip).is_break() {
                return Err(UpscaleError::Cancelled);
            }
        }
        Ok(())
    }

    /// Rows of the bicubic enlargement in [-1, 1].
    fn enlarged(&self, y: usize, rows: usize) -> Result<Vec<f32>, NoMemory> {
        let scale = self.settings.scale;
        let (top, bottom) = (y / scale, (y + rows).div_ceil(scale));
        let size = [self.size[0], bottom - top];
        let whole = enlarged(self.settings, self.colors, [0, top as isize], size)?;
        let width = size[0] * scale;
        let mut cut = with_room(3 * rows * width)?;
        for plane in whole.chunks_exact(whole.len() / 3) {
            cut.extend_from_slice(&plane[(y - top * scale) * width..][..rows * width]);
        }
        Ok(cut)
    }

    /// The device found something in the result that is no number.
    pub fn not_finite(&mut self) {
        self.is_finite = false;
    }

    pub fn findings(&self) -> Findings {
        Findings {
            is_finite: self.is_finite,
            is_lost: self.fidelity.is_lost(),
            lr_psnr: self.fidelity.lr_psnr(),
        }
    }
}

/// The bicubic enlargement in [-1, 1] of a window of `size` LR pixels, whose top
/// left one is at `first`.
pub(super) fn enlarged(
    settings: &Settings,
    colors: &Colors<'_>,
    [x, y]: [isize; 2],
    [width, height]: [usize; 2],
) -> Result<Vec<f32>, NoMemory> {
    // Pixels that the kernel reaches to each side.
    const REACH: usize = 2;
    let scale = settings.scale;
    let size = [width + 2 * REACH, height + 2 * REACH];
    let reach = REACH as isize;
    let lr = colors.window([x - reach, y - reach], size)?;
    let factor = settings.up_factor();
    let resizing = Resizing::new(size, 1, size.map(|side| side * scale))?;
    let rows = REACH * scale..(REACH + height) * scale;
    let mut result = with_room(3 * width * height * scale * scale)?;
    for plane in lr.chunks_exact(size[0] * size[1]) {
        let finish = |v: f64| (v * factor - 1.0) as f32;
        let enlarged = resizing.rows(plane, rows.clone(), finish)?;
        for row in enlarged.chunks_exact(size[0] * scale) {
            result.extend_from_slice(&row[REACH * scale..][..width * scale]);
        }
    }
    Ok(result)
}
