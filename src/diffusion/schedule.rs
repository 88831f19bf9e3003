//! Noise schedules: how much of the image is left at each timestep.

use serde::{Deserialize, Serialize};

/// Most timesteps a schedule may have; [`noise`](super::noise) has 20 bits for one.
pub const MAX_TIMESTEPS: usize = 4096;

/// Largest beta of the named schedules, so that `alpha` never reaches zero.
const MAX_BETA: f64 = 0.999;

/// Smallest `alphas_cumprod` accepted. `sqrt(1 / alphas_cumprod)` scales `x` and
/// `eps` in f32 before their difference is clamped; below this both could
/// overflow and the difference would be NaN.
const MIN_ALPHA_CUMPROD: f64 = 1e-30;

/// The rule that gives a model's betas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BetaSchedule {
    /// Cosine of Nichol & Dhariwal 2021, eq. 17, in the form published SRDiff
    /// models were trained with (see [`Schedule::new`]).
    Cosine {
        /// Offset that keeps the first betas from vanishing.
        s: f64,
    },
    /// Evenly spaced betas in (0, 1) of Ho et al. 2020, the last one replaced
    /// by 0.999.
    Linear { start: f64, end: f64 },
}

impl BetaSchedule {
    pub const PUBLISHED_S: f64 = 0.008;
    /// First and last beta of the published linear schedules.
    pub const PUBLISHED_START: f64 = 1e-4;
    pub const PUBLISHED_END: f64 = 0.02;
    pub const COSINE: Self = Self::Cosine {
        s: Self::PUBLISHED_S,
    };
    pub const LINEAR: Self = Self::Linear {
        start: Self::PUBLISHED_START,
        end: Self::PUBLISHED_END,
    };
}

/// Settings that no noise schedule has.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    #[error(
        "timesteps {0}: a noise schedule has 1 to {MAX_TIMESTEPS} timesteps; \
         correct `timesteps` in the model's settings"
    )]
    Timesteps(usize),
    #[error(
        "the noise schedule's beta at timestep {timestep} is {beta}, outside (0, 1); \
         correct the beta schedule in the model's settings"
    )]
    Beta { timestep: usize, beta: f64 },
    /// So much noise that f32 could not restore the signal.
    #[error(
        "the noise schedule leaves a signal of {alpha_cumprod:e} at timestep {timestep}, \
         too little for f32; use smaller betas or fewer timesteps in the model's settings"
    )]
    Vanishing { timestep: usize, alpha_cumprod: f64 },
}

/// The forward process `x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps`, in f64.
///
/// Index `t` runs over `0..timesteps()`; `abar` is `alphas_cumprod`.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    betas: Vec<f64>,
    alphas_cumprod: Vec<f64>,
}

impl Schedule {
    /// Builds the schedule of a model with `timesteps` (T) timesteps.
    ///
    /// Cosine: `f_i = cos(((x_i / (T + 1)) + s) / (1 + s) * pi / 2)^2` at
    /// `x = linspace(0, T + 1, T + 1)`, and `beta_t = clip(1 - f_{t+1} / f_t, 0, 0.999)`.
    /// The paper's linspace ends at T; the published models were trained with
    /// one that ends at T + 1.
    ///
    /// Linear: `linspace(start, end, T)` with the last beta set to 0.999.
    ///
    /// # Errors
    /// When `timesteps` is not in `1..=MAX_TIMESTEPS`, when the parameters give
    /// a beta outside (0, 1), or when less signal is left than f32 can restore.
    pub fn new(schedule: &BetaSchedule, timesteps: usize) -> Result<Self, ScheduleError> {
        check_timesteps(timesteps)?;
        Self::from_betas(match *schedule {
            BetaSchedule::Cosine { s } => cosine_betas(s, timesteps),
            BetaSchedule::Linear { start, end } => linear_betas(start, end, timesteps),
        })
    }

    /// Builds a schedule from its betas, timestep 0 first.
    ///
    /// # Errors
    /// As [`Schedule::new`].
    pub fn from_betas(betas: Vec<f64>) -> Result<Self, ScheduleError> {
        check_timesteps(betas.len())?;
        let mut alphas_cumprod = Vec::with_capacity(betas.len());
        let mut product = 1.0;
        for (timestep, &beta) in betas.iter().enumerate() {
            let alpha = 1.0 - beta;
            // A beta too small to change 1 would leave 1 - abar at zero.
            if !(beta > 0.0 && beta < 1.0 && alpha < 1.0) {
                return Err(ScheduleError::Beta { timestep, beta });
            }
            product *= alpha;
            if product < MIN_ALPHA_CUMPROD {
                return Err(ScheduleError::Vanishing {
                    timestep,
                    alpha_cumprod: product,
                });
            }
            alphas_cumprod.push(product);
        }
        Ok(Self {
            betas,
            alphas_cumprod,
        })
    }

    /// Number of timesteps, T.
    pub fn timesteps(&self) -> usize {
        self.betas.len()
    }

    /// `beta_t`, the variance of the noise added at timestep t.
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// `abar_t`, the product of `alpha_0 ..= alpha_t`.
    pub fn alphas_cumprod(&self) -> &[f64] {
        &self.alphas_cumprod
    }
}

fn check_timesteps(timesteps: usize) -> Result<(), ScheduleError> {
    match timesteps {
        1..=MAX_TIMESTEPS => Ok(()),
        _ => Err(ScheduleError::Timesteps(timesteps)),
    }
}

fn cosine_betas(s: f64, timesteps: usize) -> Vec<f64> {
    let steps = (timesteps + 1) as f64;
    let f: Vec<f64> = linspace(0.0, steps, timesteps + 1)
        .map(|x| {
            let angle = (x / steps + s) / (1.0 + s) * std::f64::consts::FRAC_PI_2;
            angle.cos().powi(2)
        })
        .collect();
    f.windows(2)
        .map(|pair| (1.0 - pair[1] / pair[0]).clamp(0.0, MAX_BETA))
        .collect()
}

fn linear_betas(start: f64, end: f64, timesteps: usize) -> Vec<f64> {
    let mut betas: Vec<f64> = linspace(start, end, timesteps).collect();
    betas[timesteps - 1] = MAX_BETA;
    betas
}

/// `count` evenly spaced numbers from `start` to `end` inclusive, rounded as
/// NumPy's `linspace` rounds them; `start` alone when `count` is 1.
pub(super) fn linspace(start: f64, end: f64, count: usize) -> impl Iterator<Item = f64> {
    let step = (end - start) / (count.max(2) - 1) as f64;
    (0..count).map(move |i| {
        if i > 0 && i + 1 == count {
            end
        } else {
            i as f64 * step + start
        }
    })
}
