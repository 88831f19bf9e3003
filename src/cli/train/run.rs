//! The loop over the steps of a training, and what is written meanwhile.

use super::args::TrainArgs;
use super::failure::TrainFailure;
use super::report::{self, Line, Reporter};
use super::save;
use super::validate::Validator;
use crate::cli::failure::Failure;
use crate::cli::signals::Stop;
use crate::cli::terminal;
use srdiff::train::events::Events;
use srdiff::train::validation::ValidationError;
use srdiff::train::{OpenDevice, Session, Step};
use srdiff::upscale::UpscaleError;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Steps after each other whose gradients are not finite, after which a training gives
/// up: in f16, the first ones may be while their scale is found.
const MOST_SKIPPED: u64 = 50;

/// The longest time without saving.
const LONGEST: Duration = Duration::from_secs(600);

/// A training, and what is written while it goes.
pub struct Run<'a> {
    args: &'a TrainArgs,
    device: OpenDevice,
    stop: Stop,
    session: Session,
    reporter: Reporter,
    checkpoint: PathBuf,
    validator: Option<Validator>,
    events: Option<Events>,
    /// When it was saved last, and after which step.
    saved: Instant,
    saved_step: Option<u64>,
    /// Steps after each other that changed nothing.
    skipped: u64,
    /// Whether what was learnt may take the place of what was saved last.
    is_sound: bool,
}

impl<'a> Run<'a> {
    pub fn new(
        args: &'a TrainArgs,
        device: OpenDevice,
        stop: Stop,
        session: Session,
        checkpoint: PathBuf,
        validator: Option<Validator>,
        events: Option<Events>,
    ) -> Self {
        Self {
            args,
            device,
            stop,
            reporter: Reporter::new(&session, args.json, args.log),
            saved: Instant::now(),
            saved_step: args.resume.then(|| session.done()),
            session,
            checkpoint,
            validator,
            events,
            skipped: 0,
            is_sound: true,
        }
    }

    /// All steps that are left.
    pub fn train(mut self) -> Result<(), Failure> {
        // What a model can do before it is trained.
        if self.session.done() == 0 && !self.args.new {
            self.validate()?;
            self.reporter = Reporter::new(&self.session, self.args.json, self.args.log);
        }
        let result = self.steps();
        self.reporter.clear();
        // What was learnt is kept, if the device still gives it.
        let saved = match self.is_sound {
            true => self.save(),
            false => Ok(()),
        };
        result?;
        saved?;
        let step = self.session.done();
        if !self.session.is_done() {
            return Err(TrainFailure::Stopped {
                step,
                saved: self.saved_step,
                exit_code: self.stop.exit_code(),
            }
            .into());
        }
        if !self.is_sound {
            return Err(self.diverged());
        }
        match self.args.json {
            true => Ok(()),
            false => terminal::answer(&format!(
                "{}: {step} steps in {}\n",
                self.args.output.display(),
                report::duration(self.session.elapsed().as_secs_f64())
            )),
        }
    }

    fn steps(&mut self) -> Result<(), Failure> {
        while !self.session.is_done() && !self.stop.is_asked() {
            let step = self.session.step().map_err(TrainFailure::from)?;
            self.judge(&step);
            if self.skipped == MOST_SKIPPED {
                return Err(self.diverged());
            }
            if let Some(line) = self.reporter.step(&self.session, &step)? {
                self.add_events(&line);
            }
            let is_due = step.number.is_multiple_of(self.args.every);
            if is_due && self.is_sound {
                self.validate()?;
            }
            if self.is_sound && (is_due || self.saved.elapsed() >= LONGEST) {
                // The disk may have room again the next time.
                if let Err(failure) = self.save() {
                    let text = format!("note: {failure}; what was saved before is as it was");
                    self.reporter.note(&text);
                }
                self.reporter.pause_is_over(&self.session);
            } else if is_due {
                self.reporter
                    .note("note: not saved: the gradients are not finite");
            }
        }
        match self.session.is_done() && self.is_sound {
            true => self.validate(),
            false => Ok(()),
        }
    }

