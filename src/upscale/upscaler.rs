//! A model loaded on a device, which upscales images.

mod load;
mod retry;
mod run;

pub use retry::{NextTry, Retry};

use super::device::PrecisionChoice;
use super::device_tuning::DeviceTuning;
use super::finish::OnRows;
use super::open::{Found, OpenDevice};
use super::progress::{OnProgress, Progress};
use super::sample_options::SampleOptions;
use super::select::{DeviceChoice, Selected};
use super::tiled::Held;
use super::tiling::{SMALLEST_TILE, TileChoice, Tiles, Tiling};
use super::{UpscaleError, steps};
use crate::exec::gpu::CacheFolder;
use crate::exec::{Backend, Executor, Prepared};
use crate::image::{Border, Picture, Strip};
use crate::model::Model;
use crate::plan::Precision;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// On which device, and how, a model runs.
#[derive(Clone, Debug, Default)]
pub struct UpscalerOptions {
    pub device: DeviceChoice,
    pub precision: PrecisionChoice,
    /// Bytes of memory that may be used. By default, nine tenths of the system's
    /// free memory, or of all memory of a GPU that has its own; where that is
    /// unknown, there is no limit.
    pub memory_limit: Option<u64>,
    pub tile: TileChoice,
    /// Whether results that do not match their image are results, too.
    pub allow_mismatch: bool,
    /// Kernels are those that ran fastest when they were timed on this device,
    /// and those that never were are timed when an image needs them, for so
    /// long in all; on software adapters, none are then. By default, a static
    /// rule chooses.
    pub tuning: Option<Duration>,
    /// Where measurements and compiled kernels are kept for the next time. By
    /// default, they are not.
    pub cache: Option<CacheFolder>,
}

/// How an image was upscaled.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// PSNR of the result, shrunk to the size of the input, against the input,
    /// in dB.
    pub lr_psnr: f64,
    pub precision: Precision,
    /// None: the image was upscaled in one piece.
    pub tiles: Option<Tiles>,
    /// The tries that failed before.
    pub retried: Vec<Retry>,
}

/// A model on a device.
///
/// The program for the last image's or tile's size stays loaded, so the next
/// image of that size loads nothing. Weights and compiled kernels serve all
/// sizes.
pub struct Upscaler {
    model: Arc<Model>,
    pub(super) selected: Selected,
    precision: Precision,
    /// Whether to switch to f32 if the model exceeds the range of f16.
    falls_back: bool,
    /// Whether to switch to the CPU if the GPU fails or gives a bad result.
    leaves_gpu: bool,
    /// Whether the device is lost and has to be opened again.
    has_failed: bool,
    /// A GPU that had no memory for the image before, and its precision.
    crowded: Option<(Selected, Precision)>,
    memory_limit: Option<u64>,
    tile: TileChoice,
    allow_mismatch: bool,
    /// LR pixels of a tile that the device refused memory for, for this image.
    refused: Option<usize>,
    backend: Backend,
    pub(super) tuned: DeviceTuning,
    /// What was checked last.
    prepared: Option<(LrSize, Prepared)>,
    /// The program on the device, its time tables computed.
    loaded: Option<(LrSize, Box<dyn Executor>)>,
    /// Whether the loaded program holds the encoded image, and with what around it.
    holds_image: Option<Border>,
    /// Bytes of packed weights that the backend keeps.
    weight_bytes: u64,
}

/// Padded LR width and height.
type LrSize = [usize; 2];

impl Upscaler {
    /// Chooses the device and opens it, or, with [`DeviceChoice::Auto`], the CPU
    /// if the GPU does not open.
    ///
    /// # Errors
    /// When the device is missing, fails or lacks the precision, or the tile is too
    /// small.
    pub fn new(model: Model, options: &UpscalerOptions) -> Result<Self, UpscaleError> {
        check(options)?;
        let found = Found::new(&options.device, options.precision)?;
        let mut tuned = DeviceTuning::new(options.tuning, options.cache.clone());
        let leaves_gpu = found.leaves_gpu;
        let device = found.open(&mut tuned)?;
        Ok(Self {
            falls_back: options.precision == PrecisionChoice::Auto,
            leaves_gpu,
            ..Self::of(model, &device, options, tuned)
        })
    }

