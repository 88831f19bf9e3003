//! Content fusion (SRDiff, section 4.4): what was pasted into an image becomes a
//! part of it.

use super::progress::OnProgress;
use super::sample_options::SampleOptions;
use super::upscaler::collect_rows;
use super::{Report, UpscaleError, Upscaler};
use crate::host_memory::{NoMemory, collected};
use crate::image::{Border, Colors, Picture, Samples};

impl Upscaler {
    /// Blends pasted content into an image of full size: noise is added to it as
    /// far as `amount` of the reverse process takes away again, from little above
    /// 0 (hardly changed) to 1 (made anew from the image, shrunk).
    ///
    /// Where there is a `mask` of the image's size, the result is taken where it
    /// is white and the image where it is black or transparent. The report is of the
    /// result before that.
    ///
    /// # Errors
    /// As [`upscale`](Self::upscale), and when the amount is out of range, the
    /// mask has another size, or the image wraps and a side is no multiple of the scale.
    pub fn blend(
        &mut self,
        image: &Picture,
        mask: Option<&Picture>,
        amount: f64,
        sample: &SampleOptions,
        progress: OnProgress<'_>,
    ) -> Result<(Picture, Report), UpscaleError> {
        self.check_picture(image)?;
        let (width, height) = (image.width, image.height);
        if let Some(mask) = mask {
            self.check_picture(mask)?;
            if (mask.width, mask.height) != (width, height) {
                return Err(UpscaleError::Mask {
                    image: [width, height],
                    mask: [mask.width, mask.height],
                });
            }
        }
        let scale = self.model().settings().scale;
        let is_whole = [width, height]
            .iter()
            .all(|side| side.is_multiple_of(scale));
        if sample.border == Border::Wrapped && !is_whole {
            // What fills up the last LR pixels would lie between the edges that meet.
            return Err(UpscaleError::WrapSize {
                size: [width, height],
                scale,
            });
        }
        let lr_size = [width, height].map(|side| side.div_ceil(scale));
        let full = padded(image, lr_size.map(|side| side * scale), sample.border)?;
        let lr = full.resized_with(lr_size, sample.border)?;
        let mut result = full.without_pixels([full.width, full.height]);
        let edited = Some((&full, amount));
        self.begin_image();
        let report = collect_rows(&mut result, |rows| {
            self.upscale_with_retries(&lr, edited, sample, progress, rows)
        })?;
        let mut result = result.cropped(width, height)?;
        if let Some(mask) = mask {
            mix(&mut result.rgb, &image.rgb, mask);
        }
        let alpha = image.alpha.as_ref().map(Samples::copied);
        let blended = Picture {
            rgb: result.rgb,
            alpha: alpha.transpose()?,
            ..image.without_pixels([width, height])
        };
        Ok((blended, report))
    }
}

/// The colours of an image, continued to the right and below by what lies beyond
/// its edges.
fn padded(
    image: &Picture,
    [width, height]: [usize; 2],
    border: Border,
) -> Result<Picture, NoMemory> {
    let planes = Colors::new(image, border)?;
    let planes = planes.window([0, 0], [width, height])?;
    let pixels = width * height;
    let interleaved = (0..pixels).flat_map(|p| [0, 1, 2].map(|c| planes[c * pixels + p]));
    let rgb = match image.rgb {
        Samples::U8(_) => {
            let rgb = interleaved.map(|v| (v * 255.0).round() as u8);
            collected(3 * pixels, rgb)?.into()
        }
        Samples::U16(_) => {
            let rgb = interleaved.map(|v| (v * 65_535.0).round() as u16);
            collected(3 * pixels, rgb)?.into()
        }
    };
    Ok(Picture::with_samples(width, height, rgb))
}

/// `result * weight + image * (1 - weight)`, the weight of a pixel the mean of the mask's
/// colours over black.
fn mix(result: &mut Samples, image: &Samples, mask: &Picture) {
    let opacity = |pixel| (mask.alpha.as_ref()).map_or(1.0, |alpha| alpha.unit_at(pixel));
    let mean = |pixel| (0..3).map(|c| mask.rgb.unit_at(3 * pixel + c)).sum::<f32>() / 3.0;
    let pixels = 0..mask.width * mask.height;
    let weights = pixels.flat_map(|pixel| [mean(pixel) * opacity(pixel); 3]);
    let mixed = |result: f32, image: f32, weight: f32| image + weight * (result - image);
    match (result, image) {
        (Samples::U8(result), Samples::U8(image)) => {
            for ((result, image), weight) in result.iter_mut().zip(image).zip(weights) {
                *result = mixed((*result).into(), (*image).into(), weight).round() as u8;
            }
        }
        (Samples::U16(result), Samples::U16(image)) => {
            for ((result, image), weight) in result.iter_mut().zip(image).zip(weights) {
                *result = mixed((*result).into(), (*image).into(), weight).round() as u16;
            }
        }
        _ => unreachable!("the result has the image's samples"),
    }
}
