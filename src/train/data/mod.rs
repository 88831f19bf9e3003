//! Images from folders to batches.

mod batches;
mod crop;
mod degrade;
mod drawings;
pub(crate) mod draws;
mod feed;
mod files;
mod photos;
mod resize;

pub use batches::{BatchOptions, Batches};
pub use degrade::Degradation;
pub use feed::Feed;
pub use files::find_images;
pub use photos::{HALVED_FROM, PhotoOptions, Photos, Skipped};

use crate::diffusion::{SamplerError, ScheduleError};
use crate::host_memory::NoMemory;
use crate::image::ImageError;
use std::path::PathBuf;
use thiserror::Error;

/// Images that cannot be trained on.
#[derive(Debug, Error)]
pub enum DataError {
    #[error("{}: there is no such file or folder; check the path", .0.display())]
    Missing(PathBuf),
    #[error("{}: cannot be searched ({reason}); check its permissions", folder.display())]
    Search { folder: PathBuf, reason: String },
    #[error("{}", match .0.first() {
        Some(Skipped { path, reason }) => format!(
            "none of {} images can be used ({}: {reason}); give others", .0.len(), path.display()
        ),
        None => "there are no images in these folders; give others".to_owned(),
    })]
    NoImages(Vec<Skipped>),
    #[error("{}; leave the images as they are during the training", .0)]
    Image(ImageError),
    #[error("{}: has changed; leave the images as they are during the training", .0.display())]
    Changed(PathBuf),
    #[error("a patch could not be compressed as JPEG ({0})")]
    Jpeg(String),
    #[error("stopped")]
    Stopped,
    #[error("no thread could be started for the batches ({0})")]
    Thread(std::io::Error),
    #[error("a thread that makes batches has failed; please report it")]
    Worker,
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Sampler(#[from] SamplerError),
}
