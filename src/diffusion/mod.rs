//! Noise schedules, random noise and samplers of the reverse diffusion process.
//!
//! A [`Sampler`] turns a [`Schedule`] into a list of [`StepCoefficients`]. For
//! each step, an executor evaluates the noise predictor `eps = eps_theta(x, timestep)`
//! and then, per element,
//!
//! ```text
//! x0 = clamp(x0_from_x * x - x0_from_eps * eps, -clip, clip)
//! x' = from_x * x + from_x0 * x0 + from_previous_x0 * previous_x0 + sigma * z
//! ```
//!
//! All samplers share this form, so the same kernels serve them all. After the
//! last step `x' = x0`. The noise `z` and the initial `x_T` come from [`noise`],
//! the latter times [`start_deviation`].

pub mod noise;
mod sampler;
mod schedule;
mod updates;

pub use sampler::{
    FEW_STEPS, MIN_FEW_SIGNAL, Process, Sampler, SamplerError, StepCoefficients, start_deviation,
};
pub use schedule::{BetaSchedule, MAX_TIMESTEPS, Schedule, ScheduleError};
