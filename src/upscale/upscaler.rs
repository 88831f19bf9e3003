//! A model loaded on a device, which upscales images.

use super::budget::usable_bytes;
use super::device::{CpuSummary, Device, PrecisionChoice};
use super::memory::Budget;
use super::reverse::{OnProgress, Progress, SampleOptions, notify, sample_steps};
use super::select::{DeviceChoice, Selected, select};
use super::{UpscaleError, steps};
use crate::exec::gpu::list_adapters;
#[cfg(feature = "gpu")]
use crate::exec::gpu::{Gpu, GpuOptions};
use crate::exec::{Backend, ExecError, Executor, Prepared, StepRecord};
use crate::image::{Picture, picture_from_planes, planes_padded};
use crate::model::{Model, names, time};
use crate::plan::Precision;
use std::sync::Arc;

/// Steps queued on a GPU: enough that it never waits, few enough that progress
/// is accurate and cancelling is quick.
const STEPS_IN_FLIGHT: usize = 2;

#[derive(Clone, Debug, Default)]
pub struct UpscalerOptions {
    pub device: DeviceChoice,
    pub precision: PrecisionChoice,
    /// Bytes of memory that may be used. By default, the free memory of the
    /// system, and all memory of a discrete GPU.
    pub memory_limit: Option<u64>,
}

/// A model on a device.
///
/// The program for the last image's size stays loaded, so the next image of
/// that size loads nothing. Weights and compiled kernels serve all sizes.
pub struct Upscaler {
    model: Arc<Model>,
    selected: Selected,
    precision: Precision,
    /// Whether to switch to f32 if the model exceeds the range of f16.
    falls_back: bool,
    memory_limit: Option<u64>,
    backend: Backend,
    /// What was checked last.
    prepared: Option<(LrSize, Prepared)>,
    /// The program on the device, its time tables computed.
    loaded: Option<(LrSize, Box<dyn Executor>)>,
    /// Bytes of packed weights that the backend keeps.
    weight_bytes: u64,
}

/// Padded LR width and height.
type LrSize = (usize, usize);

impl Upscaler {
    /// Chooses the device and opens it.
    ///
    /// # Errors
    /// When the device is missing, fails or lacks the precision, or the model
    /// has settings that are not supported.
    pub fn new(model: Model, options: &UpscalerOptions) -> Result<Self, UpscaleError> {
        let settings = model.settings();
        // The residual is clamped where it is added to the enlarged input. That
        // changes nothing if estimates of x_0 are clamped, too.
        if !settings.clip_input && !settings.clip_denoised {
            return Err(UpscaleError::Unclamped(model.file().to_owned()));
        }
        let adapters = match options.device {
            DeviceChoice::Cpu => Vec::new(),
            _ => list_adapters(),
        };
        let selected = select(&options.device, &adapters, CpuSummary::of_this_machine)?;
        let precision = selected.device.precision(options.precision)?;
        let model = Arc::new(model);
        Ok(Self {
            backend: open(&selected.device, precision, &model)?,
            model,
            selected,
            precision,
            falls_back: options.precision == PrecisionChoice::Auto,
            memory_limit: options.memory_limit,
            prepared: None,
            loaded: None,
            weight_bytes: 0,
        })
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    pub fn selected(&self) -> &Selected {
        &self.selected
    }

    /// How feature maps and weights are stored. With [`PrecisionChoice::Auto`]
    /// it changes to f32 when the model exceeds the range of f16.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The program for an image of `width` x `height`, whether it fits or not.
    ///
    /// # Errors
    /// When the model's graph cannot be planned: a fault of this library.
    pub fn prepare(&self, width: usize, height: usize) -> Result<Prepared, UpscaleError> {
        self.budget().prepare(width, height)
    }

    /// Checks, without any work, that an image of `width` x `height` fits the
    /// device and that the model can be sampled with these options.
    ///
    /// # Errors
    /// When it does not fit, or the steps or the sampler are out of range.
    pub fn check(
        &mut self,
        width: usize,
        height: usize,
        sample: &SampleOptions,
    ) -> Result<(), UpscaleError> {
        steps::records(self.model.settings(), sample)?;
        let size = self.padded(width, height);
        let is_prepared = matches!(self.prepared, Some((known, _)) if known == size);
        if !is_prepared && !self.is_loaded(size) {
            self.prepared = Some((size, self.prepare_to_fit(width, height)?));
        }
        Ok(())
    }

    /// Upscales an image by the model's scale.
    ///
    /// Sides that the model cannot process are padded by reflection and the
    /// result is cropped. Alpha is enlarged bicubically, the colour profile is
    /// kept, and a grey image stays grey. With [`PrecisionChoice::Auto`], a model
    /// that exceeds the range of f16 is run again in f32, and progress restarts.
    ///
    /// # Errors
    /// As [`check`](Self::check), and when the image's buffers do not fit its
    /// size, the device fails, the result is not finite, or `progress` cancels.
    /// The upscaler can still be used afterwards.
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
                (self.loaded, self.prepared, self.weight_bytes) = (None, None, 0);
                self.precision = Precision::F32;
                self.backend = open(&self.selected.device, self.precision, &self.model)?;
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
        let size = self.padded(width, height);
        if !self.is_loaded(size) {
            // The new program needs its memory.
            self.loaded = None;
            notify(progress, Progress::Load)?;
            self.loaded = Some((size, self.load(width, height)?));
        }
        let result = self.run(picture, &records, progress);
        if matches!(result, Err(UpscaleError::Exec(_))) {
            // The executor may be in any state.
            self.loaded = None;
        }
        result
    }

