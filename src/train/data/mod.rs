//! Training images: crops of them, turned and mirrored, with their LR images.
//!
//! Batch `k` depends on the images, the options, the seed and `k` alone, whatever
//! the number of threads: a run that is resumed sees what it would have seen.

mod crops;
mod degrade;
mod draws;
mod feed;
mod images;

pub use crops::{CropOptions, Crops};
pub use degrade::Degradation;
pub use feed::Feed;
pub use images::{ImageFile, Images};
