//! A model loaded on a device, which upscales images.

mod retry;

pub use retry::{NextTry, Retry};

use super::budget::usable_bytes;
use super::consistency::Consistency;
use super::device::{Device, PrecisionChoice};
use super::finish::{Findings, Finish, OnRows};
use super::memory::Budget;
use super::open::{Found, OpenDevice};
use super::reverse::{OnProgress, Progress, SampleOptions, notify, sample_steps};
use super::select::{DeviceChoice, Selected};
use super::tiled::{Start, Tiled};
use super::tiling::{MARGIN, SMALLEST_TILE, TileChoice, Tiling};
use super::tuning::Tuned;
use super::{UpscaleError, steps};
use crate::exec::gpu::CacheFolder;
use crate::exec::{Backend, ExecError, Executor, Prepared, StepRecord};
use crate::image::{Colors, Picture, Planes, Strip};
use crate::model::{Model, names, time};
use crate::plan::Precision;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// Submits of steps queued on a GPU: enough that it never waits, few enough that
/// progress is accurate and cancelling is quick.
const STEPS_IN_FLIGHT: usize = 2;

#[derive(Clone, Debug, Default)]
pub struct UpscalerOptions {
    pub device: DeviceChoice,
    pub precision: PrecisionChoice,
    /// Bytes of memory that may be used. By default, the free memory of the
    /// system, and all memory of a discrete GPU.
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
    /// Width and height of the tiles in LR pixels, and their number; none: the
    /// image was upscaled in one piece.
    pub tiles: Option<([usize; 2], usize)>,
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
    memory_limit: Option<u64>,
    tile: TileChoice,
    allow_mismatch: bool,
    /// LR pixels of a tile that the device refused memory for, for this image.
    refused: Option<usize>,
    backend: Backend,
    pub(super) tuned: Tuned,
    /// What was checked last.
    prepared: Option<(LrSize, Prepared)>,
    /// The program on the device, its time tables computed.
    loaded: Option<(LrSize, Box<dyn Executor>)>,
    /// Whether the loaded program holds the encoded image.
    holds_image: bool,
    /// Bytes of packed weights that the backend keeps.
    weight_bytes: u64,
}

/// Padded LR width and height.
type LrSize = [usize; 2];

impl Upscaler {
    /// Chooses the device and opens it.
    ///
    /// # Errors
    /// When the device is missing, fails or lacks the precision, the tile is too
    /// small, or the model has settings that are not supported.
    pub fn new(model: Model, options: &UpscalerOptions) -> Result<Self, UpscaleError> {
        check(&model, options)?;
        let found = Found::new(&options.device, options.precision)?;
        let mut tuned = Tuned::new(options.tuning, options.cache.clone());
        tuned.load(&found.selected.device);
        let device = found.open(&mut tuned)?;
        Ok(Self {
            falls_back: options.precision == PrecisionChoice::Auto,
            // Who asked for f16 gets no f32 on another device, either.
            leaves_gpu: options.device == DeviceChoice::Auto
                && options.precision != PrecisionChoice::F16,
            ..Self::of(model, &device, options, tuned)
        })
    }

    /// Loads a model on a device that is open, in its precision, whatever device
    /// and precision the options say. No other device or precision is tried.
    ///
    /// # Errors
    /// When the tile is too small, or the model has settings that are not
    /// supported.
    pub fn on(
        device: &OpenDevice,
        model: Model,
        options: &UpscalerOptions,
    ) -> Result<Self, UpscaleError> {
        check(&model, options)?;
        let mut tuned = Tuned::new(options.tuning, options.cache.clone());
        tuned.load(&device.selected().device);
        Ok(Self::of(model, device, options, tuned))
    }