    /// Runs the loaded program.
    fn run(
        &mut self,
        picture: &Picture,
        records: &[StepRecord],
        progress: OnProgress<'_>,
    ) -> Result<Picture, UpscaleError> {
        let ((width, height), executor) = self.loaded.as_mut().expect("loaded by the caller");
        executor.set_records(records)?;
        notify(progress, Progress::Image)?;
        executor.write(names::LR, &planes_padded(picture, *width, *height))?;
        executor.run(names::IMAGE, steps::START)?;
        executor.run(names::START, steps::START)?;
        executor.wait(0)?;
        let in_flight = match self.selected.device {
            // A run is done when it returns.
            Device::Cpu(_) => 0,
            Device::Gpu(_) => STEPS_IN_FLIGHT,
        };
        sample_steps(&mut **executor, records.len() - 1, in_flight, progress)?;
        notify(progress, Progress::Finish)?;
        executor.run(names::FINISH, steps::START)?;
        let non_finite = executor.read(names::NON_FINITE)?;
        if non_finite.iter().any(|&count| count != 0.0) {
            return Err(UpscaleError::NotFinite {
                device: self.selected.device.to_string(),
                precision: self.precision,
            });
        }
        let planes = executor.read(names::SR)?;
        let scale = self.model.settings().scale;
        Ok(picture_from_planes(&planes, scale * *width, picture, scale))
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
            bytes: usable_bytes(&self.selected.device, self.memory_limit, held),
        }
    }

    fn padded(&self, width: usize, height: usize) -> LrSize {
        let settings = self.model.settings();
        (
            settings.padded_lr_side(width),
            settings.padded_lr_side(height),
        )
    }

    fn is_loaded(&self, size: LrSize) -> bool {
        matches!(self.loaded, Some((loaded, _)) if loaded == size)
    }

    fn prepare_to_fit(&self, width: usize, height: usize) -> Result<Prepared, UpscaleError> {
        let budget = self.budget();
        let prepared = budget.prepare(width, height)?;
        budget.check(&prepared, width, height)?;
        Ok(prepared)
    }

    /// Loads the program for a size and computes its time tables.
    fn load(&mut self, width: usize, height: usize) -> Result<Box<dyn Executor>, UpscaleError> {
        let size = self.padded(width, height);
        let prepared = match self.prepared.take() {
            Some((known, prepared)) if known == size => prepared,
            _ => self.prepare_to_fit(width, height)?,
        };
        let memory = prepared.memory();
        let executor = self.backend.load_prepared(prepared);
        let mut executor = executor.map_err(|error| match error {
            ExecError::OutOfMemory { .. } => {
                self.budget().refused(memory.total_bytes(), width, height)
            }
            error => error.into(),
        })?;
        self.weight_bytes = memory.weight_bytes;
        let settings = self.model.settings();
        let sinusoids = time::sinusoidal_embedding(settings.timesteps, settings.hidden);
        executor.write(names::TIME, &sinusoids)?;
        executor.run(names::MODEL, steps::START)?;
        Ok(executor)
    }
}

fn open(
    device: &Device,
    precision: Precision,
    model: &Arc<Model>,
) -> Result<Backend, UpscaleError> {
    match device {
        Device::Cpu(_) => Ok(Backend::cpu(model.clone())),
        #[cfg(feature = "gpu")]
        Device::Gpu(adapter) => {
            let gpu = Gpu::open(adapter.index, GpuOptions::default())?;
            Ok(Backend::gpu(Arc::new(gpu), precision, model.clone()))
        }
        #[cfg(not(feature = "gpu"))]
        Device::Gpu(adapter) => Err(UpscaleError::Exec(ExecError::Device {
            device: format!("{} in {precision}", adapter.name),
            reason: "this build has no GPU executor".to_owned(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Target;
    use std::ops::ControlFlow;

    /// A mark in the program that was checked shows that it is the one loaded.
    #[test]
    fn an_image_that_was_checked_is_not_prepared_again() {
        let options = UpscalerOptions {
            device: DeviceChoice::Cpu,
            ..UpscalerOptions::default()
        };
        let mut upscaler = Upscaler::new(Model::starter(), &options).unwrap();
        let mut sample = SampleOptions::seeded(upscaler.model().settings(), 1);
        sample.steps = 1;
        upscaler.check(4, 4, &sample).unwrap();
        let (size, prepared) = upscaler.prepared.take().unwrap();
        let mut program = prepared.program().clone();
        program.memory.host_bytes += 1;
        let marked = program.memory.host_bytes;
        upscaler.prepared = Some((size, Target::cpu().lower(program).unwrap()));

        upscaler.check(4, 4, &sample).unwrap();
        let image = Picture::new(4, 4, vec![128; 48]);
        for _ in 0..2 {
            let result = upscaler.upscale(&image, &sample, &mut |_| ControlFlow::Continue(()));
            result.unwrap();
            upscaler.check(4, 4, &sample).unwrap();
            let (_, executor) = upscaler.loaded.as_ref().unwrap();
            assert_eq!(executor.memory().host_bytes, marked);
            assert!(upscaler.prepared.is_none());
        }
    }
}
