//! Noise schedules: how much of the picture is left at each timestep.

use serde::{Deserialize, Serialize};

/// Most timesteps a schedule may have.
///
/// The published models have 100; 1000 is the field's custom. The bound keeps
/// a timestep within the bits the noise generator gives it.
pub const MAX_TIMESTEPS: usize = 4096;

/// Largest beta either schedule uses, so that `alpha` never reaches zero.
const MAX_BETA: f64 = 0.999;

/// Least `alphas_cumprod` accepted. `sqrt(1 / alphas_cumprod)` scales `x` and
/// `eps` in f32 before their difference is clamped; below this the two could
/// overflow and the difference be NaN.
const MIN_ALPHA_CUMPROD: f64 = 1e-30;

/// The rule a model's betas were made by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BetaSchedule {
    /// Cosine of Nichol & Dhariwal 2021, eq. 17, in the form published SRDiff
    /// models were trained with (see [`Schedule::new`]).
    Cosine {
        /// Offset that keeps the first betas from vanishing; 0.008 as published.
        s: f64,
    },
    /// Evenly spaced betas of Ho et al. 2020, the last one replaced by 0.999.
    Linear {
        /// Beta at timestep 0, in (0, 1); 1e-4 as published.
        start: f64,
        /// Beta the line ends at, in (0, 1); 0.02 as published.
        end: f64,
    },
}

impl BetaSchedule {
    /// Offset of the published cosine schedules.
    pub const PUBLISHED_S: f64 = 0.008;
    /// First beta of the published linear schedules.
    pub const PUBLISHED_START: f64 = 1e-4;
    /// Where the betas of the published linear schedules end.
    pub const PUBLISHED_END: f64 = 0.02;
    /// The published cosine schedule.
    pub const COSINE: Self = Self::Cosine {
        s: Self::PUBLISHED_S,
    };
    /// The published linear schedule.
    pub const LINEAR: Self = Self::Linear {
        start: Self::PUBLISHED_START,
        end: Self::PUBLISHED_END,
    };
}

/// A schedule that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// The number of timesteps is zero or too large.
    #[error(
        "timesteps {0}: a noise schedule has 1 to {MAX_TIMESTEPS} timesteps; \
         correct `timesteps` in the model's settings"
    )]
    Timesteps(usize),
    /// A beta is not a number strictly between 0 and 1.
    #[error(
        "the noise schedule's beta at timestep {timestep} is {beta}, outside (0, 1); \
         correct the beta schedule in the model's settings"
    )]
    Beta {
        /// Where it stands.
        timestep: usize,
        /// Its value.
        beta: f64,
    },
    /// So much noise that f32 arithmetic could not bring the signal back.
    #[error(
        "the noise schedule leaves a signal of {alpha_cumprod:e} at timestep {timestep}, \
         too little for f32; use smaller betas or fewer timesteps in the model's settings"
    )]
    Vanishing {
        /// First timestep at which it is too small.
        timestep: usize,
        /// `alphas_cumprod` there.
        alpha_cumprod: f64,
    },
}

/// The forward process `x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps`, in f64.
///
/// Index `t` runs over `0..timesteps()`; `abar` is `alphas_cumprod`.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    betas: Vec<f64>,
    alphas: Vec<f64>,
    alphas_cumprod: Vec<f64>,
}

impl Schedule {
    /// Builds the schedule of a model with `timesteps` (T) timesteps.
    ///
    /// Cosine: `f_i = cos(((x_i / (T + 1)) + s) / (1 + s) * pi / 2)^2` at
    /// `x = linspace(0, T + 1, T + 1)`, and `beta_t = clip(1 - f_{t+1} / f_t, 0, 0.999)`.
    /// That linspace ends at T + 1 where the paper's ends at T; published
    /// models were trained with it, so it is part of their definition.
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
        let mut alphas = Vec::with_capacity(betas.len());
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
            alphas.push(alpha);
            alphas_cumprod.push(product);
        }
        Ok(Self {
            betas,
            alphas,
            alphas_cumprod,
        })
    }

    /// Number of timesteps, T.
    pub fn timesteps(&self) -> usize {
        self.betas.len()
    }

    /// `beta_t`, the variance of the noise added at each timestep.
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// `alpha_t = 1 - beta_t`.
    pub fn alphas(&self) -> &[f64] {
        &self.alphas
    }

    /// `abar_t`, the product of `alpha_0 ..= alpha_t`.
    pub fn alphas_cumprod(&self) -> &[f64] {
        &self.alphas_cumprod
    }

    /// `abar_{t-1}`, which is 1 before timestep 0 (the clean picture).
    ///
    /// # Panics
    /// When `t` is not below `timesteps()`, as do the methods below.
    pub fn alpha_cumprod_before(&self, t: usize) -> f64 {
        assert!(
            t < self.timesteps(),
            "schedule: timestep {t} of {}",
            self.timesteps()
        );
        if t == 0 {
            1.0
        } else {
            self.alphas_cumprod[t - 1]
        }
    }

    /// `(sqrt(abar_t), sqrt(1 - abar_t))`: the weights of `x_0` and `eps` in
    /// `x_t` (PyTorch buffers `sqrt_alphas_cumprod`, `sqrt_one_minus_alphas_cumprod`).
    pub fn forward(&self, t: usize) -> (f64, f64) {
        let abar = self.alphas_cumprod[t];
        (abar.sqrt(), (1.0 - abar).sqrt())
    }

    /// `(sqrt(1 / abar_t), sqrt(1 / abar_t - 1))`: `x_0` is the first times
    /// `x_t` minus the second times `eps` (PyTorch buffers
    /// `sqrt_recip_alphas_cumprod`, `sqrt_recipm1_alphas_cumprod`).
    pub fn x0_from_eps(&self, t: usize) -> (f64, f64) {
        x0_from_eps(self.alphas_cumprod[t])
    }
}

/// [`Schedule::x0_from_eps`] for a given `alphas_cumprod`.
pub(super) fn x0_from_eps(alpha_cumprod: f64) -> (f64, f64) {
    let reciprocal = 1.0 / alpha_cumprod;
    (reciprocal.sqrt(), (reciprocal - 1.0).sqrt())
}

fn check_timesteps(timesteps: usize) -> Result<(), ScheduleError> {
    if (1..=MAX_TIMESTEPS).contains(&timesteps) {
        Ok(())
    } else {
        Err(ScheduleError::Timesteps(timesteps))
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
