//! The step records of a reverse process, as exported.

use srdiff::diffusion::Sampler;
use srdiff::exec::StepRecord;
use srdiff::model::{Model, Settings};
use srdiff::plan::Precision;
use srdiff::upscale::{Export, SampleOptions, UpscaleError};

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
