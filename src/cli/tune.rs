//! `srdiff tune`: times the kernels of a GPU.

use super::args::{EngineArgs, Precision, size};
use super::failure::Failure;
use super::signals::Stop;
use super::{progress, terminal};
use clap::Args;
use serde::Serialize;
use srdiff::exec::gpu::CacheFolder;
use srdiff::exec::gpu::tuning::{Effort, Outcome, Times, Trial, TunedClass};
use srdiff::upscale::{Device, DeviceChoice, Progress, Selected, UpscaleError};
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `tune`.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// The model file [default: the built-in 4x model]
    #[arg(short, long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// auto, gpu, or an index or part of a name from `srdiff devices`
    #[arg(short, long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// How numbers are stored; auto takes f16 where a GPU has it
    #[arg(short, long, value_enum, default_value = "auto")]
    pub precision: Precision,
    /// Sizes of LR images that kernels are timed for [default: squares of 32 to 512
    /// pixels a side, which stand for all others]
    #[arg(long, value_name = "WIDTHxHEIGHT,..", value_delimiter = ',', value_parser = size)]
    pub size: Vec<[usize; 2]>,
    /// Begin nothing after this time; the kernels with the most work come first
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub budget: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Parses a time; clap names the option.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| "give a number of seconds, such as 30".to_owned())
}

/// A kernel of a kind of nodes.
#[derive(Debug, Serialize)]
struct Row<'a> {
    node: &'a str,
    kernel: String,
    microseconds: Option<f64>,
    /// Over the time of the usual kernel.
    ratio: Option<f64>,
    is_usual: bool,
    is_chosen: bool,
    /// Why it is not used.
    refused: Option<&'a str>,
}

pub fn run(args: &TuneArgs) -> Result<(), Failure> {
    let stop = Stop::on_signals();
    let engine = EngineArgs {
        model: args.model.clone(),
        device: args.device.clone(),
        precision: args.precision,
        ..EngineArgs::default()
    };
    let opened = engine.open_upscaler(engine.open_model()?, false);
    let mut upscaler = opened.map_err(|failure| match failure {
        Failure::Upscaler(UpscaleError::Device(error)) => Failure::Tuning(error),
        failure => failure,
    })?;
    terminal::notes(&mut upscaler);
    let Selected { device, reason } = upscaler.selected();
    if matches!(device, Device::Gpu(_)) {
        let precision = upscaler.precision();
        terminal::status(&format!("{device}: {reason}; {precision}"));
    }
    let sizes = match &args.size[..] {
        [] => [32, 64, 128, 256, 512].map(|side| [side; 2]).to_vec(),
        sizes => sizes.to_vec(),
    };
    let effort = Effort {
        budget: args.budget,
        ..Effort::thorough()
    };
    let bar = progress::kernel_bar();
    let found = upscaler.tune(&sizes, effort, &mut |progress| {
        if let Progress::Tune { done, total } = progress {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        }
        stop.flow()
    });
    drop(bar);
    let found = found?;
    let rows: Vec<Row> = found.iter().flat_map(rows).collect();
    terminal::answer(&match args.json {
        true => serde_json::to_string_pretty(&rows).expect("plain data") + "\n",
        false => table(&rows),
    })?;
    let is_kept = !terminal::notes(&mut upscaler);
    if let (true, Some(folder)) = (is_kept, CacheFolder::of_user()) {
        terminal::status(&format!("kept in {folder}"));
    }
    match stop.is_asked() {
        true => Err(Failure::TuningStopped(stop.exit_code())),
        false => Ok(()),
    }
}

/// All kernels of a class, that of the static rule first.
fn rows<'a>(found: &'a TunedClass) -> Vec<Row<'a>> {
    let chosen = found.chosen().variant;
    let row = |(index, trial): (usize, &'a Trial)| {
        let (times, refused) = match &trial.outcome {
            Outcome::Timed(times) | Outcome::Slower(times) => (Some(times), None),
            Outcome::Refused(reason) => (None, Some(reason.as_str())),
            Outcome::Untimed => (None, None),
        };
        Row {
            node: &found.class,
            kernel: trial.variant.to_string(),
            microseconds: times.map(|times| times.microseconds),
            ratio: times.map(Times::ratio),
            is_usual: index == 0,
            is_chosen: trial.variant == chosen,
            refused,
        }
    };
    found.trials.iter().enumerate().map(row).collect()
}

/// The chosen kernels, then what was refused.
fn table(rows: &[Row]) -> String {
    let mut text = "| node | kernel | ms | of usual |\n|---|---|--:|--:|\n".to_owned();
    for row in rows.iter().filter(|row| row.is_chosen) {
        let number = |value: Option<f64>, digits| {
            value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
        };
        text += &format!(
            "| {} | {} | {} | {} |\n",
            row.node,
            row.kernel,
            number(row.microseconds.map(|time| time / 1e3), 4),
            number(row.ratio, 2),
        );
    }
    for row in rows {
        if let Some(reason) = row.refused {
            let line = format!("refused: {}, {}: {reason}", row.node, row.kernel);
            text += &(terminal::printable(&line) + "\n");
        }
    }
    text
}
