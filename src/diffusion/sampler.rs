//! Samplers: the reverse process as a list of linear updates.

use std::fmt;
use std::str::FromStr;

use super::schedule::{Schedule, linspace, x0_from_eps};
use super::{ddim, ddpm, dpm_solver};

/// A way to go from noise to a picture.
///
/// Written `ddpm`, `ddim` (with eta: `ddim:0.5`) and `dpm++`
/// (also `dpm-solver++`) on a command line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampler {
    /// Ancestral sampling (Ho et al. 2020). With fewer steps than the schedule
    /// has timesteps, that of the respaced process.
    Ddpm,
    /// Denoising diffusion implicit models (Song et al. 2021).
    Ddim {
        /// Noise added by each step, in 0..=1: 0 is deterministic, 1 as much as DDPM.
        eta: f64,
    },
    /// DPM-Solver++(2M) (Lu et al. 2022): deterministic, second order, for few
    /// steps. First order on the first step and the last.
    DpmSolverPlusPlus2M,
}

/// A sampler, or a number of steps, that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SamplerError {
    /// The number of steps does not fit the schedule.
    #[error(
        "--steps {steps}: the model's schedule has {timesteps} timesteps; \
         choose a number of steps from 1 to {timesteps}"
    )]
    Steps {
        /// What was asked for.
        steps: usize,
        /// Timesteps of the schedule.
        timesteps: usize,
    },
    /// Eta is not in 0..=1.
    #[error("--eta {0}: choose a number from 0 (deterministic) to 1 (as noisy as DDPM)")]
    Eta(f64),
    /// No sampler has this name.
    #[error("--sampler {0}: choose ddpm, ddim or dpm++")]
    Name(String),
}

/// One step of the reverse process, in f64 (see the [module](super) for the
/// two formulas).
///
/// An executor keeps each step's `x0` as the next one's `previous_x0`. Before
/// the first step that buffer must hold finite numbers (zeros): its weight is
/// zero then, but zero times NaN is NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepCoefficients {
    /// Where the step starts; what the noise predictor is told, and the `step`
    /// that [`noise`](super::noise) is drawn for when `sigma` is not zero.
    pub timestep: u32,
    /// Weight of `x` in the estimate of `x0`.
    pub x0_from_x: f64,
    /// Weight of the predicted noise, subtracted, in the estimate of `x0`.
    pub x0_from_eps: f64,
    /// Bound of `|x0|`: 1, the range the residual was trained in.
    pub clip: f64,
    /// Weight of `x` in the next `x`.
    pub from_x: f64,
    /// Weight of `x0` in the next `x`.
    pub from_x0: f64,
    /// Weight of the `x0` estimated by the step before, in the next `x`.
    pub from_previous_x0: f64,
    /// Weight of fresh standard normal noise in the next `x`; zero means none
    /// has to be drawn.
    pub sigma: f64,
}

/// How the next `x` is put together; what each sampler defines.
pub(super) struct Update {
    pub from_x: f64,
    pub from_x0: f64,
    pub from_previous_x0: f64,
    pub sigma: f64,
}

impl Sampler {
    /// The `steps` steps of the reverse process, in the order they run.
    ///
    /// From [`FEW_STEPS`] steps on they visit `round(linspace(0, T - 1, steps))`
    /// (half to even), largest first. Fewer steps are spaced evenly up to the
    /// last timestep at which enough signal is left ([`MIN_FEW_SIGNAL`]), where
    /// there are twice as many such timesteps: an
    /// estimate of `x0` from all but pure noise multiplies the network's
    /// error, and few steps cannot make up for it. The last step's result is
    /// its estimate of `x0`, without noise.
    ///
    /// # Errors
    /// When `steps` is not in `1..=schedule.timesteps()`, or DDIM's eta is not
    /// in 0..=1.
    pub fn steps(
        &self,
        schedule: &Schedule,
        steps: usize,
    ) -> Result<Vec<StepCoefficients>, SamplerError> {
        let visited = spaced_timesteps(schedule.alphas_cumprod(), steps)?;
        self.steps_at(schedule, &visited)
    }

    /// The steps of a reverse process that visits these timesteps, largest
    /// first.
    ///
    /// # Errors
    /// When DDIM's eta is not in 0..=1.
    ///
    /// # Panics
    /// When the timesteps do not fall, or the schedule has not so many.
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
                None => Update::LAST,
            };
            let (x0_from_x, x0_from_eps) = x0_from_eps(abar[t]);
            StepCoefficients {
                timestep: t as u32,
                x0_from_x,
                x0_from_eps,
                clip: 1.0,
                from_x: update.from_x,
                from_x0: update.from_x0,
                from_previous_x0: update.from_previous_x0,
                sigma: update.sigma,
            }
        });
        Ok(coefficients.collect())
    }

    fn update(&self, abar_previous: Option<f64>, abar: f64, abar_next: f64) -> Update {
        match *self {
            Sampler::Ddpm => ddpm::step(abar, abar_next),
            Sampler::Ddim { eta } => ddim::step(eta, abar, abar_next),
            Sampler::DpmSolverPlusPlus2M => dpm_solver::step(abar_previous, abar, abar_next),
        }
    }
}

impl Update {
    /// The limit of every sampler's update as `abar_next` goes to 1: the clean
    /// picture is the estimate of it.
    const LAST: Update = Update {
        from_x: 0.0,
        from_x0: 1.0,
        from_previous_x0: 0.0,
        sigma: 0.0,
    };
}

impl StepCoefficients {
    /// The same step with `x0` left as estimated.
    pub fn without_clip(self) -> Self {
        Self {
            clip: f64::from(f32::MAX),
            ..self
        }
    }
}

/// Steps from which on a process visits the whole schedule.
pub const FEW_STEPS: usize = 10;

/// `alphas_cumprod` that a process of fewer than [`FEW_STEPS`] steps starts
/// at, at least: there the error of a noise estimate is multiplied by 7.
pub const MIN_FEW_SIGNAL: f64 = 0.02;

/// `steps` timesteps of a schedule, largest first; see [`Sampler::steps`].
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
    if (0.0..=1.0).contains(&eta) {
        Ok(())
    } else {
        Err(SamplerError::Eta(eta))
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

impl FromStr for Sampler {
    type Err = SamplerError;

    fn from_str(name: &str) -> Result<Self, SamplerError> {
        match name {
            "ddpm" => Ok(Sampler::Ddpm),
            "ddim" => Ok(Sampler::Ddim { eta: 0.0 }),
            "dpm++" | "dpm-solver++" => Ok(Sampler::DpmSolverPlusPlus2M),
            _ => {
                let eta = name
                    .strip_prefix("ddim:")
                    .and_then(|eta| eta.parse().ok())
                    .ok_or_else(|| SamplerError::Name(name.to_owned()))?;
                check_eta(eta)?;
                Ok(Sampler::Ddim { eta })
            }
        }
    }
}
