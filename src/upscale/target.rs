//! Results of another size than the model's scale gives.

use super::fidelity::Fidelity;
use super::finish::OnRows;
use super::progress::OnProgress;
use super::sample_options::SampleOptions;
use super::upscaler::collect_rows;
use super::{Report, UpscaleError, Upscaler};
use crate::host_memory::NoMemory;
use crate::image::bicubic::Resizing;
use crate::image::{Colors, Picture, Planes, Strip, StripResizing};
use std::ops::ControlFlow;

impl Upscaler {
    /// How often the model runs for an image to grow to a size: the fewest times
    /// after which no side is too small.
    fn passes(&self, from: [usize; 2], to: [usize; 2]) -> usize {
        let scale = self.model().settings().scale;
        let (mut passes, mut size) = (1, from.map(|side| side.saturating_mul(scale)));
        while size[0] < to[0] || size[1] < to[1] {
            size = size.map(|side| side.saturating_mul(scale));
            passes += 1;
        }
        passes
    }

    /// As [`upscale_rows`](Self::upscale_rows), to any size of at least the
    /// image's: the model runs as often as it takes, and what is too large is
    /// shrunk (bicubic, without aliasing).
    ///
    /// The result is compared with the image itself. With
    /// [`SampleOptions::consistent`], each run of the model is consistent with what
    /// it enlarges; what is shrunk or enlarged again is so no more than nearly.
    /// Where the image wraps and is shrunk, all rows come in the end.
    ///
    /// # Errors
    /// As [`upscale_rows`](Self::upscale_rows), and when a side of `size` is
    /// smaller than the image's.
    pub fn upscale_to(
        &mut self,
        picture: &Picture,
        size: [usize; 2],
        sample: &SampleOptions,
        progress: OnProgress<'_>,
        rows: OnRows<'_>,
    ) -> Result<Report, UpscaleError> {
        self.begin_image();
        self.upscale_next_to(picture, size, sample, progress, rows)
    }

    /// As [`upscale_to`](Self::upscale_to), for the image that was upscaled last:
    /// in one piece, and where the model runs once, it is not encoded again. Of
    /// another image, the result would be wrong.
    ///
    /// # Errors
    /// As [`upscale_to`](Self::upscale_to).
    pub fn upscale_next_to(
        &mut self,
        picture: &Picture,
        size: [usize; 2],
        sample: &SampleOptions,
        progress: OnProgress<'_>,
        rows: OnRows<'_>,
    ) -> Result<Report, UpscaleError> {
        self.check_picture(picture)?;
        let own = [picture.width, picture.height];
        if size[0] < own[0] || size[1] < own[1] {
            return Err(UpscaleError::Shrinks {
                from: own,
                to: size,
            });
        }
        let scale = self.model().settings().scale;
        let passes = self.passes(own, size);
        if passes == 1 && own.map(|side| side * scale) == size {
            return self.upscale_next(picture, sample, progress, rows);
        }
        let mut enlarged: Option<Picture> = None;
        let mut retried = Vec::new();
        for _ in 1..passes {
            let image = enlarged.as_ref().unwrap_or(picture);
            let full = [image.width, image.height].map(|side| side * scale);
            let mut result = image.without_pixels(full);
            let report = collect_rows(&mut result, |rows| {
                self.upscale_rows(image, sample, progress, rows)
            })?;
            retried.extend(report.retried);
            enlarged = Some(result);
        }
        let image = enlarged.as_ref().unwrap_or(picture);
        let full = [image.width, image.height].map(|side| side * scale);
        if passes > 1 {
            self.begin_image();
        }
        let colors = Colors::new(picture, sample.border)?;
        let mut fitted = Fitted::new(&colors, full, size)?;
        let mut refused = None;
        let upscaled = self.upscale_next(image, sample, progress, &mut |strip| match fitted
            .fit(strip)
        {
            Ok(Some(fitted)) => rows(fitted),
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => {
                refused = Some(error);
                ControlFlow::Break(())
            }
        });
        if let Some(error) = refused {
            return Err(error.into());
        }
        let report = upscaled?;
        retried.extend(report.retried);
        let lr_psnr = fitted.fidelity.lr_psnr();
        if fitted.fidelity.is_lost() && !self.allows_mismatch() {
            return Err(UpscaleError::Lost {
                device: self.selected().device.to_string(),
                precision: report.precision,
                lr_psnr,
            });
        }
        Ok(Report {
            lr_psnr,
            retried,
            ..report
        })
    }
}

/// Rows of a result on their way to the size that was asked for, and how they
/// compare with the image that it began with.
struct Fitted<'a> {
    colors: &'a Colors<'a>,
    full: [usize; 2],
    size: [usize; 2],
    /// Of the image to the full size.
    enlarging: Resizing,
    /// Of the result and of the enlarged image, which so loses as much; none: they
    /// have the size.
    shrinking: Option<[StripResizing; 2]>,
    fidelity: Fidelity<'a>,
}

impl<'a> Fitted<'a> {
    fn new(colors: &'a Colors<'a>, full: [usize; 2], size: [usize; 2]) -> Result<Self, NoMemory> {
        let border = colors.border();
        let shrinking = || StripResizing::new(full, size, border);
        Ok(Self {
            colors,
            full,
            size,
            enlarging: Resizing::with_border(colors.size(), 3, full, border)?,
            shrinking: match full == size {
                true => None,
                false => Some([shrinking()?, shrinking()?]),
            },
            fidelity: Fidelity::new(colors, size)?,
        })
    }

    /// The rows that are complete with a strip of the full size; row 0 begins anew.
    fn fit(&mut self, strip: Strip) -> Result<Option<Strip>, NoMemory> {
        if strip.y == 0 {
            *self = Self::new(self.colors, self.full, self.size)?;
        }
        let rows = strip.y..strip.y + strip.rows;
        let up = Strip {
            rgb: self.colors.resized_rows(&self.enlarging, rows)?,
            alpha: None,
            ..strip
        };
        let (result, up) = match &mut self.shrinking {
            None => (Some(strip), Some(up)),
            Some([of_result, of_up]) => (of_result.push(&strip)?, of_up.push(&up)?),
        };
        if let (Some(result), Some(up)) = (&result, &up) {
            let [sr, up] = [result.planes()?, up.planes()?];
            let [sr, up] = [&sr, &up].map(|values| Planes {
                values,
                stride: self.size[0],
                first: [0, 0],
            });
            self.fidelity.push(result.rows, &sr, &up)?;
        }
        Ok(result)
    }
}