    /// Loads a model on a device that is open, in its precision, whatever device
    /// and precision the options say. No other device or precision is tried.
    ///
    /// # Errors
    /// When the tile is too small.
    pub fn on(
        device: &OpenDevice,
        model: Model,
        options: &UpscalerOptions,
    ) -> Result<Self, UpscaleError> {
        check(options)?;
        let mut tuned = DeviceTuning::new(options.tuning, options.cache.clone());
        tuned.load(&device.selected().device);
        Ok(Self::of(model, device, options, tuned))
    }

    fn of(
        model: Model,
        device: &OpenDevice,
        options: &UpscalerOptions,
        tuned: DeviceTuning,
    ) -> Self {
        let model = Arc::new(model);
        Self {
            backend: device.backend(model.clone()),
            selected: device.selected().clone(),
            precision: device.precision(),
            model,
            tuned,
            falls_back: false,
            leaves_gpu: false,
            has_failed: false,
            crowded: None,
            memory_limit: options.memory_limit,
            tile: options.tile,
            allow_mismatch: options.allow_mismatch,
            refused: None,
            prepared: None,
            loaded: None,
            holds_image: None,
            weight_bytes: 0,
        }
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The device. With [`DeviceChoice::Auto`] it changes to the CPU when the
    /// GPU fails or gives a bad result; the reason says which.
    pub fn selected(&self) -> &Selected {
        &self.selected
    }

    /// How feature maps and weights are stored. With [`PrecisionChoice::Auto`]
    /// it changes to f32 when the model exceeds the range of f16.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// What the user should know of the device since this was asked last: that
    /// kernels were timed, what is wrong with files of the cache, and why the CPU
    /// took a GPU's place before any image (the reason of [`selected`](Self::selected)).
    pub fn take_notes(&mut self) -> Vec<String> {
        self.tuned.take_notes()
    }

    /// The program for an image of `width` x `height` in one piece, whether it
    /// fits or not.
    ///
    /// # Errors
    /// When no kernel of the device computes the model.
    pub fn prepare(&self, width: usize, height: usize) -> Result<Prepared, UpscaleError> {
        let tiling = Tiling::whole(self.model.settings(), [width, height]);
        self.budget().prepare(tiling.tile())
    }

    /// Checks, without any work, that an image of `width` x `height` fits the
    /// device, in tiles if need be, and that the model can be sampled with these
    /// options.
    ///
    /// # Errors
    /// When it does not fit, or the steps or the sampler are out of range.
    pub fn check(
        &mut self,
        width: usize,
        height: usize,
        sample: &SampleOptions,
    ) -> Result<(), UpscaleError> {
        self.checked(width, height, sample)?;
        Ok(())
    }

    /// The program for an image of `width` x `height`, as [`upscale`](Self::upscale)
    /// would run it; and the tiles that it is for, if the image is not done in one
    /// piece.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn plan(
        &mut self,
        width: usize,
        height: usize,
        sample: &SampleOptions,
    ) -> Result<(Prepared, Option<Tiles>), UpscaleError> {
        let tiling = self.checked(width, height, sample)?;
        let prepared = match self.prepared.take() {
            Some((tile, prepared)) if tile == tiling.tile() => prepared,
            _ => self.budget().prepare(tiling.tile())?,
        };
        Ok((prepared, tiling.tiles()))
    }

    fn checked(
        &mut self,
        width: usize,
        height: usize,
        sample: &SampleOptions,
    ) -> Result<Tiling, UpscaleError> {
        let records = steps::records(self.model.settings(), sample)?;
        let held = Held::new(&records, sample, false);
        self.tiling([width, height], &held)
    }

    /// Upscales an image by the model's scale.
    ///
    /// Around the image, the model sees its reflection. An image that does not
    /// fit the device is worked on in tiles. Alpha is enlarged bicubically, the
    /// metadata are kept, and an image without colours stays without. With
    /// [`PrecisionChoice::Auto`], a model that exceeds the range of f16 is run
    /// again in f32; with [`DeviceChoice::Auto`], what a GPU fails at or does
    /// badly is run again on the CPU. Progress restarts then.
    ///
    /// # Errors
    /// As [`check`](Self::check), and when the image's buffers do not fit its
    /// size, the device fails, the result is not finite or no enlargement of the
    /// image, or `progress` cancels. The upscaler can still be used afterwards.
    pub fn upscale(
        &mut self,
        picture: &Picture,
        sample: &SampleOptions,
        progress: OnProgress<'_>,
    ) -> Result<Picture, UpscaleError> {
        let (result, _) = self.upscale_with_report(picture, sample, progress)?;
        Ok(result)
    }

