//! Denoising diffusion implicit models (Song et al. 2021, arXiv 2010.02502).

use super::StepCoefficients;

/// Goes from `alphas_cumprod` `abar` to `abar_next` (eq. 12 and 16):
///
/// ```text
/// e     = (x - sqrt(abar) x0) / sqrt(1 - abar)
/// sigma = eta sqrt((1 - abar_next) / (1 - abar)) sqrt(1 - abar / abar_next)
/// x'    = sqrt(abar_next) x0 + sqrt(1 - abar_next - sigma^2) e + sigma z
/// ```
///
/// `e` comes from the clamped `x0`, not from the network, to stay consistent
/// with it.
pub(super) fn step(eta: f64, abar: f64, abar_next: f64) -> StepCoefficients {
    let variance = eta * eta * (1.0 - abar_next) / (1.0 - abar) * (1.0 - abar / abar_next);
    // At eta = 1 and abar near 0 the difference may round below zero.
    let direction = (1.0 - abar_next - variance).max(0.0).sqrt();
    let from_x = direction / (1.0 - abar).sqrt();
    StepCoefficients {
        from_x,
        from_x0: abar_next.sqrt() - from_x * abar.sqrt(),
        sigma: variance.sqrt(),
        ..StepCoefficients::default()
    }
}
