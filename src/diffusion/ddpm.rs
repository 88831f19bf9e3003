//! Ancestral sampling of the diffusion's own posterior (Ho et al. 2020).

use super::StepCoefficients;

/// Goes from `alphas_cumprod` `abar` to `abar_next` by drawing from
/// `q(x_next | x, x0)` (eq. 6 and 7):
///
/// ```text
/// mean     = beta sqrt(abar_next) / (1 - abar) x0 + (1 - abar_next) sqrt(alpha) / (1 - abar) x
/// variance = beta (1 - abar_next) / (1 - abar)
/// ```
///
/// Between neighbouring timesteps `alpha = abar / abar_next` is the schedule's;
/// if timesteps are left out, it belongs to the respaced process (Nichol &
/// Dhariwal 2021, section 4).
pub(super) fn step(abar: f64, abar_next: f64) -> StepCoefficients {
    let alpha = abar / abar_next;
    let beta = 1.0 - alpha;
    StepCoefficients {
        from_x: (1.0 - abar_next) * alpha.sqrt() / (1.0 - abar),
        from_x0: beta * abar_next.sqrt() / (1.0 - abar),
        sigma: (beta * (1.0 - abar_next) / (1.0 - abar)).sqrt(),
        ..StepCoefficients::default()
    }
}