    /// As [`upscale`](Self::upscale), and says how the image was upscaled.
    ///
    /// # Errors
    /// As [`upscale`](Self::upscale).
    pub fn upscale_with_report(
        &mut self,
        picture: &Picture,
        sample: &SampleOptions,
        progress: OnProgress<'_>,
    ) -> Result<(Picture, Report), UpscaleError> {
        self.check_picture(picture)?;
        let scale = self.model.settings().scale;
        let size = [picture.width, picture.height].map(|side| side * scale);
        let mut result = picture.without_pixels(size);
        let report = collect_rows(&mut result, |rows| {
            self.upscale_rows(picture, sample, progress, rows)
        })?;
        Ok((result, report))
    }

    /// As [`upscale`](Self::upscale), but hands over the result's rows as they
    /// are done, so that memory need not hold all of them.
    ///
    /// Rows that begin at 0 again replace those that came before: the image was
    /// run again. After an error, the rows so far are worth nothing.
    ///
    /// # Errors
    /// As [`upscale`](Self::upscale), and when `rows` cancels.
    pub fn upscale_rows(
        &mut self,
        picture: &Picture,
        sample: &SampleOptions,
        progress: OnProgress<'_>,
        rows: OnRows<'_>,
    ) -> Result<Report, UpscaleError> {
        self.begin_image();
        self.upscale_with_retries(picture, None, sample, progress, rows)
    }

    /// As [`upscale_rows`](Self::upscale_rows), for the image that was upscaled
    /// last: in one piece, it is not encoded again. Of another image, the result
    /// would be wrong.
    ///
    /// # Errors
    /// As [`upscale_rows`](Self::upscale_rows).
    pub fn upscale_next(
        &mut self,
        picture: &Picture,
        sample: &SampleOptions,
        progress: OnProgress<'_>,
        rows: OnRows<'_>,
    ) -> Result<Report, UpscaleError> {
        self.upscale_with_retries(picture, None, sample, progress, rows)
    }

    /// Upscales an image several times: to sample `sample.sample` and those after
    /// it. In one piece, the image is encoded once for all.
    ///
    /// `progress` and `rows` are also given the number of the sample, from 0.
    ///
    /// # Errors
    /// As [`upscale_rows`](Self::upscale_rows).
    pub fn upscale_samples(
        &mut self,
        picture: &Picture,
        sample: &SampleOptions,
        count: u32,
        progress: &mut dyn FnMut(u32, Progress) -> ControlFlow<()>,
        rows: &mut dyn FnMut(u32, Strip) -> ControlFlow<()>,
    ) -> Result<Vec<Report>, UpscaleError> {
        self.begin_image();
        (0..count)
            .map(|number| {
                let sample = SampleOptions {
                    sample: sample.sample.wrapping_add(number),
                    ..*sample
                };
                self.upscale_with_retries(
                    picture,
                    None,
                    &sample,
                    &mut |at| progress(number, at),
                    &mut |strip| rows(number, strip),
                )
            })
            .collect()
    }

    /// Forgets what holds for the image before alone. Its memory may have been
    /// refused because other programs needed it then.
    pub(super) fn begin_image(&mut self) {
        self.holds_image = None;
        self.refused = None;
        if let Some((selected, precision)) = self.crowded.take() {
            // If it cannot be opened again, the CPU stays.
            let _ = self.switch(selected, precision);
        }
    }

    pub(super) fn allows_mismatch(&self) -> bool {
        self.allow_mismatch
    }

    pub(super) fn check_picture(&self, picture: &Picture) -> Result<(), UpscaleError> {
        let (width, height) = (picture.width, picture.height);
        match picture.is_consistent() {
            true => Ok(()),
            false => Err(UpscaleError::Picture { width, height }),
        }
    }
}

/// Adds the rows that `upscale` gives to an image without pixels.
pub(super) fn collect_rows<T>(
    result: &mut Picture,
    upscale: impl FnOnce(OnRows<'_>) -> Result<T, UpscaleError>,
) -> Result<T, UpscaleError> {
    let mut refused = None;
    let upscaled = upscale(&mut |strip| match result.push(strip) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            refused = Some(error);
            ControlFlow::Break(())
        }
    });
    match refused {
        Some(error) => Err(error.into()),
        None => upscaled,
    }
}

/// Checks what does not depend on the device.
fn check(options: &UpscalerOptions) -> Result<(), UpscaleError> {
    match options.tile {
        TileChoice::AtMost(side) if side < SMALLEST_TILE => Err(UpscaleError::Option {
            name: "tile",
            value: side as f64,
            choose: format!("{SMALLEST_TILE} or more pixels"),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
