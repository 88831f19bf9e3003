//! Upscales pixels that a program holds: of 8 bits, of 16, and floats. Three
//! samples of one image show how sure the model is of each pixel.
//!
//! `cargo run --release --example upscale_buffer`

use srdiff::image::Picture;
use srdiff::model::Model;
use srdiff::upscale::{DeviceChoice, SampleOptions, Spread, Upscaler, UpscalerOptions};
use std::error::Error;
use std::ops::ControlFlow;

/// The mean of each result, from 0 to 1, and the mean deviation in levels of 255.
pub fn run(device: DeviceChoice) -> Result<([f32; 3], f32), Box<dyn Error>> {
    let options = UpscalerOptions {
        device,
        ..UpscalerOptions::default()
    };
    let mut upscaler = Upscaler::new(Model::starter(), &options)?;
    let mut sample = SampleOptions::seeded(upscaler.model().settings(), 1);
    sample.steps = 2;

    let (width, height) = (24, 16);
    let floats: Vec<f32> = (0..3 * width * height)
        .map(|i| (i % 97) as f32 / 96.0)
        .collect();
    let bytes: Vec<u8> = floats.iter().map(|v| (v * 255.0).round() as u8).collect();
    let words: Vec<u16> = floats
        .iter()
        .map(|v| (v * 65_535.0).round() as u16)
        .collect();

    let images = [
        Picture::new(width, height, bytes),
        Picture::with_samples(width, height, words.into()),
        Picture::from_f32(width, height, &floats),
    ];
    let mut means = [0.0; 3];
    for (image, mean) in images.iter().zip(&mut means) {
        let large = upscaler.upscale(image, &sample, &mut |_| ControlFlow::Continue(()))?;
        let values = large.to_f32();
        *mean = values.iter().sum::<f32>() / values.len() as f32;
    }

    let mut spread = None;
    for index in 0..3 {
        sample.sample = index;
        let large = upscaler.upscale(&images[0], &sample, &mut |_| ControlFlow::Continue(()))?;
        match &mut spread {
            None => spread = Some(Spread::new(&large)?),
            Some(spread) => spread.add(&large),
        }
    }
    let sigma = match spread {
        Some(spread) => spread.sigma()?,
        None => Vec::new(),
    };
    Ok((means, sigma.iter().sum::<f32>() / sigma.len() as f32))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (means, sigma) = run(DeviceChoice::Auto)?;
    println!("means {means:?}, standard deviation {sigma:.2} levels");
    Ok(())
}
