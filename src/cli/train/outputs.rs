//! Where a training writes, and whether it may.

use super::args::TrainArgs;
use super::failure::TrainFailure;
use super::save;
use super::validate::{is_shown, picture_file};
use crate::cli::failure::Failure;
use crate::cli::places::{Places, check_place};
use srdiff::atomic_file;
use srdiff::image::ImageError;
use srdiff::train::Checkpoint;
use std::path::{Path, PathBuf};

pub fn checkpoint_file(args: &TrainArgs) -> PathBuf {
    let beside = || args.output.with_extension("checkpoint");
    args.checkpoint.clone().unwrap_or_else(beside)
}

/// The checkpoint to go on from. Checks, too, that nothing is overwritten that
/// nobody gave up, and that all files can be written.
pub fn open_checkpoint(args: &TrainArgs, file: &Path) -> Result<Option<Checkpoint>, Failure> {
    let picture = args.validate.as_ref().map(|_| picture_file(args));
    check_apart(args, file, picture.as_deref())?;
    if let Some(folder) = &args.events {
        let of_folder = |error: ImageError| {
            Failure::Output(ImageError {
                file: folder.clone(),
                ..error
            })
        };
        check_place(&folder.join("events")).map_err(of_folder)?;
    }
    // Anything else in its place is told when it is drawn, and ends no training.
    if let Some(picture) = picture.filter(|file| file.is_file() && !is_shown(file)) {
        save::check(&picture, args.force)?;
    }
    if args.resume {
        if !file.exists() {
            return Err(TrainFailure::NoCheckpoint(file.to_owned()).into());
        }
        let checkpoint = Checkpoint::open(file).map_err(TrainFailure::from)?;
        save::check(&args.output, true)?;
        if !args.force && args.output.exists() && !save::is_trained(&args.output) {
            return Err(TrainFailure::NotTrained(args.output.clone()).into());
        }
        save::check(file, true)?;
        return Ok(Some(checkpoint));
    }
    save::check(&args.output, args.force)?;
    match atomic_file::check(file, args.force) {
        Err(atomic_file::Fault::Exists) => {
            Err(TrainFailure::CheckpointExists(file.to_owned()).into())
        }
        _ => save::check(file, args.force).map(|()| None),
    }
}

/// Refuses a checkpoint in the place of another output.
fn check_apart(args: &TrainArgs, file: &Path, picture: Option<&Path>) -> Result<(), Failure> {
    let mut places = Places::default();
    let place = places.of(file);
    let what = if place == places.of(&args.output) {
        "the model file"
    } else if picture.is_some_and(|picture| places.of(picture) == place) {
        "the picture of --validate"
    } else {
        return Ok(());
    };
    let text = format!(
        "--checkpoint {}: is {what}, too; give another name",
        file.display()
    );
    Err(Failure::Usage(text))
}
