//! What is written while a training runs: the checkpoint and the model file.

use super::TrainFailure;
use super::args::TrainArgs;
use super::distill::Lesson;
use crate::cli::failure::Failure;
use srdiff::image::check_writable;
use srdiff::model::Weights;
use srdiff::model::convert::{self, ConvertOptions, assemble};
use srdiff::train::{Decay, Session, stage_name};
use std::path::Path;

/// Where the files of trainings are from, as they say themselves.
pub const SOURCE: &str = "srdiff train";

/// Whether a file is a model that a training has made.
pub fn is_trained(file: &Path) -> bool {
    Weights::open(file).is_ok_and(|weights| weights.metadata("source") == Some(SOURCE))
}

/// Checks that a file can be written.
pub fn check(file: &Path, overwrite: bool) -> Result<(), Failure> {
    check_writable(file, overwrite).map_err(Failure::Output)
}

/// Writes the checkpoint, and the averages as a model file. Whether they may be
/// overwritten was checked in the beginning.
pub fn save(args: &TrainArgs, session: &mut Session, checkpoint: &Path) -> Result<(), Failure> {
    let saved = session.checkpoint().map_err(TrainFailure::from)?;
    saved.save(checkpoint).map_err(TrainFailure::from)?;
    let base = session.model().clone();
    let averages = session.averages().map_err(TrainFailure::from)?;
    let options = ConvertOptions {
        float_type: Some(args.float_type.into()),
        license: match &args.license {
            Some(license) => Some(license.clone()),
            None => base.license().map(str::to_owned),
        },
        training: Some(description(args, session)),
        source: Some(SOURCE.to_owned()),
        ..ConvertOptions::default()
    };
    let label = args.output.display().to_string();
    let model = assemble(&label, base.settings(), &averages, &options)?;
    Ok(convert::save(&model, &args.output, true)?)
}

/// How the model was trained.
fn description(args: &TrainArgs, session: &Session) -> String {
    let names: Vec<String> = (args.photos.iter())
        .map(|path| path.file_name().unwrap_or(path.as_os_str()))
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let options = session.options();
    let before = session.model().training();
    let mut text = format!(
        "{}srdiff {} train: {} images of {}; {}, {} steps of {} patches of {p}x{p}; rate {:e}, {}; averages of {}",
        before.map_or(String::new(), |text| format!("{text}; then ")),
        env!("CARGO_PKG_VERSION"),
        session.batches().photos().len(),
        names.join(", "),
        stage_name(options.trainer.stage),
        session.done(),
        usize::from(args.batch) * usize::from(args.accumulate),
        args.rate,
        match args.decay {
            Decay::Constant => "constant".to_owned(),
            Decay::Cosine => "cosine".to_owned(),
            Decay::Step(None) => "halved three times".to_owned(),
            Decay::Step(Some(every)) => format!("halved every {every} steps"),
        },
        args.average,
        p = args.patch,
    );
    if let Some(distillation) = &session.batches().options().distillation {
        text += &format!("; {}", Lesson::description(args, distillation));
    }
    let means = session.means();
    for (name, mean) in [("denoiser", means.denoiser), ("encoder", means.encoder)] {
        if let Some(loss) = mean.mean() {
            text += &format!("; loss of the {name} {loss:.4}");
        }
    }
    match session.measured() {
        Some((step, measured)) if *step == session.done() => text += &format!("; {measured}"),
        Some((step, measured)) => text += &format!("; at step {step} {measured}"),
        None => {}
    }
    text
}