    /// Parameters whose gradients are not finite are worse than those that were saved
    /// last. In f16, gradients may be too large for their scale alone; then the losses
    /// are finite.
    fn judge(&mut self, step: &Step) {
        let report = &step.report;
        self.skipped = if report.skipped { self.skipped + 1 } else { 0 };
        let mut losses = [report.losses.denoiser, report.losses.encoder]
            .into_iter()
            .flatten();
        let is_scaled = self.session.trainer().progress().scale > 1.0;
        self.is_sound = !report.skipped || is_scaled && losses.all(f64::is_finite);
    }

    fn diverged(&self) -> Failure {
        TrainFailure::Diverged {
            step: self.session.done(),
            skipped: self.skipped,
            saved: self.saved_step,
        }
        .into()
    }

    /// Writes the checkpoint and the model file.
    fn save(&mut self) -> Result<(), Failure> {
        self.saved = Instant::now();
        save::save(self.args, &mut self.session, &self.checkpoint)?;
        self.saved_step = Some(self.session.done());
        Ok(())
    }

    /// Measures the averages; what goes wrong with that is told and no more, unless
    /// they give no numbers.
    fn validate(&mut self) -> Result<(), Failure> {
        match self.measure() {
            Err(failure) if is_not_finite(&failure) => {
                self.is_sound = false;
                let (step, saved) = (self.session.done(), self.saved_step);
                Err(TrainFailure::NoNumbers { step, saved }.into())
            }
            Err(failure) if !self.stop.is_asked() => {
                self.reporter
                    .note(&format!("note: not measured: {failure}"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn measure(&mut self) -> Result<(), Failure> {
        let Some(validator) = &mut self.validator else {
            return Ok(());
        };
        let step = self.session.done();
        if validator.measured_step() == Some(step) {
            return Ok(());
        }
        let [psnr, bicubic] = validator.measure(&mut self.session, &self.device, &self.stop)?;
        let text = format!("step {step}: PSNR-Y {psnr:.2} dB (bicubic {bicubic:.2} dB)");
        let json = serde_json::json!({
            "event": "validation", "step": step, "psnr_y": psnr, "bicubic_psnr_y": bicubic
        });
        self.reporter.tell(&text, &json)?;
        if let Some(events) = &mut self.events {
            let (size, png) = validator.shown();
            let written = events
                .scalars(step, &[("validation/psnr_y", psnr)])
                .and_then(|()| events.image(step, "validation/images", size, png));
            self.note_events(written);
        }
        Ok(())
    }

    fn add_events(&mut self, line: &Line) {
        let values = [
            ("loss/denoiser", line.loss_denoiser),
            ("loss/encoder", line.loss_encoder),
            ("gradient norm", line.norm),
            ("learning rate", Some(line.rate)),
            ("images per second", Some(line.images_per_second)),
        ];
        let values: Vec<(&str, f64)> = values
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        if let Some(events) = &mut self.events {
            let written = events.scalars(line.step, &values);
            self.note_events(written);
        }
    }

    /// Curves are not worth a training.
    fn note_events(&mut self, written: std::io::Result<()>) {
        if let (Err(error), Some(events)) = (written, &self.events) {
            let path = events.path().display();
            let text = format!("note: {path}: cannot be written ({error}); no more events");
            self.reporter.note(&text);
            self.events = None;
        }
    }
}

/// Whether a model gave no numbers.
fn is_not_finite(failure: &Failure) -> bool {
    let Failure::Train(failure) = failure else {
        return false;
    };
    let TrainFailure::Validation { error, .. } = &**failure else {
        return false;
    };
    matches!(
        error,
        ValidationError::Upscale(UpscaleError::NotFinite { .. })
    )
}
