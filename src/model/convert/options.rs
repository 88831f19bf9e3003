//! Faults of the options.

use super::{ConvertError, ConvertOptions, ConvertProblem, Result, schedule::TIMESTEPS};
use crate::diffusion::{BetaSchedule, MAX_TIMESTEPS, Schedule, ScheduleError};
use crate::model::{
    SettingsError,
    settings::{DEFAULT_HEADS, SCALES},
};

/// Refuses options that suit no model, before the checkpoint is read.
///
/// # Errors
/// When an option is out of range.
pub fn check(options: &ConvertOptions) -> Result<(), ConvertError> {
    if let Some(timesteps) = options.timesteps
        && !(1..=MAX_TIMESTEPS).contains(&timesteps)
    {
        let reason = format!("a noise schedule has 1 to {MAX_TIMESTEPS} timesteps");
        return Err(wrong("timesteps", timesteps, reason));
    }
    for (option, count) in [
        ("groups", options.groups),
        ("attention_heads", options.attention_heads),
    ] {
        if count == Some(0) {
            return Err(wrong(option, 0, "give 1 or more, or leave it out"));
        }
    }
    for (option, scale) in [
        ("res_rescale", options.res_rescale),
        ("lr_up_divisor", options.lr_up_divisor),
    ] {
        if let Some(scale) = scale.filter(|scale| !SCALES.contains(scale)) {
            let (low, high) = (SCALES.start(), SCALES.end());
            let reason = format!("give a number from {low} to {high}");
            return Err(wrong(option, format!("{scale:?}"), reason));
        }
    }
    if let Some(schedule) = &options.schedule {
        // Checked again if the checkpoint has another number of timesteps.
        Schedule::new(schedule, options.timesteps.unwrap_or(TIMESTEPS))
            .map_err(|error| wrong_schedule(schedule, &error))?;
    }
    Ok(())
}

/// Refuses settings for a model file that states its own.
///
/// # Errors
/// Names the first that is given.
pub fn check_unneeded(options: &ConvertOptions) -> Result<(), ConvertError> {
    let count = |count: Option<usize>| count.map(|count| count.to_string());
    let scale = |scale: Option<f64>| scale.map(|scale| scale.to_string());
    let mut given = [
        ("groups", count(options.groups)),
        ("attention_heads", count(options.attention_heads)),
        ("res_rescale", scale(options.res_rescale)),
        ("lr_up_divisor", scale(options.lr_up_divisor)),
        ("schedule", options.schedule.as_ref().map(written)),
        ("timesteps", count(options.timesteps)),
    ]
    .into_iter()
    .filter_map(|(option, value)| Some((option, value?)));
    let reason = "the model file states its settings; leave the option out";
    match given.next() {
        Some((option, value)) => Err(wrong(option, value, reason)),
        None => Ok(()),
    }
}

/// The error that names the option at fault for wrong settings, if one is.
pub fn blamed(error: &SettingsError, options: &ConvertOptions) -> Option<ConvertError> {
    match error {
        SettingsError::GroupsDivide {
            groups,
            channels,
            tensor,
        } => {
            let reason = format!(
                "does not divide the {channels} channels of `{tensor}`; give `gn_groups` of the training settings"
            );
            Some(wrong("groups", groups, reason))
        }
        SettingsError::Disagree {
            key: "gn_groups", ..
        } => {
            let reason = "the checkpoint has no group norms; leave the option out";
            Some(wrong("groups", options.groups?, reason))
        }
        SettingsError::Value {
            key: "attn_heads",
            value,
            allowed,
        } => {
            let reason = format!(
                "`attn_heads` is {value}, but must be {allowed}; give the number of the training settings"
            );
            let heads = options.attention_heads.unwrap_or(DEFAULT_HEADS);
            Some(wrong("attention_heads", heads, reason))
        }
        // The checkpoint's `betas` gave this number, not an option.
        SettingsError::Schedule(ScheduleError::Timesteps(_)) => None,
        SettingsError::Schedule(error) => Some(wrong_schedule(options.schedule.as_ref()?, error)),
        _ => None,
    }
}

fn wrong(option: &str, value: impl ToString, reason: impl ToString) -> ConvertError {
    ConvertError {
        subject: format!("`{option}` {}", value.to_string()),
        problem: ConvertProblem::Option(reason.to_string()),
    }
}

fn written(schedule: &BetaSchedule) -> String {
    match schedule {
        BetaSchedule::Cosine { s } => format!("cosine:{s}"),
        BetaSchedule::Linear { start, end } => format!("linear:{start}:{end}"),
    }
}

fn wrong_schedule(schedule: &BetaSchedule, error: &ScheduleError) -> ConvertError {
    let text = error.to_string();
    // The rest is advice about the settings of a model file.
    let fault = text.split(';').next().unwrap_or_default();
    let reason = format!("{fault}; give the schedule of the training settings");
    wrong("schedule", written(schedule), reason)
}
