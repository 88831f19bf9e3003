//! `srdiff info`.

use super::args::InfoArgs;
use super::failure::Failure;
use super::terminal;
use srdiff::diffusion::BetaSchedule;
use srdiff::model::{Model, Settings, escaped};

pub fn run(args: &InfoArgs) -> Result<(), Failure> {
    let model = match &args.model {
        Some(path) => Model::open(path)?,
        None => Model::starter(),
    };
    let weights = model.weights();
    let shapes = weights.names().filter_map(|name| weights.shape(name));
    let parameters: usize = shapes.map(|shape| shape.iter().product::<usize>()).sum();
    let mut text = format!("{}\n", model.file());
    text.push_str(&describe(model.settings(), parameters as u64));
    let checksum = match model.checksum() {
        Some(checksum) => format!("{}, verified", escaped(checksum)),
        None => "no checksum; `srdiff convert` writes a copy with one".to_owned(),
    };
    text.push_str(&row("checksum", &checksum));
    for (name, note) in [
        ("source", model.weights().metadata("source")),
        ("licence", model.license()),
        ("training", model.training()),
    ] {
        if let Some(note) = note.filter(|note| !note.is_empty()) {
            text.push_str(&row(name, &escaped(note)));
        }
    }
    terminal::answer(&text)
}

/// A model's settings, one per line.
pub fn describe(settings: &Settings, parameters: u64) -> String {
    let Settings {
        scale,
        hidden,
        rrdb_features,
        rrdb_blocks,
        timesteps,
        lr_up_divisor,
        res_rescale,
        ..
    } = settings;
    let mults: Vec<String> = settings.mults.iter().map(ToString::to_string).collect();
    let mut unet = format!("hidden {hidden}, levels {}", mults.join("-"));
    if let Some(groups) = settings.groups {
        unet.push_str(&format!(", group norm of {groups}"));
    }
    if let Some(attention) = settings.attention {
        let (heads, head_dim) = (attention.heads, attention.head_dim);
        unet.push_str(&format!(", attention of {heads} heads of {head_dim}"));
    }
    if settings.up_input {
        unet.push_str(", enlarged input");
    }
    let schedule = match settings.schedule {
        BetaSchedule::Cosine { s } => format!("cosine, s = {s}"),
        BetaSchedule::Linear { start, end } => format!("linear, {start} to {end}"),
    };
    let distilled = match settings.distilled {
        Some(process) => row("distilled", &format!("for {process}")),
        None => String::new(),
    };
    let millions = parameters as f64 / 1e6;
    let encoder = format!("{rrdb_features} features, {rrdb_blocks} blocks");
    [
        row("scale", &format!("{scale}x")),
        row("parameters", &format!("{millions:.2} M")),
        row("U-Net", &unet),
        row("encoder", &encoder),
        row("schedule", &format!("{timesteps} timesteps, {schedule}")),
        distilled,
        row("LR divisor", &lr_up_divisor.to_string()),
        row("residual", &format!("times {res_rescale}")),
    ]
    .concat()
}

fn row(name: &str, value: &str) -> String {
    format!("  {name:<12}{value}\n")
}
