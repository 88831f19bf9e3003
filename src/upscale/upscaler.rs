//! A model loaded on a device, and the reverse process over a picture.

use super::budget::budget;
use super::device::{CpuSummary, Device, PrecisionChoice};
use super::memory::{self, Target};
use super::reverse::{OnProgress, Progress, SampleOptions, notify, run, sample_steps};
use super::select::{DeviceChoice, Selected, select};
use super::{UpscaleError, steps};
use crate::exec::cpu::CpuExecutor;
use crate::exec::gpu::{Gpu, GpuExecutor, GpuOptions, list_adapters};
use crate::exec::{ExecError, Executor};
use crate::graph::{Precision, Program};
use crate::image::Picture;
use crate::image::planes::{picture_from_planes, planes_padded};
use crate::model::{Model, names, time};
use std::sync::Arc;

/// Steps that a GPU may have before it while the next is asked for: enough
/// that it never waits, few enough that progress is honest and a cancel is
/// quick.
const STEPS_IN_FLIGHT: usize = 2;

/// How an [`Upscaler`] is made.
#[derive(Clone, Debug, Default)]
pub struct UpscalerOptions {
    /// Which device runs.
    pub device: DeviceChoice,
    /// How reals are stored.
    pub precision: PrecisionChoice,
    /// Bytes of memory that may be used, believed as given; none: what the
    /// system has to spare,
    /// and on a GPU with memory of its own, what that has.
    pub memory_limit: Option<u64>,
}

/// A model on a device.
///
/// The program of the last picture's size stays loaded, so that further
/// pictures of that size cost no loading.
pub struct Upscaler {
    model: Model,
    selected: Selected,
    precision: Precision,
    /// Whether f16 gives way to f32 where the model exceeds its range.
    falls_back: bool,
    memory_limit: Option<u64>,
    gpu: Option<Arc<Gpu>>,
    loaded: Option<Loaded>,
}

/// A program on the device, its time tables computed.
struct Loaded {
    /// Padded LR width and height.
    size: (usize, usize),
    /// Memory that it holds.
    bytes: u64,
    executor: Box<dyn Executor + Send>,
}

impl Upscaler {
    /// Chooses the device and opens it.
    ///
    /// # Errors
    /// When there is no such device or its driver fails, it lacks the
    /// precision asked for, or the model has settings that cannot be honoured.
    pub fn new(model: Model, options: &UpscalerOptions) -> Result<Self, UpscaleError> {
        let settings = model.settings();
        // The residual is clamped where it is added to the enlargement. With
        // clipped estimates of x_0 that changes nothing, so only a model that
        // wants neither is out of reach.
        if !settings.clip_input && !settings.clip_denoised {
            return Err(UpscaleError::Unclamped(model.file().to_owned()));
        }
        let adapters = match options.device {
            DeviceChoice::Cpu => Vec::new(),
            _ => list_adapters(),
        };
        let selected = select(&options.device, &adapters, CpuSummary::of_this_machine)?;
        let precision = selected.device.precision(options.precision)?;
        let gpu = match &selected.device {
            Device::Cpu(_) => None,
            Device::Gpu(adapter) => {
                Some(Arc::new(Gpu::open(adapter.index, GpuOptions::default())?))
            }
        };
        Ok(Self {
            model,
            selected,
            precision,
            falls_back: options.precision == PrecisionChoice::Auto,
            memory_limit: options.memory_limit,
            gpu,
            loaded: None,
        })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The device that runs, and why.
    pub fn selected(&self) -> &Selected {
        &self.selected
    }

    /// How reals are stored. Where [`PrecisionChoice::Auto`] chose f16 and the
    /// model turned out to exceed its range, f32 from then on.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The program that would run for a picture of `width` x `height`.
    ///
    /// # Errors
    /// When the model's graph cannot be planned: a fault of this library.
    pub fn program(&self, width: usize, height: usize) -> Result<Program, UpscaleError> {
        self.target().program(width, height)
    }

    /// Checks, without any work, that a picture of `width` x `height` fits
    /// the device and that the model can be sampled like this.
    ///
    /// # Errors
    /// When it does not fit, or the steps or the sampler are out of range.
    pub fn check(
        &self,
        width: usize,
        height: usize,
        sample: &SampleOptions,
    ) -> Result<(), UpscaleError> {
        steps::records(self.model.settings(), sample)?;
        if self.is_loaded(width, height) {
            return Ok(());
        }
        let target = self.target();
        target.check(&target.program(width, height)?, width, height)
    }

    /// Upscales a picture by the model's scale.
    ///
    /// A side that the model cannot work on is padded by reflection and the
    /// result cropped. Opacity is enlarged bicubically, the colour profile
    /// carried over, and a gray picture stays gray.
    ///
    /// # Errors
    /// As [`check`](Self::check), and when the picture's buffers are not of
    /// its size, the device fails, the result is not finite, or `progress`
    /// cancels. Afterwards the upscaler can be used again.
    ///
    /// Where the precision was left open and f16 is too small for the model,
    /// all is done again in f32, and progress starts again.
    pub fn upscale(
        &mut self,
        picture: &Picture,
        sample: &SampleOptions,
        progress: OnProgress<'_>,
    ) -> Result<Picture, UpscaleError> {
        match self.upscale_once(picture, sample, progress) {
            Err(UpscaleError::NotFinite { .. })
                if self.falls_back && self.precision == Precision::F16 =>
            {
                self.precision = Precision::F32;
                self.upscale_once(picture, sample, progress)
            }
            result => result,
        }
    }

    fn upscale_once(
        &mut self,
        picture: &Picture,
        sample: &SampleOptions,
        progress: OnProgress<'_>,
    ) -> Result<Picture, UpscaleError> {
        let (width, height) = (picture.width, picture.height);
        if !picture.is_consistent() {
            return Err(UpscaleError::Picture { width, height });
        }
        let records = steps::records(self.model.settings(), sample)?;
        let (width, height) = self.padded(width, height);

        // Only what comes through whole is used again: a run that failed may
        // have left NaN in the state, which no coefficient of zero removes.
        let mut loaded = match self.loaded.take() {
            Some(loaded) if loaded.size == (width, height) => loaded,
            other => {
                // Its memory is needed for the new one.
                drop(other);
                notify(progress, Progress::Load)?;
                self.load(picture.width, picture.height)?
            }
        };
        let executor = &mut *loaded.executor;
        executor.set_steps(&records)?;

        notify(progress, Progress::Image)?;
        let planes = planes_padded(picture, width, height);
        executor.write_pixels(names::LR, &packed(&planes))?;
        run(executor, names::IMAGE, steps::START)?;
        run(executor, names::START, steps::START)?;
        executor.wait(0)?;

        let in_flight = match self.selected.device {
            // It is done when a run returns.
            Device::Cpu(_) => 0,
            Device::Gpu(_) => STEPS_IN_FLIGHT,
        };
        sample_steps(executor, records.len() - 1, in_flight, progress)?;

        notify(progress, Progress::Finish)?;
        run(executor, names::FINISH, steps::START)?;
        let pixels = executor.read_pixels(names::PICTURE)?;
        // NaN is black in a picture's colours; its opacity tells.
        if pixels.iter().any(|pixel| pixel >> 24 == 0) {
            return Err(self.not_finite());
        }
        let scale = self.model.settings().scale;
        self.loaded = Some(loaded);
        let planes = unpacked(&pixels);
        Ok(picture_from_planes(&planes, scale * width, picture, scale))
    }

    fn target(&self) -> Target<'_> {
        Target {
            settings: self.model.settings(),
            device: &self.selected.device,
            precision: self.precision,
            budget: budget(
                &self.selected.device,
                self.memory_limit,
                // Dropped before another is loaded.
                self.loaded.as_ref().map_or(0, |loaded| loaded.bytes),
            ),
        }
    }

