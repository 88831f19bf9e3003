//! The step records of a reverse process, as exported.

use super::{ModelFile, sample, upscale, upscaler};
use srdiff::diffusion::Sampler;
use srdiff::exec::StepRecord;
use srdiff::image::Picture;
use srdiff::model::{Model, Settings, Weights};
use srdiff::plan::Precision;
use srdiff::upscale::{Export, PrecisionChoice, SampleOptions, UpscaleError};

fn records(settings: &Settings, steps: usize) -> Result<Vec<StepRecord>, UpscaleError> {
    let sample = SampleOptions {
        sampler: Sampler::Ddpm,
        steps,
        seed: 0x0123_4567_89ab_cdef,
        sample: 7,
        ..SampleOptions::default()
    };
    let export = Export::new(settings, 8, 8, &sample, Precision::F32)?;
    let record = |words: &Vec<u32>| bytemuck::pod_read_unaligned(bytemuck::cast_slice(words));
    Ok(export.records.iter().map(record).collect())
}

#[test]
fn records_carry_timestep_seed_and_sample() {
    let settings = Model::starter().settings().clone();
    let records = records(&settings, 10).unwrap();
    assert_eq!(records.len(), 11);
    assert_eq!(records[0].noise_step as usize, settings.timesteps);
    for record in &records {
        assert_eq!(record.seed_low, 0x89ab_cdef);
        assert_eq!(record.seed_high, 0x0123_4567);
        assert_eq!(record.places[0].sample, 7);
    }
    let first = records[1];
    assert_eq!(first.places[0].table_row as usize, settings.timesteps - 1);
    assert_eq!(first.noise_step, first.places[0].table_row);
    let last = records[10];
    let row = last.places[0].table_row;
    assert_eq!((row, last.sigma, last.from_x0), (0, 0.0, 1.0));
    assert!(records[1..].iter().all(|record| record.clip == 1.0));
}

#[test]
fn clipping_follows_the_settings() {
    let mut settings = Model::starter().settings().clone();
    settings.clip_denoised = false;
    let records = records(&settings, 3).unwrap();
    assert!(records[1..].iter().all(|record| record.clip == f32::MAX));
}

#[test]
fn steps_out_of_range_are_refused() {
    let settings = Model::starter().settings().clone();
    for steps in [0, settings.timesteps + 1] {
        let error = records(&settings, steps).unwrap_err();
        assert!(matches!(error, UpscaleError::Sampler(_)));
    }
}

/// A model of a linear schedule that finds no noise in anything.
fn without_noise() -> Model {
    let mut file = ModelFile::of("tiny-x4");
    for name in ["weight", "bias"] {
        let name = format!("denoise_fn.final_conv.1.{name}");
        file.tensor(&name).1.fill(0.0);
    }
    let config = file.metadata.get_mut("config").unwrap();
    let mut settings: serde_json::Value = serde_json::from_str(config).unwrap();
    settings["beta_schedule"] = "linear".into();
    *config = settings.to_string();
    let weights = Weights::from_bytes(file.to_bytes(), "without noise").unwrap();
    Model::from_weights(weights).unwrap()
}

/// Of x_T / sqrt(abar) in one step, clamped to 1, so many are 1 as of normal
/// numbers are above sqrt(abar) / sqrt(1 - abar).
#[test]
fn few_steps_of_a_linear_schedule_start_from_less_noise() {
    let settings = without_noise().settings().clone();
    let one_step = sample(Sampler::Ddpm, 1, 1);
    // In the canvas, too, with the noise of the first seed alone.
    let in_canvas = SampleOptions {
        toward: Some((2, 0.0)),
        ..one_step
    };
    // Not neutral: of such images, the channels' mean is taken.
    let color = [128, 128, 130];
    let flat = Picture::new(30, 30, color.repeat(900));
    let mut upscaler = upscaler(without_noise(), "cpu", PrecisionChoice::F32);
    let results = [one_step, in_canvas].map(|options| upscale(&mut upscaler, &flat, &options));
    let reach = 127.5 / settings.res_rescale;
    for result in &results {
        let rgb = result.rgb8();
        let pairs = rgb.iter().zip(color.iter().cycle());
        let is_most = |(v, level): &(&u8, &u8)| f64::from(v.abs_diff(**level)) > reach - 1.0;
        let share = pairs.filter(is_most).count() as f64 / rgb.len() as f64;
        println!("{share:.3} of the values are clamped");
        // 0.37 of the signal is left: of |z| > 0.768; of |z| > 0.609 it would be 0.54.
        assert!((share - 0.443).abs() < 0.02, "{share}");
    }
    let pairs = || {
        results[0]
            .rgb8()
            .into_owned()
            .into_iter()
            .zip(results[1].rgb8().into_owned())
    };
    assert!(pairs().all(|(a, b)| a.abs_diff(b) <= 1));
    // What is exported draws all of it.
    let error = records(&settings, 5).unwrap_err();
    assert!(matches!(error, UpscaleError::Option { name: "steps", .. }));
    records(&settings, 10).unwrap();
}
