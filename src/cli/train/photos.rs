//! The photos of a training.

use super::args::TrainArgs;
use super::failure::{TrainFailure, with_full_size};
use super::outputs::checkpoint_file;
use super::validate::{is_shown, picture_file};
use crate::cli::failure::Failure;
use crate::cli::places::Kept;
use crate::cli::progress::image_bar;
use crate::cli::signals::Stop;
use crate::cli::terminal;
use indicatif::ProgressBar;
use srdiff::atomic_file::Identity;
use srdiff::model::Settings;
use srdiff::train::OpenDevice;
use srdiff::train::data::{PhotoOptions, Photos, Skipped, find_images};
use std::path::{Path, PathBuf};
use std::slice;

/// The files that are meant.
pub struct Found {
    /// To learn from.
    photos: Vec<PathBuf>,
    /// To measure with.
    pub held: Vec<PathBuf>,
    /// How many of the photos are to measure with.
    shared: usize,
}

/// Looks for the photos. Checks, too, that none of them is written over.
pub fn find(args: &TrainArgs) -> Result<Found, Failure> {
    let mut photos = find_images(&args.photos).map_err(TrainFailure::from)?;
    let held = args.validate.as_ref().map(slice::from_ref);
    let mut held = find_images(held.unwrap_or_default()).map_err(TrainFailure::from)?;
    // What was measured with photos may lie among them.
    let picture = picture_file(args);
    if let Some(shown) = Identity::of(&picture).filter(|_| is_shown(&picture)) {
        let is_photo = |path: &PathBuf| Identity::of(path).as_ref() != Some(&shown);
        photos.retain(is_photo);
        held.retain(is_photo);
    }
    let kept = Kept::new(photos.iter().chain(&held).map(PathBuf::as_path));
    kept.check("-o", &args.output)?;
    kept.check("--checkpoint", &checkpoint_file(args))?;
    if args.validate.is_some() {
        kept.check("-o", &picture)?;
    }
    let found = photos.len();
    if let Some(folder) = &args.validate {
        let is_held = within(folder);
        photos.retain(|path| !is_held(path));
        if photos.is_empty() && found > 0 {
            let folder = folder.display();
            let text = format!("--validate {folder}: holds all of the photos; give another folder");
            return Err(Failure::Usage(text));
        }
    }
    Ok(Found {
        shared: found - photos.len(),
        photos,
        held,
    })
}

/// Whether a path is of a folder.
fn within(folder: &Path) -> impl Fn(&Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    let folder = real(folder);
    move |path| {
        let pair = folder.as_ref().zip(real(path));
        pair.is_some_and(|(folder, path)| path.starts_with(folder))
    }
}

/// The photos to learn from. The trainer will take `needed` bytes of the device.
pub fn load(
    args: &TrainArgs,
    found: &Found,
    settings: &Settings,
    device: &OpenDevice,
    needed: u64,
    stop: &Stop,
) -> Result<Photos, Failure> {
    if let (Some(folder), count @ 1..) = (&args.validate, found.shared) {
        let folder = folder.display();
        terminal::status(&format!(
            "note: {count} of the photos are for --validate {folder}, and nothing is learnt from them"
        ));
    }
    let options = PhotoOptions {
        scale: settings.scale,
        least_side: args.patch,
        halve: !args.full_size,
        memory: match args.photo_memory {
            Some(mib) => mib.saturating_mul(1 << 20),
            None if device.uses_host_memory() => device.host_memory().saturating_sub(needed) / 2,
            None => device.host_memory() / 2,
        },
    };
    let bar = match args.json {
        true => ProgressBar::hidden(),
        false => image_bar(found.photos.len()),
    };
    let loaded = Photos::load(&found.photos, options, &|| {
        bar.inc(1);
        stop.flow()
    });
    bar.finish_and_clear();
    if stop.is_asked() {
        let exit_code = stop.exit_code();
        return Err(TrainFailure::NotStarted { exit_code }.into());
    }
    let (photos, skipped) = loaded.map_err(TrainFailure::from)?;
    note_skipped(&skipped);
    match photos.not_kept() {
        0 => {}
        count => terminal::status(&format!(
            "note: {count} images do not fit --photo-memory and are decoded again whenever they are drawn"
        )),
    }
    Ok(photos)
}

pub fn note_skipped(skipped: &[Skipped]) {
    for Skipped { path, reason } in skipped {
        let (path, reason) = (path.display(), with_full_size(reason));
        terminal::status(&format!("note: {path}: skipped: {reason}"));
    }
}
