//! What an upscale tells of its progress, and how it is cancelled.

use super::UpscaleError;
use std::ops::ControlFlow;

/// What is about to happen, or how far the steps are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A kernel is about to be timed, the first time that it is used on this
    /// device; `done` are done.
    Tune { done: usize, total: usize },
    /// The model is about to be loaded for a new size.
    Load,
    /// The image is about to be encoded.
    Image,
    /// `done` is 0 when the first step is about to run. Of an image in tiles,
    /// the steps of all tiles count.
    Step { done: usize, total: usize },
    /// The result is about to be read.
    Finish,
}

/// Called with each progress; [`ControlFlow::Break`] cancels.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

pub(super) fn notify(progress: OnProgress<'_>, at: Progress) -> Result<(), UpscaleError> {
    match progress(at) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(UpscaleError::Cancelled),
    }
}
