//! Models that are spread over several sections of a checkpoint.

use srdiff::{
    diffusion::{BetaSchedule, Schedule},
    model::convert::{ConvertOptions, ConvertReport, ScheduleSource},
};

use crate::files::{Folder, expected};
use crate::pickles::{F32, Item, dict, legacy, prefixed, state_dict, vector};

const LINEAR: BetaSchedule = BetaSchedule::Linear {
    start: 2e-4,
    end: 0.03,
};

/// The tensors of a model, its schedule as a buffer.
fn trained() -> Vec<(String, Item)> {
    let schedule = Schedule::new(&LINEAR, 20).unwrap();
    let mut items = state_dict(&expected("trainer."), |v| v);
    items.push(("betas".to_owned(), vector(schedule.betas(), F32)));
    items
}

/// Other values for the same tensors.
fn averaged() -> Vec<(String, Item)> {
    state_dict(&expected("trainer."), |v| 2.0 * v)
}

/// Converts a checkpoint of [`trained`] and some of [`averaged`]; every tensor of
/// the model has to be from where `is_averaged` says.
fn converted(root: &Item, is_averaged: impl Fn(&str) -> bool) -> ConvertReport {
    let options = ConvertOptions::default();
    let converted = Folder::new().convert_bytes(&legacy(root), &options);
    let (model, report) = converted.unwrap();
    let plain = expected("trainer.");
    assert!(plain.names().eq(model.weights().names()));
    for name in plain.names() {
        let factor = if is_averaged(name) { 2.0 } else { 1.0 };
        let found = model.weights().tensor(name).unwrap();
        let plain = plain.tensor(name).unwrap();
        let mut pairs = found.values.iter().zip(&*plain.values);
        assert!(pairs.all(|(f, p)| *f == factor * p), "{name}");
    }
    report
}

/// An average of parameters has no buffers: the schedule is that of the model
/// which was averaged.
#[test]
fn the_schedule_is_that_of_whichever_section_has_one() {
    let nested = dict([
        ("state_dict", dict([("model", dict(trained()))])),
        ("ema", dict(averaged())),
    ]);
    let of_trainer = prefixed("model.", &trained()).into_iter();
    let flat = of_trainer.chain(prefixed("ema_model.module.", &averaged()));
    let flat = dict([("state_dict", dict(flat))]);
    let betas = trained().pop().unwrap();
    let beside = dict([("model".to_owned(), dict(averaged())), betas]);
    for (root, section) in [
        (nested, "ema"),
        (flat, "state_dict/ema_model.module"),
        (beside, "model"),
    ] {
        let report = converted(&root, |_| true);
        assert_eq!(report.section, section);
        assert_eq!(report.schedule_source, ScheduleSource::Recognised);
        assert_eq!(report.settings.schedule, LINEAR, "{section}");
        assert_eq!(report.settings.timesteps, 20);
        assert_eq!(report.completed_from, None);
        assert!(!report.notes().iter().any(|note| note.contains("betas")));
    }
}

/// What is not trained is not averaged.
#[test]
fn an_average_of_a_part_is_completed() {
    let mut part = averaged();
    part.retain(|(name, _)| name.starts_with("denoise_fn."));
    let mut others = trained();
    // No part of a model.
    others.push(("loss.window".to_owned(), vector(&[1.0], F32)));
    let root = dict([
        ("state_dict", dict([("model", dict(others))])),
        ("ema", dict(part)),
    ]);
    let report = converted(&root, |name| name.starts_with("denoise_fn."));
    assert_eq!(report.section, "ema");
    let from = Some("state_dict/model".to_owned());
    assert_eq!(report.completed_from, from);
    assert_eq!(report.settings.schedule, LINEAR);
    let notes = report.notes();
    let note = "`ema` lacks some of the model's tensors; they were taken from `state_dict/model`";
    assert!(notes.iter().any(|found| found == note), "{notes:?}");
}