    fn padded(&self, width: usize, height: usize) -> (usize, usize) {
        let settings = self.model.settings();
        (
            settings.padded_lr_side(width),
            settings.padded_lr_side(height),
        )
    }

    fn is_loaded(&self, width: usize, height: usize) -> bool {
        let size = self.padded(width, height);
        self.loaded.as_ref().is_some_and(|l| l.size == size)
    }

    /// Loads the program of a size and computes its time tables.
    fn load(&self, width: usize, height: usize) -> Result<Loaded, UpscaleError> {
        let target = self.target();
        let program = target.program(width, height)?;
        target.check(&program, width, height)?;
        let bytes = memory::held_bytes(&program);
        let refused = |error| match error {
            ExecError::OutOfMemory { .. } => match target.program(width, height) {
                Ok(program) => target.refused(&program, width, height),
                Err(error) => error,
            },
            error => error.into(),
        };
        let mut executor: Box<dyn Executor + Send> = match &self.gpu {
            Some(gpu) => {
                let executor = GpuExecutor::new(Arc::clone(gpu), program, &self.model);
                Box::new(executor.map_err(refused)?)
            }
            None => Box::new(CpuExecutor::new(program, &self.model).map_err(refused)?),
        };
        let settings = self.model.settings();
        let sinusoids = time::sinusoidal_embedding(settings.timesteps, settings.hidden);
        executor.write(names::TIME, &sinusoids)?;
        run(&mut *executor, names::MODEL, steps::START)?;
        Ok(Loaded {
            size: self.padded(width, height),
            bytes,
            executor,
        })
    }

    fn not_finite(&self) -> UpscaleError {
        let (precision, advice) = match self.precision {
            Precision::F16 => (
                "f16",
                "this model exceeds the range of f16, so use --precision f32",
            ),
            Precision::F32 => ("f32", "the model is damaged, so use another"),
        };
        UpscaleError::NotFinite {
            device: self.selected.device.to_string(),
            precision,
            advice,
        }
    }
}

/// Planes of [0, 1] as pixels: R, G, B, 255 from the lowest byte.
fn packed(planes: &[f32]) -> Vec<u32> {
    let size = planes.len() / 3;
    let byte = |value: f32| (value * 255.0).round() as u8;
    let pixel = |at: usize| {
        let [r, g, b] = [0, 1, 2].map(|channel| byte(planes[channel * size + at]));
        u32::from_le_bytes([r, g, b, 255])
    };
    (0..size).map(pixel).collect()
}

/// Pixels as planes of [-1, 1].
fn unpacked(pixels: &[u32]) -> Vec<f32> {
    let level = |byte: u8| f32::from(byte) / 127.5 - 1.0;
    let plane = |channel: usize| pixels.iter().map(move |p| level(p.to_le_bytes()[channel]));
    (0..3).flat_map(plane).collect()
}
