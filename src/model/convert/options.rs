//! What can be wrong with the options, and which of them it is.

use super::{ConvertError, ConvertOptions, ConvertProblem, schedule::TIMESTEPS};
use crate::diffusion::{BetaSchedule, MAX_TIMESTEPS, Schedule, ScheduleError};
use crate::model::{SettingsError, settings::SCALES};

/// Refuses what no model can have, before the checkpoint is read.
///
/// # Errors
/// When an option is out of range.
pub fn check(options: &ConvertOptions) -> Result<(), ConvertError> {
    if let Some(timesteps) = options.timesteps
        && !(1..=MAX_TIMESTEPS).contains(&timesteps)
    {
        let reason = format!("a noise schedule has 1 to {MAX_TIMESTEPS} timesteps");
        return Err(wrong("--timesteps", timesteps, reason));
    }
    for (option, count) in [
        ("--groups", options.groups),
        ("--attention-heads", options.attention_heads),
    ] {
        if count == Some(0) {
            return Err(wrong(option, 0, "give 1 or more, or leave it out"));
        }
    }
    for (option, scale) in [
        ("--res-rescale", options.res_rescale),
        ("--lr-up-divisor", options.lr_up_divisor),
    ] {
        if let Some(scale) = scale.filter(|scale| !SCALES.contains(scale)) {
            let (low, high) = (SCALES.start(), SCALES.end());
            let reason = format!("give a number from {low} to {high}");
            return Err(wrong(option, format!("{scale:?}"), reason));
        }
    }
    if let Some(schedule) = &options.schedule {
        // The checkpoint may have another number, for which it is checked then.
        Schedule::new(schedule, options.timesteps.unwrap_or(TIMESTEPS))
            .map_err(|error| wrong_schedule(schedule, &error))?;
    }
    Ok(())
}

/// The option that settings read from a checkpoint are wrong by, if it is one.
pub fn blamed(error: &SettingsError, options: &ConvertOptions) -> Option<ConvertError> {
    let settings = |key| match key {
        "gn_groups" => Some(("--groups", options.groups?)),
        // There is a default, and it may be the one that does not suit.
        "attn_heads" => Some(("--attention-heads", options.attention_heads.unwrap_or(4))),
        _ => None,
    };
    match error {
        SettingsError::GroupsDivide {
            groups,
            channels,
            tensor,
        } => Some(wrong(
            "--groups",
            groups,
            format!(
                "does not divide the {channels} channels of `{tensor}`; give `gn_groups` of the training settings"
            ),
        )),
        SettingsError::Disagree { key, .. } => {
            let (option, value) = settings(key)?;
            Some(wrong(
                option,
                value,
                "the checkpoint has no group norms; leave the option out",
            ))
        }
        SettingsError::Value {
            key,
            value,
            allowed,
        } => {
            let (option, given) = settings(key)?;
            let reason = format!(
                "`{key}` is {value}, but must be {allowed}; give the number of the training settings"
            );
            Some(wrong(option, given, reason))
        }
        // As many timesteps as the checkpoint has betas are not an option's.
        SettingsError::Schedule(ScheduleError::Timesteps(_)) => None,
        SettingsError::Schedule(error) => Some(wrong_schedule(options.schedule.as_ref()?, error)),
        _ => None,
    }
}

fn wrong(option: &str, value: impl ToString, reason: impl ToString) -> ConvertError {
    ConvertError {
        subject: format!("{option} {}", value.to_string()),
        problem: ConvertProblem::Option(reason.to_string()),
    }
}

fn wrong_schedule(schedule: &BetaSchedule, error: &ScheduleError) -> ConvertError {
    let written = match schedule {
        BetaSchedule::Cosine { s } => format!("cosine:{s}"),
        BetaSchedule::Linear { start, end } => format!("linear:{start}:{end}"),
    };
    let text = error.to_string();
    // What follows is about the settings of a model file.
    let fault = text.split(';').next().unwrap_or_default();
    wrong(
        "--schedule",
        written,
        format!("{fault}; give the schedule of the training settings"),
    )
}
