//! Images to the planes of reals that the model works on, and back.

use super::bicubic::Resizing;
use super::bleed;
use super::samples::Sample;
use super::{Picture, Samples};
use crate::host_memory::{NoMemory, collected, zeros};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// What lies beyond an image's edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Border {
    /// Its reflection, the edge pixel repeated, as bicubic enlargement has it.
    #[default]
    Reflected,
    /// The image again.
    Wrapped,
}

impl Border {
    /// The coordinate in `0..length` that stands for any other.
    pub(super) fn fold(self, coordinate: isize, length: usize) -> usize {
        match self {
            Self::Reflected => crate::ops::symmetric(coordinate, length),
            Self::Wrapped => coordinate.rem_euclid(length as isize) as usize,
        }
    }
}

/// The colours of an image, as far as the eye can reach in every direction.
///
/// Pixels that are not visible take the colours of those around them.
pub struct Colors<'a> {
    rgb: Cow<'a, Samples>,
    size: [usize; 2],
    border: Border,
}

impl<'a> Colors<'a> {
    /// # Errors
    /// When the system has no memory for the colours that are filled in.
    pub fn new(picture: &'a Picture, border: Border) -> Result<Self, NoMemory> {
        Ok(Self {
            rgb: bleed::visible_colors(picture, border)?,
            size: [picture.width, picture.height],
            border,
        })
    }

    /// Width and height of the image.
    pub(crate) fn size(&self) -> [usize; 2] {
        self.size
    }

    pub(crate) fn border(&self) -> Border {
        self.border
    }

    /// Rows of the colours, resized.
    ///
    /// # Panics
    /// When `resizing` is of another size or number of channels.
    pub(crate) fn resized_rows(
        &self,
        resizing: &Resizing,
        rows: Range<usize>,
    ) -> Result<Samples, NoMemory> {
        let rows = resizing.samples(&self.rgb, rows);
        self.rgb.let_go();
        rows
    }

    /// The R, G and B planes in [0, 1] of a window of `width x height`, whose
    /// top left pixel is at `x`, `y`.
    ///
    /// # Errors
    /// When the system has no memory for them.
    pub fn window(
        &self,
        [x, y]: [isize; 2],
        [width, height]: [usize; 2],
    ) -> Result<Vec<f32>, NoMemory> {
        let planes = match &*self.rgb {
            Samples::U8(rgb) => self.planes(rgb, [x, y], [width, height]),
            Samples::U16(rgb) => self.planes(rgb, [x, y], [width, height]),
        };
        self.rgb.let_go();
        planes
    }

    fn planes<T: Sample>(
        &self,
        rgb: &[T],
        [left, top]: [isize; 2],
        [width, height]: [usize; 2],
    ) -> Result<Vec<f32>, NoMemory> {
        let [full_width, full_height] = self.size;
        let column = |x: usize| self.border.fold(left + x as isize, full_width);
        let columns = collected(width, (0..width).map(column))?;
        let mut planes = zeros(3 * width * height)?;
        let rows = planes.par_chunks_mut(width.max(1)).enumerate();
        rows.for_each(|(row, output)| {
            let (channel, y) = (row / height, row % height);
            let y = self.border.fold(top + y as isize, full_height);
            let input = &rgb[3 * full_width * y..][..3 * full_width];
            for (value, &x) in output.iter_mut().zip(&columns) {
                *value = input[3 * x + channel].unit();
            }
        });
        Ok(planes)
    }
}

/// Some rows of an enlarged image.
#[derive(Clone, Debug, PartialEq)]
pub struct Strip {
    /// The first row's number.
    pub y: usize,
    pub rows: usize,
    /// As [`Picture::rgb`].
    pub rgb: Samples,
    /// As [`Picture::alpha`].
    pub alpha: Option<Samples>,
}

impl Strip {
    /// The R, G and B planes in [-1, 1], one after the other.
    pub(crate) fn planes(&self) -> Result<Vec<f32>, NoMemory> {
        let pixels = self.rgb.len() / 3;
        let value = |at: usize| {
            let (channel, pixel) = (at / pixels, at % pixels);
            2.0 * self.rgb.unit_at(3 * pixel + channel) - 1.0
        };
        collected(3 * pixels, (0..3 * pixels).map(value))
    }

    /// A copy.
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub fn copied(&self) -> Result<Self, NoMemory> {
        let alpha = self.alpha.as_ref().map(Samples::copied);
        Ok(Self {
            rgb: self.rgb.copied()?,
            alpha: alpha.transpose()?,
            ..*self
        })
    }
}

/// Turns the planes that the model gives into the enlarged image, as many
/// rows at a time as there are.
///
/// The result has the bits a sample, the opacity (enlarged bicubically) and the
/// metadata of the image; where that has no colours, each pixel is the mean
/// of the three planes.
pub struct Enlargement<'a> {
    picture: &'a Picture,
    scale: usize,
    neutral: bool,
    alpha: Option<Resizing>,
}

impl<'a> Enlargement<'a> {
    /// # Errors
    /// When the system has no memory for the weights of its rows and columns.
    pub fn new(picture: &'a Picture, scale: usize, border: Border) -> Result<Self, NoMemory> {
        let size = [picture.width, picture.height];
        let new_size = size.map(|side| side * scale);
        let resizing = || Resizing::with_border(size, 1, new_size, border);
        let resizing = picture.alpha.is_some().then(resizing);
        Ok(Self {
            picture,
            scale,
            neutral: picture.is_neutral(),
            alpha: resizing.transpose()?,
        })
    }

