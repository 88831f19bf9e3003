//! Schedule, noise and samplers of the reverse diffusion process.
//!
//! Everything here is independent of the network and of the device that runs
//! it. A [`Schedule`] holds the noise levels a model was trained with, a
//! [`Sampler`] turns it into a list of [`StepCoefficients`], and whoever
//! executes the steps evaluates, for each of them, the noise predictor
//! `eps = eps_theta(x, timestep)` and then two linear forms per element:
//!
//! ```text
//! x0 = clamp(x0_from_x * x - x0_from_eps * eps, -clip, clip)
//! x' = from_x * x + from_x0 * x0 + from_previous_x0 * previous_x0 + sigma * z
//! ```
//!
//! All samplers share that form, so one kernel serves them all, and there is a
//! place between the two lines where an estimate of `x0` can be corrected.
//! After the last step `x' = x0`.
//!
//! The noise `z`, and the `x_T` the process starts from, come from [`noise`]:
//! a function of the seed, the absolute position in the output picture, the
//! sample, the timestep and the channel, the same on every device and for
//! every division of the picture into tiles. `shaders/include/normal.wgsl` is its twin.

mod ddim;
mod ddpm;
mod dpm_solver;
pub mod noise;
mod sampler;
mod schedule;

pub use noise::{NoiseLayout, NoiseRegion, fill_noise};
pub use sampler::{FEW_STEPS, MIN_FEW_SIGNAL, Sampler, SamplerError, StepCoefficients};
pub use schedule::{BetaSchedule, MAX_TIMESTEPS, Schedule, ScheduleError};
