//! Upscales an image file with progress, and stops when asked to.
//!
//! `cargo run --release --example upscale_file -- photo.jpg large.png`

use srdiff::image::{EncodeOptions, OutputFormat, Picture};
use srdiff::model::Model;
use srdiff::upscale::{Progress, SampleOptions, Upscaler, UpscalerOptions};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set it from another thread, and the upscale ends after its current step.
pub static CANCELLED: AtomicBool = AtomicBool::new(false);

pub fn run(input: &Path, output: &Path, options: &UpscalerOptions) -> Result<(), Box<dyn Error>> {
    let mut upscaler = Upscaler::new(Model::starter(), options)?;
    println!("on {}", upscaler.selected().device);

    let image = Picture::open(input)?;
    let sample = SampleOptions::seeded(upscaler.model().settings(), 7);
    let mut on_progress = |progress| {
        if let Progress::Step { done, total } = progress {
            println!("{done} of {total} steps");
        }
        match CANCELLED.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let large = upscaler.upscale(&image, &sample, &mut on_progress)?;

    let format = OutputFormat::from_path(output)?;
    large.save(output, format, &EncodeOptions::default(), false)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = &paths[..] else {
        return Err("name an image and the file to write".into());
    };
    run(input.as_ref(), output.as_ref(), &UpscalerOptions::default())
}