    pub fn width(&self) -> usize {
        self.scale * self.picture.width
    }

    pub fn height(&self) -> usize {
        self.scale * self.picture.height
    }

    /// The result without pixels.
    pub fn empty(&self) -> Picture {
        self.picture.without_pixels([self.width(), self.height()])
    }

    /// `rows` rows from row `y` on, from planes in about [-1, 1].
    ///
    /// # Panics
    /// When the planes are smaller than that.
    ///
    /// # Errors
    /// When the system has no memory for them.
    pub fn strip(&self, y: usize, rows: usize, planes: &Planes<'_>) -> Result<Strip, NoMemory> {
        let width = self.width();
        let rgb = match self.picture.rgb {
            Samples::U8(_) => interleaved::<u8>(planes, [width, rows], self.neutral)?.into(),
            Samples::U16(_) => interleaved::<u16>(planes, [width, rows], self.neutral)?.into(),
        };
        let alpha = self.picture.alpha.as_ref().zip(self.alpha.as_ref());
        let alpha = alpha.map(|(samples, resizing)| {
            let rows = resizing.samples(samples, y..y + rows);
            samples.let_go();
            rows
        });
        Ok(Strip {
            y,
            rows,
            rgb,
            alpha: alpha.transpose()?,
        })
    }
}

impl Picture {
    /// All rows, some at a time.
    pub(crate) fn strips(&self) -> impl Iterator<Item = Result<Strip, NoMemory>> {
        const ROWS: usize = 64;
        (0..self.height).step_by(ROWS).map(|y| {
            let rows = ROWS.min(self.height - y);
            let pixels = y * self.width..(y + rows) * self.width;
            let alpha = self.alpha.as_ref().map(|alpha| alpha.part(pixels.clone()));
            Ok(Strip {
                y,
                rows,
                rgb: self.rgb.part(3 * pixels.start..3 * pixels.end)?,
                alpha: alpha.transpose()?,
            })
        })
    }

    /// Adds rows below those that the image has; row 0 begins it anew.
    ///
    /// # Panics
    /// When the samples are of another type.
    ///
    /// # Errors
    /// When the system has no memory for all rows of the image.
    pub fn push(&mut self, strip: Strip) -> Result<(), NoMemory> {
        if strip.y == 0 {
            *self = self.without_pixels([self.width, self.height]);
        }
        let pixels = self.width * self.height;
        self.rgb.append(strip.rgb, 3 * pixels)?;
        if let (Some(alpha), Some(more)) = (&mut self.alpha, strip.alpha) {
            alpha.append(more, pixels)?;
        }
        Ok(())
    }
}

/// Three planes of equal size, R, G and B, one after the other.
pub struct Planes<'a> {
    pub values: &'a [f32],
    /// Values from a row to the next.
    pub stride: usize,
    /// The first column and row that are meant.
    pub first: [usize; 2],
}

impl Planes<'_> {
    /// Row `y` of a channel, `width` values.
    pub(crate) fn row(&self, channel: usize, y: usize, width: usize) -> &[f32] {
        let [left, top] = self.first;
        let plane = self.values.len() / 3;
        &self.values[channel * plane + (top + y) * self.stride + left..][..width]
    }
}

/// The image that `like` becomes when it is enlarged by `scale` to `planes`
/// of about [-1, 1] in rows of `stride`, of which the top left is taken; see
/// [`Enlargement`].
///
/// # Panics
/// When the planes are smaller than the result.
///
/// # Errors
/// When the system has no memory for the result.
pub fn picture_from_planes(
    planes: &[f32],
    stride: usize,
    like: &Picture,
    scale: usize,
) -> Result<Picture, NoMemory> {
    let enlargement = Enlargement::new(like, scale, Border::Reflected)?;
    let (width, height) = (enlargement.width(), enlargement.height());
    assert!(
        width <= stride && 3 * height * stride <= planes.len(),
        "crop: {width}x{height} from {} values in rows of {stride}",
        planes.len()
    );
    let planes = Planes {
        values: planes,
        stride,
        first: [0, 0],
    };
    let mut picture = enlargement.empty();
    picture.push(enlargement.strip(0, height, &planes)?)?;
    Ok(picture)
}

fn interleaved<T: Sample>(
    planes: &Planes<'_>,
    [width, height]: [usize; 2],
    neutral: bool,
) -> Result<Vec<T>, NoMemory> {
    let mut rgb = zeros(3 * width * height)?;
    let rows = rgb.par_chunks_mut(3 * width).enumerate();
    rows.for_each(|(y, output)| {
        let [r, g, b] = [0, 1, 2].map(|channel| planes.row(channel, y, width));
        for (x, pixel) in output.chunks_exact_mut(3).enumerate() {
            if neutral {
                pixel.fill(T::from_signed((r[x] + g[x] + b[x]) / 3.0));
            } else {
                for (sample, value) in pixel.iter_mut().zip([r[x], g[x], b[x]]) {
                    *sample = T::from_signed(value);
                }
            }
        }
    });
    Ok(rgb)
}
