//! What is written while a training runs: the checkpoint and the model file.

use super::TrainFailure;
use super::args::TrainArgs;
use super::report::Reporter;
use crate::cli::args::FloatFormat;
use crate::cli::failure::Failure;
use crate::cli::terminal;
use srdiff::image::check_writable;
use srdiff::model::FloatType;
use srdiff::model::convert::{ConvertOptions, assemble, save};
use srdiff::train::{Session, stage_name};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest time without saving.
const LONGEST: Duration = Duration::from_secs(600);

/// Checks that a file can be written.
pub fn check(file: &Path, overwrite: bool) -> Result<(), Failure> {
    check_writable(file, overwrite).map_err(Failure::Output)
}

pub struct Saver<'a> {
    args: &'a TrainArgs,
    checkpoint: PathBuf,
    last: Instant,
}

impl<'a> Saver<'a> {
    pub fn new(args: &'a TrainArgs, checkpoint: PathBuf) -> Self {
        Self {
            args,
            checkpoint,
            last: Instant::now(),
        }
    }

    /// Whether it was long ago.
    pub fn is_due(&self) -> bool {
        self.last.elapsed() >= LONGEST
    }

    /// As [`save`](Self::save); when that fails, there is time until the next try.
    pub fn save_and_go_on(&mut self, session: &mut Session, reporter: &Reporter) {
        if let Err(failure) = self.save(session, reporter) {
            let text = format!("note: {failure}; what was saved before is as it was");
            terminal::status(&text);
        }
        self.last = Instant::now();
    }

    /// Writes the checkpoint, and the averages as a model file.
    pub fn save(&self, session: &mut Session, reporter: &Reporter) -> Result<(), Failure> {
        let checkpoint = session.checkpoint().map_err(TrainFailure::from)?;
        checkpoint
            .save(&self.checkpoint)
            .map_err(TrainFailure::from)?;
        let base = session.model().clone();
        let averages = session.averages().map_err(TrainFailure::from)?;
        let options = ConvertOptions {
            float_type: Some(match self.args.float_type {
                FloatFormat::F32 => FloatType::F32,
                FloatFormat::F16 => FloatType::F16,
                FloatFormat::Bf16 => FloatType::Bf16,
            }),
            license: match &self.args.license {
                Some(license) => Some(license.clone()),
                None => base.license().map(str::to_owned),
            },
            training: Some(self.description(session, reporter)),
            source: Some("srdiff train".to_owned()),
            ..ConvertOptions::default()
        };
        let label = self.args.output.display().to_string();
        let model = assemble(&label, base.settings(), &averages, &options)?;
        // Whether it may be overwritten was checked in the beginning.
        Ok(save(&model, &self.args.output, true)?)
    }

    /// How the model was trained.
    fn description(&self, session: &Session, reporter: &Reporter) -> String {
        let args = self.args;
        let names: Vec<String> = (args.photos.iter())
            .map(|path| path.file_name().unwrap_or(path.as_os_str()))
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        let options = session.options();
        let accumulated = match args.accumulate {
            1 => String::new(),
            count => format!("{count} x "),
        };
        let mut text = format!(
            "srdiff train: {} images of {}; {}, {} steps of {accumulated}{} patches of {p}x{p}, rate {:e}",
            session.batches().photos().len(),
            names.join(", "),
            stage_name(options.trainer.stage),
            session.done(),
            args.batch,
            args.rate,
            p = args.patch,
        );
        let losses = ["noise", "encoder"].into_iter().zip(reporter.losses());
        for (name, loss) in losses {
            if let Some(loss) = loss {
                text += &format!("; loss of the {name} {loss:.4}");
            }
        }
        text
    }
}
