//! `srdiff info`.

use super::args::InfoArgs;
use super::failure::Failure;
use super::terminal;
use srdiff::diffusion::BetaSchedule;
use srdiff::model::{Model, Settings, escaped};

/// Says what a model file is.
pub fn run(args: &InfoArgs) -> Result<(), Failure> {
    let model = match &args.model {
        Some(path) => Model::open(path)?,
        None => Model::starter(),
    };
    let weights = model.weights();
    let elements = |name| {
        weights
            .shape(name)
            .map_or(0, |s| s.iter().product::<usize>())
    };
    let parameters: usize = weights.names().map(elements).sum();
    let mut text = format!("{}\n", model.file());
    text.push_str(&describe(model.settings(), parameters as u64));
    for (name, note) in [("licence", model.license()), ("training", model.training())] {
        if let Some(note) = note {
            text.push_str(&row(name, &escaped(note)));
        }
    }
    terminal::answer(&text)
}

/// A model's settings, one a line.
pub fn describe(settings: &Settings, parameters: u64) -> String {
    let mults: Vec<String> = settings.mults.iter().map(ToString::to_string).collect();
    let schedule = match settings.schedule {
        BetaSchedule::Cosine { s } => format!("cosine, s = {s}"),
        BetaSchedule::Linear { start, end } => format!("linear, {start} to {end}"),
    };
    let mut options = Vec::new();
    if let Some(groups) = settings.groups {
        options.push(format!("group norm of {groups}"));
    }
    if let Some(attention) = settings.attention {
        options.push(format!(
            "attention of {} heads of {}",
            attention.heads, attention.head_dim
        ));
    }
    if settings.up_input {
        options.push("enlarged input".to_owned());
    }
    let unet = [
        vec![format!(
            "hidden {}, levels {}",
            settings.hidden,
            mults.join("-")
        )],
        options,
    ];
    [
        row("scale", &format!("{}x", settings.scale)),
        row("parameters", &format!("{:.2} M", parameters as f64 / 1e6)),
        row("U-Net", &unet.concat().join(", ")),
        row(
            "encoder",
            &format!(
                "{} features, {} blocks",
                settings.rrdb_features, settings.rrdb_blocks
            ),
        ),
        row(
            "schedule",
            &format!("{} timesteps, {schedule}", settings.timesteps),
        ),
        row("LR divisor", &settings.lr_up_divisor.to_string()),
    ]
    .concat()
}

fn row(name: &str, value: &str) -> String {
    format!("  {name:<12}{value}\n")
}
