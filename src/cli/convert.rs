//! `srdiff convert`.

use super::args::ConvertArgs;
use super::failure::{Failure, with_flags};
use super::{info, terminal};
use srdiff::atomic_file::remove_leftovers_beside;
use srdiff::diffusion::BetaSchedule;
use srdiff::model::convert::{ConvertOptions, convert};

pub fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let options = ConvertOptions {
        float_type: args.float_type.map(Into::into),
        groups: args.groups,
        attention_heads: args.attention_heads,
        res_rescale: args.res_rescale,
        lr_up_divisor: args.lr_up_divisor,
        schedule: args.schedule.clone(),
        timesteps: args.timesteps,
        license: args.license.clone(),
        training: args.training.clone(),
        source: args.source.clone(),
        overwrite: args.force,
    };
    remove_leftovers_beside(&args.output);
    let report = convert(&args.input, &args.output, &options)?;
    for note in report.notes() {
        terminal::status(&format!("note: {}", with_flags(&note)));
    }
    let megabytes = report.file_size as f64 / 1e6;
    terminal::answer(&format!(
        "{}: {} tensors, {megabytes:.1} MB\n{}",
        args.output.display(),
        report.tensors,
        info::describe(&report.settings, report.parameters),
    ))
}

/// Parses `cosine`, `cosine:S`, `linear` or `linear:START:END`; the published
/// numbers are the defaults.
pub fn schedule(text: &str) -> Result<BetaSchedule, String> {
    let wrong = || "write cosine, cosine:S, linear or linear:START:END".to_owned();
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let numbers: Vec<f64> = parts
        .map(|part| part.parse().map_err(|_| wrong()))
        .collect::<Result<_, _>>()?;
    match (name, &numbers[..]) {
        ("cosine", []) => Ok(BetaSchedule::COSINE),
        ("cosine", &[s]) => Ok(BetaSchedule::Cosine { s }),
        ("linear", []) => Ok(BetaSchedule::LINEAR),
        ("linear", &[start, end]) => Ok(BetaSchedule::Linear { start, end }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_parsed() {
        let linear = |start, end| Ok(BetaSchedule::Linear { start, end });
        assert_eq!(schedule("cosine"), Ok(BetaSchedule::Cosine { s: 0.008 }));
        assert_eq!(
            schedule("cosine:0.01"),
            Ok(BetaSchedule::Cosine { s: 0.01 })
        );
        assert_eq!(schedule("linear"), linear(1e-4, 0.02));
        assert_eq!(schedule("linear:0.001:0.3"), linear(0.001, 0.3));
        let wrong = ["", "sigmoid", "cosine:", "cosine:x", "linear:0.1"];
        for wrong in wrong.iter().chain(&["linear:1:2:3"]) {
            assert!(schedule(wrong).is_err(), "{wrong}");
        }
    }
}
