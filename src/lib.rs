//! srdiff: diffusion super-resolution (SRDiff, Li et al. 2022) on any GPU and on the CPU.
//!
//! ```no_run
//! use srdiff::image::{EncodeOptions, OutputFormat, Picture};
//! use srdiff::model::Model;
//! use srdiff::upscale::{SampleOptions, Upscaler, UpscalerOptions};
//! use std::ops::ControlFlow;
//! use std::path::Path;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut upscaler = Upscaler::new(Model::starter(), &UpscalerOptions::default())?;
//! let picture = Picture::open(Path::new("photo.jpg"))?;
//! let options = SampleOptions::seeded(upscaler.model().settings(), 7);
//! let large = upscaler.upscale(&picture, &options, &mut |progress| {
//!     println!("{progress:?}");
//!     ControlFlow::Continue(())
//! })?;
//! let encoding = EncodeOptions::default();
//! large.save(Path::new("large.png"), OutputFormat::Png, &encoding, false)?;
//! # Ok(())
//! # }
//! ```
//!
//! [`upscale`] is where to begin: an [`Upscaler`](upscale::Upscaler) makes images
//! larger, [`image`] reads and writes them, and [`model`] loads weights. [`train`]
//! makes better ones. The rest is the engine below: [`graph`], [`plan`] and [`exec`].

pub mod atomic_file;
pub mod diffusion;
pub mod exec;
pub mod graph;
mod host_memory;
pub mod image;
pub mod model;
pub mod ops;
pub mod plan;
mod temporary;
pub mod train;
pub mod upscale;
