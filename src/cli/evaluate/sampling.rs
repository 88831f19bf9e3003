//! The samplers and numbers of steps that are measured.

use super::args::EvaluateArgs;
use crate::cli::args::{adds_noise, has_noise};
use crate::cli::failure::Failure;
use srdiff::model::Settings;
use srdiff::upscale::SampleOptions;

/// Every sampler with every number of steps.
pub fn samples(args: &EvaluateArgs, settings: &Settings) -> Vec<SampleOptions> {
    let steps = match (&args.steps, settings.distilled) {
        (Some(steps), _) => steps.clone(),
        (None, Some(process)) => vec![process.steps],
        (None, None) => default_steps(settings.timesteps),
    };
    let of_sampler = |&sampler| {
        steps.iter().map(move |&steps| SampleOptions {
            sampler,
            steps,
            seed: args.seed,
            consistent: args.consistent,
            strength: args.strength,
            ..SampleOptions::default()
        })
    };
    args.samplers.iter().flat_map(of_sampler).collect()
}

/// What is to be known of `--strength`; refused if it would change nothing.
pub fn check_strength(
    args: &EvaluateArgs,
    samples: &[SampleOptions],
) -> Result<Option<String>, Failure> {
    let without = samples
        .iter()
        .filter(|sample| !adds_noise(sample.sampler, sample.steps));
    let mut names: Vec<String> = without
        .clone()
        .map(|sample| match has_noise(sample.sampler) {
            true => format!("{} with one step", sample.sampler),
            false => sample.sampler.to_string(),
        })
        .collect();
    names.dedup();
    if args.strength == 1.0 || names.is_empty() {
        return Ok(None);
    }
    let all = without.clone().count() == samples.len();
    let advice = match without.clone().any(|sample| has_noise(sample.sampler)) {
        true => "leave it out, or take more --steps",
        false => "use it with --samplers ddpm",
    };
    let add = if names.len() == 1 { "adds" } else { "add" };
    let names = names.join(" and ");
    match all {
        true => Err(Failure::Usage(format!(
            "--strength: {names} {add} no noise; {advice}"
        ))),
        false => Ok(Some(format!(
            "--strength changes nothing for {names}, for no noise is added"
        ))),
    }
}

fn default_steps(timesteps: usize) -> Vec<usize> {
    let mut steps = vec![5, 10, 20, 50, 100];
    steps.retain(|&n| n <= timesteps);
    match steps[..] {
        [] => vec![timesteps],
        _ => steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_steps_fit_the_model() {
        assert_eq!(default_steps(100), [5, 10, 20, 50, 100]);
        assert_eq!(default_steps(4096), [5, 10, 20, 50, 100]);
        assert_eq!(default_steps(49), [5, 10, 20]);
        assert_eq!(default_steps(3), [3]);
    }
}
