//! Samplers: the reverse process as a list of linear updates.

use super::schedule::{Schedule, linspace};
use super::updates::{ddim, ddpm, dpm_solver};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How the reverse process goes from noise to an image.
///
/// As text: `ddpm`, `ddim` (with eta: `ddim:0.5`) and `dpm++` (or
/// `dpm-solver++`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Sampler {
    /// Ancestral sampling (Ho et al. 2020), of the respaced process if there
    /// are fewer steps than timesteps.
    Ddpm,
    /// Denoising diffusion implicit models (Song et al. 2021); `eta` in 0..=1 is
    /// the noise of each step: 0 is deterministic, 1 as noisy as DDPM.
    Ddim { eta: f64 },
    /// DPM-Solver++(2M) (Lu et al. 2022): deterministic, second order except in
    /// the first and last step.
    DpmSolverPlusPlus2M,
}

/// A sampler with a number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    pub sampler: Sampler,
    /// From 1 to the timesteps of the schedule.
    pub steps: usize,
}

/// A sampler, or a number of steps, that there is not.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SamplerError {
    #[error(
        "`steps` {steps}: the model's schedule has {timesteps} timesteps; \
         choose a number of steps from 1 to {timesteps}"
    )]
    Steps { steps: usize, timesteps: usize },
    #[error("`eta` {0}: choose a number from 0 (deterministic) to 1 (as noisy as DDPM)")]
    Eta(f64),
    #[error("`sampler` {0}: choose ddpm, ddim or dpm++")]
    Name(String),
}

/// The weights of one step's two formulas; see the [module](super).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepCoefficients {
    /// Where the step starts; the noise predictor and [`noise`](super::noise)
    /// depend on it.
    pub timestep: u32,
    pub x0_from_x: f64,
    pub x0_from_eps: f64,
    /// Bound of `|x0|`: 1, the range the residual was trained in.
    pub clip: f64,
    pub from_x: f64,
    pub from_x0: f64,
    /// Zero in the first step, which has no `previous_x0`.
    pub from_previous_x0: f64,
    /// Zero if the step draws no noise.
    pub sigma: f64,
}

impl Sampler {
    /// The `steps` steps of the reverse process, in the order they run.
    ///
    /// From [`FEW_STEPS`] steps on they visit `round(linspace(0, T - 1, steps))`
    /// (half to even), largest first. Fewer steps are spaced evenly over the
    /// timesteps at which enough signal is left ([`MIN_FEW_SIGNAL`]), if there
    /// are at least twice as many of those as steps: an estimate of `x0` from
    /// almost pure noise multiplies the network's error, and few steps cannot
    /// correct it. One step of a schedule without those visits `T - 1`. The last
    /// step's result is its estimate of `x0`, without noise.
    ///
    /// # Errors
    /// When `steps` is not in `1..=schedule.timesteps()` or eta is not in 0..=1.
    pub fn steps(
        &self,
        schedule: &Schedule,
        steps: usize,
    ) -> Result<Vec<StepCoefficients>, SamplerError> {
        let visited = spaced_timesteps(schedule.alphas_cumprod(), steps)?;
        self.steps_at(schedule, &visited)
    }

    /// The steps of a reverse process that visits these timesteps.
    ///
    /// # Errors
    /// When eta is not in 0..=1.
    ///
    /// # Panics
    /// When the timesteps do not decrease or are not of the schedule.
    pub fn steps_at(
        &self,
        schedule: &Schedule,
        visited: &[usize],
    ) -> Result<Vec<StepCoefficients>, SamplerError> {
        if let Sampler::Ddim { eta } = *self {
            check_eta(eta)?;
        }
        let abar = schedule.alphas_cumprod();
        assert!(
            visited.windows(2).all(|pair| pair[0] > pair[1])
                && visited.iter().all(|&t| t < abar.len()),
            "steps_at: timesteps {visited:?} of {}",
            abar.len()
        );
        let coefficients = visited.iter().enumerate().map(|(i, &t)| {
            let previous = i.checked_sub(1).map(|before| abar[visited[before]]);
            let update = match visited.get(i + 1) {
                Some(&next) => self.update(previous, abar[t], abar[next]),
                // The limit of every sampler's update as `abar_next` goes to 1.
                None => StepCoefficients {
                    from_x0: 1.0,
                    ..StepCoefficients::default()
                },
            };
            let reciprocal = 1.0 / abar[t];
            StepCoefficients {
                timestep: t as u32,
                x0_from_x: reciprocal.sqrt(),
                x0_from_eps: (reciprocal - 1.0).sqrt(),
                clip: 1.0,
                ..update
            }
        });
        Ok(coefficients.collect())
    }

