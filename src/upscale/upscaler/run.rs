//! An image on the program that is loaded for it.

use super::super::consistency::Consistency;
use super::super::device::Device;
use super::super::finish::{Findings, Finish, OnRows};
use super::super::progress::{OnProgress, Progress, notify};
use super::super::reverse::sample_steps;
use super::super::sample_options::SampleOptions;
use super::super::tiled::{Held, Start, Tiled};
use super::super::tiling::MARGIN;
use super::super::{UpscaleError, steps};
use super::{Report, Upscaler};
use crate::exec::{ExecError, Executor, StepRecord};
use crate::image::{Colors, Picture, Planes};
use crate::model::names;
use rayon::prelude::*;

/// Submits of steps queued on a GPU: enough that it never waits, few enough that
/// progress is accurate and cancelling is quick.
const STEPS_IN_FLIGHT: usize = 2;

impl Upscaler {
    /// Upscales an image, where `edited` is given from an image of the result's
    /// size and with that part of the process alone.
    pub(super) fn upscale_from(
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
        let held = Held::new(&records, sample, edited.is_some());
        let tiling = self.load([picture.width, picture.height], &held, progress)?;
        let model = self.model.clone();
        let settings = model.settings();
        // Not there while it runs: after an error or a panic it may be in any state.
        let (tile, mut loaded) = self.loaded.take().expect("just loaded");
        let executor = &mut *loaded;
        let start = edited.map(|(colors, _)| Start { colors, parts });
        let run = || -> Result<Findings, UpscaleError> {
            let mut finish = Finish::new(settings, picture, colors, rows)?;
            if !held.has_canvas(&tiling) {
                let in_flight = match self.selected.device {
                    // A run is done when it returns.
                    Device::Cpu(_) => 0,
                    Device::Gpu(_) => STEPS_IN_FLIGHT,
                };
                let margin = MARGIN as isize;
                let lr = match self.holds_image == Some(sample.border) {
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
        let holds_image = result.is_ok() && tiling.count() == 1;
        self.holds_image = holds_image.then_some(sample.border);
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
            tiles: tiling.tiles(),
            retried: Vec::new(),
        })
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
    let deviation = records[steps::START].sigma;
    if deviation != 1.0 {
        let mut x = executor.read(names::X)?;
        x.par_iter_mut().for_each(|x| *x *= deviation);
        executor.write(names::X, &x)?;
    }
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
