//! Writing results.

use super::pipeline::{Settings, Stage, caught};
use super::report::{Made, Report};
use super::rows::Rows;
use crate::cli::failure::Failure;
use crate::cli::places::make_folder;
use crate::cli::terminal::STDOUT;
use srdiff::atomic_file::{folder_of, remove_leftovers};
use srdiff::image::{ImageError, ImageProblem, encode_rows, save_rows};
use std::collections::HashSet;
use std::io::{Seek, Write, copy, stdout};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};

/// Writes results as they come; `folders` are those that were tidied up.
pub fn save_all(
    results: &Mutex<Receiver<Rows<'_>>>,
    folders: &Mutex<HashSet<PathBuf>>,
    settings: &Settings,
    report: &Report,
) {
    loop {
        // Held while waiting, so one thread waits for a result and the others for
        // the lock.
        let received = results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(mut rows) = received else {
            return;
        };
        let saved = caught(rows.job, || save(&mut rows, folders, settings));
        let saved = saved.unwrap_or_else(|failure| Err(Unsaved::Other(failure.into())));
        match (saved, rows.made()) {
            (Ok(()), Some(made)) => report.done(
                rows.job,
                rows.number,
                &Made {
                    size: [rows.head.width, rows.head.height],
                    save: made.done.elapsed(),
                    ..made
                },
            ),
            (Ok(()), None) => unreachable!("the last row comes after it"),
            (Err(unsaved), made) => {
                let is_there = unsaved.is_there(&rows, settings);
                let counts = match is_there {
                    true => rows.leave(),
                    false => rows.fail(),
                };
                // The last row may have come between.
                match counts || made.is_some() || rows.made().is_some() {
                    true if is_there => report.appeared(rows.job, rows.number),
                    true => {
                        let this = rows.number..rows.number + 1;
                        report.failed(rows.job, this, unsaved.failure(&rows), 0);
                    }
                    // Upscaling failed, was stopped or began anew before the last row;
                    // the thread that upscales reports it.
                    false => {}
                }
            }
        }
    }
}

/// Why a result is not written.
enum Unsaved {
    Image(ImageProblem),
    Other(Box<Failure>),
}

impl Unsaved {
    /// Whether another run has written the result meanwhile, and it is left so.
    fn is_there(&self, rows: &Rows<'_>, settings: &Settings) -> bool {
        let exists = matches!(self, Self::Image(ImageProblem::Exists));
        exists && settings.shared && rows.output.is_some_and(Path::is_file)
    }

    fn failure(self, rows: &Rows<'_>) -> Failure {
        match self {
            Self::Other(failure) => *failure,
            // What goes to standard output is kept in a file first.
            Self::Image(ImageProblem::Write(error)) if rows.output.is_none() => {
                Failure::NotKept(std::env::temp_dir(), error)
            }
            Self::Image(problem) => {
                let file = rows.output.unwrap_or(Path::new(STDOUT));
                let file = file.to_owned();
                Failure::Output(ImageError { file, problem })
            }
        }
    }
}

fn save(
    rows: &mut Rows<'_>,
    folders: &Mutex<HashSet<PathBuf>>,
    settings: &Settings,
) -> Result<(), Unsaved> {
    settings.reach(Stage::Save, rows.job);
    let (format, head) = (rows.format, &rows.head);
    let strips = &mut rows.strips.iter();
    let Some(output) = rows.output else {
        // Nobody gets half an image.
        let mut file = tempfile::tempfile().map_err(|e| Unsaved::Image(ImageProblem::Write(e)))?;
        encode_rows(head, format, &settings.writing, &mut file, strips).map_err(Unsaved::Image)?;
        let mut stdout = stdout().lock();
        let written = file.rewind().and_then(|()| copy(&mut file, &mut stdout));
        let written = written.and_then(|_| stdout.flush());
        return written.map_err(|error| Unsaved::Other(Failure::Stdout(error).into()));
    };
    make_folder(output).map_err(|failure| Unsaved::Other(failure.into()))?;
    let folder = folder_of(output);
    let mut known = folders.lock().unwrap_or_else(PoisonError::into_inner);
    if known.insert(folder.to_owned()) {
        remove_leftovers(folder);
    }
    drop(known);
    save_rows(
        head,
        output,
        format,
        &settings.writing,
        settings.overwrite,
        strips,
    )
    .map_err(|error| Unsaved::Image(error.problem))
}