    fn update(self, abar_previous: Option<f64>, abar: f64, abar_next: f64) -> StepCoefficients {
        match self {
            Sampler::Ddpm => ddpm(abar, abar_next),
            Sampler::Ddim { eta } => ddim(eta, abar, abar_next),
            Sampler::DpmSolverPlusPlus2M => dpm_solver(abar_previous, abar, abar_next),
        }
    }
}

impl StepCoefficients {
    /// The same step without clamping `x0`.
    pub fn without_clip(self) -> Self {
        Self {
            clip: f64::from(f32::MAX),
            ..self
        }
    }
}

/// Number of steps from which on they are spaced over the whole schedule.
pub const FEW_STEPS: usize = 10;

/// Smallest `alphas_cumprod` at which a process of fewer than [`FEW_STEPS`] steps
/// starts. There, the error of a noise estimate is multiplied by 7.
pub const MIN_FEW_SIGNAL: f64 = 0.02;

/// Standard deviation of the noise that a process starts with whose first step is
/// at this `alphas_cumprod`: 1, as in training at T, where next to no signal is
/// left. Schedules that lose much of it in their last timestep (linear ones) start
/// earlier with few steps, and the network expects as much less noise there.
pub fn start_deviation(abar: f64) -> f64 {
    match abar > 2.0 * MIN_FEW_SIGNAL {
        true => (1.0 - abar).sqrt(),
        false => 1.0,
    }
}

/// The timesteps that [`Sampler::steps`] visits.
fn spaced_timesteps(abar: &[f64], steps: usize) -> Result<Vec<usize>, SamplerError> {
    let timesteps = abar.len();
    if steps == 0 || steps > timesteps {
        return Err(SamplerError::Steps { steps, timesteps });
    }
    let round = |t: f64| t.round_ties_even() as usize;
    let most = abar.partition_point(|&abar| abar >= MIN_FEW_SIGNAL);
    let mut spaced: Vec<usize> = if steps < FEW_STEPS && 2 * steps <= most {
        let each = (most - 1) as f64 / steps as f64;
        (1..=steps).map(|i| round(each * i as f64)).collect()
    } else if steps == 1 {
        vec![timesteps - 1]
    } else {
        linspace(0.0, (timesteps - 1) as f64, steps)
            .map(round)
            .collect()
    };
    spaced.dedup();
    spaced.reverse();
    Ok(spaced)
}

fn check_eta(eta: f64) -> Result<(), SamplerError> {
    match eta {
        0.0..=1.0 => Ok(()),
        _ => Err(SamplerError::Eta(eta)),
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Sampler::Ddpm => f.write_str("ddpm"),
            Sampler::Ddim { eta: 0.0 } => f.write_str("ddim"),
            Sampler::Ddim { eta } => write!(f, "ddim:{eta}"),
            Sampler::DpmSolverPlusPlus2M => f.write_str("dpm++"),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Process { sampler, steps } = self;
        let plural = if *steps == 1 { "" } else { "s" };
        write!(f, "{sampler}, {steps} step{plural}")
    }
}

impl From<Sampler> for String {
    fn from(sampler: Sampler) -> Self {
        sampler.to_string()
    }
}

impl TryFrom<String> for Sampler {
    type Error = SamplerError;

    fn try_from(name: String) -> Result<Self, SamplerError> {
        name.parse()
    }
}

impl FromStr for Sampler {
    type Err = SamplerError;

    fn from_str(name: &str) -> Result<Self, SamplerError> {
        match name {
            "ddpm" => Ok(Sampler::Ddpm),
            "ddim" => Ok(Sampler::Ddim { eta: 0.0 }),
            "dpm++" | "dpm-solver++" => Ok(Sampler::DpmSolverPlusPlus2M),
            _ => {
                let eta = name.strip_prefix("ddim:").and_then(|eta| eta.parse().ok());
                let eta = eta.ok_or_else(|| SamplerError::Name(name.to_owned()))?;
                check_eta(eta)?;
                Ok(Sampler::Ddim { eta })
            }
        }
    }
}
