//! Training from folders of images: the same numbers however it is interrupted, and
//! models that learn.

#[path = "train/checkpoints.rs"]
mod checkpoints;
#[path = "train/data.rs"]
mod data;
#[path = "train/distillation.rs"]
mod distillation;
#[path = "train/events.rs"]
mod events;
#[path = "train/learning.rs"]
mod learning;
#[path = "train/models.rs"]
mod models;
#[path = "train/photos.rs"]
mod photos;
#[path = "train/resuming.rs"]
mod resuming;

#[path = "support/models.rs"]
mod support_models;