    fn of(model: Model, device: &OpenDevice, options: &UpscalerOptions, tuned: Tuned) -> Self {
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
            memory_limit: options.memory_limit,
            tile: options.tile,
            allow_mismatch: options.allow_mismatch,
            refused: None,
            prepared: None,
            loaded: None,
            holds_image: false,
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
    /// kernels were timed, and what is wrong with files of the cache.
    pub fn take_notes(&mut self) -> Vec<String> {
        self.tuned.take_notes()
    }

    /// The program for an image of `width` x `height` in one piece, whether it
    /// fits or not.
    ///
    /// # Errors
    /// When the model's graph cannot be planned: a fault of this library.
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
        let records = steps::records(self.model.settings(), sample)?;
        self.tiling([width, height], &records)?;
        Ok(())
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
        self.check_picture(picture)?;
        let scale = self.model.settings().scale;
        let size = [picture.width, picture.height].map(|side| side * scale);
        let mut result = picture.without_pixels(size);
        collect_rows(&mut result, |rows| {
            self.upscale_rows(picture, sample, progress, rows)
        })?;
        Ok(result)
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
        self.upscale_again(picture, None, sample, progress, rows)
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
        self.upscale_again(picture, None, sample, progress, rows)
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
                self.upscale_again(
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
        self.holds_image = false;
        self.refused = None;
    }

    /// Opens another device, or the same one again.
    fn switch(&mut self, selected: Selected, precision: Precision) -> Result<(), UpscaleError> {
        // What was loaded goes first: the new one may need its memory.
        (self.loaded, self.prepared, self.weight_bytes) = (None, None, 0);
        self.holds_image = false;
        self.tuned.load(&selected.device);
        // What was listed may be lost.
        let device = OpenDevice::of(selected.clone(), precision, None, &mut self.tuned)?;
        self.backend = device.backend(self.model.clone());
        self.refused = match selected.device == self.selected.device {
            true => self.refused,
            false => None,
        };
        (self.selected, self.precision, self.has_failed) = (selected, precision, false);
        Ok(())
    }

    /// Opens the device again, which another of its users may have lost.
    #[cfg(feature = "gpu")]
    pub(super) fn open_again(&mut self) -> Result<(), UpscaleError> {
        self.switch(self.selected.clone(), self.precision)
    }

    /// Gives the memory of the loaded program back.
    #[cfg(feature = "gpu")]
    pub(super) fn unload(&mut self) {
        (self.loaded, self.prepared, self.holds_image) = (None, None, false);
    }

    #[cfg(feature = "gpu")]
    pub(super) fn memory_limit(&self) -> Option<u64> {
        self.memory_limit
    }

    pub(super) fn check_picture(&self, picture: &Picture) -> Result<(), UpscaleError> {
        let (width, height) = (picture.width, picture.height);
        match picture.is_consistent() {
            true => Ok(()),
            false => Err(UpscaleError::Picture { width, height }),
        }
    }

    /// Upscales an image, where `edited` is given from an image of the result's
    /// size and with that part of the process alone.
    fn upscale_from(
        &mut self,
        picture: &Picture,
        colors: &Colors<'_>,
        edited: Option<(&Colors<'_>, f64)>,
        sample: &SampleOptions,
        progress: OnProgress<'_>,
        rows: OnRows<'_>,
    ) -> Result<Report, UpscaleError> {
        let amount = edited.map_or(1.0, |(_, amount)| amount);
        let (records, parts) = steps::records_from(self.model.settings(), sample, amount)?;
        let tiling = self.load([picture.width, picture.height], &records, progress)?;
        let model = self.model.clone();
        let settings = model.settings();
        // Not there while it runs: after an error or a panic it may be in any state.
        let (tile, mut loaded) = self.loaded.take().expect("just loaded");
        let executor = &mut *loaded;
        let start = edited.map(|(colors, _)| Start { colors, parts });
        let run = || -> Result<Findings, UpscaleError> {
            let mut finish = Finish::new(settings, picture, colors, rows)?;
            if tiling.count() == 1 && !sample.needs_canvas() && start.is_none() {
                let in_flight = match self.selected.device {
                    // A run is done when it returns.
                    Device::Cpu(_) => 0,
                    Device::Gpu(_) => STEPS_IN_FLIGHT,
                };
                let margin = MARGIN as isize;
                let lr = match self.holds_image {
                    true => None,
                    false => Some(colors.window([-margin, -margin], tiling.tile())?),
                };
                whole(executor, &records, lr, in_flight, &mut finish, progress)?;
            } else {
                let consistency = match sample.consistent {
                    true => Some(Consistency::new(settings, tiling.tile())?),
                    false => None,
                };
                Tiled {
                    settings,
                    tiling,
                    executor,
                    records: &records,
                    colors,
                    size: [picture.width, picture.height],
                    sample,
                    start,
                    consistency,
                }
                .run(&mut finish, progress)?;
            }
            Ok(finish.findings())
        };
        let result = run();
        match result {
            Err(UpscaleError::Exec(ExecError::OutOfMemory { .. })) => {
                self.refused = Some(tile[0] * tile[1]);
            }
            Err(UpscaleError::Exec(_)) => {}
            _ => self.loaded = Some((tile, loaded)),
        }
        self.holds_image = result.is_ok() && tiling.count() == 1;
        let Findings {
            is_finite,
            is_lost,
            lr_psnr,
        } = result?;
        let (device, precision) = (self.selected.device.to_string(), self.precision);
        if !is_finite {
            return Err(UpscaleError::NotFinite { device, precision });
        }
        if is_lost && !self.allow_mismatch {
            return Err(UpscaleError::Lost {
                device,
                precision,
                lr_psnr,
            });
        }
        Ok(Report {
            lr_psnr,
            precision,
            tiles: (tiling.count() > 1).then(|| (tiling.tile(), tiling.count())),
            retried: Vec::new(),
        })
    }

    fn budget(&self) -> Budget<'_> {
        // The loaded program is dropped before another is loaded.
        let held = self.loaded.as_ref().map_or(0, |(_, executor)| {
            let memory = executor.memory();
            memory.total_bytes() - memory.weight_bytes
        });
        let held = held + self.weight_bytes;
        Budget {
            settings: self.model.settings(),
            device: &self.selected.device,
            precision: self.precision,
            tuning: self.tuned.table(),
            bytes: usable_bytes(&self.selected.device, self.memory_limit, held),
            refused: self.refused,
        }
    }

    fn is_loaded(&self, size: LrSize) -> bool {
        matches!(self.loaded, Some((loaded, _)) if loaded == size)
    }

    /// How an image is cut, and that its tiles fit. The tile's program is
    /// prepared, unless it is loaded.
    fn tiling(&mut self, size: [usize; 2], records: &[StepRecord]) -> Result<Tiling, UpscaleError> {
        let known = |size: LrSize| {
            let is_prepared = matches!(self.prepared, Some((known, _)) if known == size);
            is_prepared || self.is_loaded(size)
        };
        let (tiling, prepared) = self.budget().tiling(size, self.tile, records, &known)?;
        if let Some(prepared) = prepared {
            self.prepared = Some((tiling.tile(), prepared));
        }
        Ok(tiling)
    }

    /// Loads the program for an image of `size` or for its tiles, and computes
    /// its time tables. If the device refuses the memory, tiles get smaller.
    fn load(
        &mut self,
        size: [usize; 2],
        records: &[StepRecord],
        progress: OnProgress<'_>,
    ) -> Result<Tiling, UpscaleError> {
        loop {
            let tiling = match self.tiling(size, records) {
                Ok(tiling) => tiling,
                Err(error) => {
                    // There may be memory for the next image.
                    self.refused = None;
                    return Err(error);
                }
            };
            let tile = tiling.tile();
            if self.is_loaded(tile) {
                return Ok(tiling);
            }
            // The new program needs its memory.
            (self.loaded, self.holds_image) = (None, false);
            #[cfg(feature = "gpu")]
            if self.tune_first_use(tile, records.len() - 1, progress)? {
                // Other kernels may need other memory.
                self.prepared = None;
                continue;
            }
            notify(progress, Progress::Load)?;
            let prepared = match self.prepared.take() {
                Some((known, prepared)) if known == tile => prepared,
                _ => self.budget().prepare(tile)?,
            };
            let memory = prepared.memory();
            match self.open_program(prepared) {
                Ok(executor) => {
                    self.weight_bytes = memory.weight_bytes;
                    self.loaded = Some((tile, executor));
                    return Ok(tiling);
                }
                Err(ExecError::OutOfMemory { .. }) => self.refused = Some(tile[0] * tile[1]),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn open_program(&mut self, prepared: Prepared) -> Result<Box<dyn Executor>, ExecError> {
        let mut executor = self.backend.load_prepared(prepared)?;
        self.tuned.save_pipelines(&self.backend);
        let settings = self.model.settings();
        let sinusoids = time::sinusoidal_embedding(settings.timesteps, settings.hidden);
        executor.write(names::TIME, &sinusoids)?;
        executor.run(names::MODEL, steps::START)?;
        Ok(executor)
    }
}

/// Runs the program of an image in one piece. Nothing travels between host and
/// device between the steps. Without `lr`, it holds the encoded image.
fn whole(
    executor: &mut dyn Executor,
    records: &[StepRecord],
    lr: Option<Vec<f32>>,
    in_flight: usize,
    finish: &mut Finish<'_>,
    progress: OnProgress<'_>,
) -> Result<(), UpscaleError> {
    executor.set_records(records)?;
    if let Some(lr) = lr {
        notify(progress, Progress::Image)?;
        executor.write(names::LR, &lr)?;
        executor.run(names::IMAGE, steps::START)?;
        executor.run(names::CONDITION, steps::START)?;
    }
    executor.run(names::START, steps::START)?;
    executor.wait(0)?;
    sample_steps(executor, records.len() - 1, in_flight, progress)?;
    notify(progress, Progress::Finish)?;
    executor.run(names::FINISH, steps::START)?;
    let non_finite = executor.read(names::NON_FINITE)?;
    if non_finite.iter().any(|&count| count != 0.0) {
        finish.not_finite();
        return Ok(());
    }
    let shape = executor.shape(names::SR).expect("an output of the model");
    let planes = executor.read(names::SR)?;
    let planes = Planes {
        values: &planes,
        stride: shape.w,
        first: [0, 0],
    };
    finish.result(0, shape.h, &planes)
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
fn check(model: &Model, options: &UpscalerOptions) -> Result<(), UpscaleError> {
    let settings = model.settings();
    // The residual is clamped where it is added to the enlarged input. That
    // changes nothing if estimates of x_0 are clamped, too.
    if !settings.clip_input && !settings.clip_denoised {
        return Err(UpscaleError::Unclamped(model.file().to_owned()));
    }
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
