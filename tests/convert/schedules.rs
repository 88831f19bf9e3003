//! Noise schedules that are recognised by a checkpoint's `betas`.

use srdiff::{
    diffusion::{BetaSchedule, Schedule},
    model::convert::{ConvertOptions, ScheduleSource},
};

use crate::files::{Folder, expected};
use crate::pickles::{BF16, F16, F32, F64, Format, dict, legacy, state_dict, vector};

const COSINE: BetaSchedule = BetaSchedule::Cosine { s: 0.008 };

/// A checkpoint of a whole model with these `betas`.
fn checkpoint(betas: &[f64], format: Format) -> Vec<u8> {
    let mut items = state_dict(&expected("trainer."), |v| v);
    items.push(("betas".to_owned(), vector(betas, format)));
    legacy(&dict(items))
}

fn betas(schedule: &BetaSchedule, timesteps: usize) -> Vec<f64> {
    let schedule = Schedule::new(schedule, timesteps).unwrap();
    schedule.betas().to_vec()
}

/// The schedule that a checkpoint with these `betas` converts to.
fn recognised(betas: &[f64], format: Format) -> Result<BetaSchedule, String> {
    let folder = Folder::new();
    let checkpoint = checkpoint(betas, format);
    let (model, report) = folder.convert_bytes(&checkpoint, &ConvertOptions::default())?;
    assert_eq!(report.schedule_source, ScheduleSource::Recognised);
    assert_eq!(model.settings().timesteps, betas.len());
    Ok(model.settings().schedule.clone())
}

#[test]
fn schedules_are_recognised_in_every_format() {
    let linear = BetaSchedule::Linear {
        start: 1e-4,
        end: 0.02,
    };
    for schedule in [COSINE, linear] {
        for timesteps in [3, 50, 100, 1000] {
            for format in [F64, F32, F16, BF16] {
                let found = recognised(&betas(&schedule, timesteps), format);
                let case = format!("{timesteps} {}", format.0);
                assert_eq!(found, Ok(schedule.clone()), "{case}");
            }
        }
    }
}

#[test]
fn the_ends_of_another_line_are_found() {
    for (start, end) in [(1e-4, 0.06), (1e-3, 0.01), (5e-4, 0.5)] {
        let schedule = BetaSchedule::Linear { start, end };
        let found = recognised(&betas(&schedule, 100), F32);
        assert_eq!(found, Ok(schedule));
    }
}

#[test]
fn other_betas_are_not_recognised() {
    let mut bent = betas(&COSINE, 100);
    bent[40] *= 1.0001;
    let other = betas(&BetaSchedule::Cosine { s: 0.01 }, 100);
    for betas in [bent, other, Vec::new()] {
        let error = recognised(&betas, F32).unwrap_err();
        assert!(error.contains("of no known noise schedule"), "{error}");
    }
}
