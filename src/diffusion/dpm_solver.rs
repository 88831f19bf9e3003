//! DPM-Solver++(2M): second-order multistep, data prediction, deterministic
//! (Lu et al. 2022, arXiv 2211.01095, algorithm 2).

use super::StepCoefficients;

/// Goes from `alphas_cumprod` `abar` to `abar_next`. The step before this one
/// started at `abar_previous`; the first step has none and is of first order,
/// the same as DDIM with eta 0.
///
/// With `alpha = sqrt(abar)`, `sigma = sqrt(1 - abar)`, `lambda = ln(alpha / sigma)`,
/// `h = lambda_next - lambda` and `r = h_previous / h`:
///
/// ```text
/// d  = (1 + 1 / (2 r)) x0 - 1 / (2 r) previous_x0
/// x' = sigma_next / sigma x - alpha_next (exp(-h) - 1) d
/// ```
pub(super) fn step(abar_previous: Option<f64>, abar: f64, abar_next: f64) -> StepCoefficients {
    let h = lambda(abar_next) - lambda(abar);
    let gain = -abar_next.sqrt() * (-h).exp_m1();
    let extrapolation = abar_previous.map_or(0.0, |previous| {
        h / (2.0 * (lambda(abar) - lambda(previous)))
    });
    StepCoefficients {
        from_x: ((1.0 - abar_next) / (1.0 - abar)).sqrt(),
        from_x0: gain * (1.0 + extrapolation),
        from_previous_x0: -gain * extrapolation,
        ..StepCoefficients::default()
    }
}

/// Half the logarithm of the signal-to-noise ratio.
fn lambda(abar: f64) -> f64 {
    0.5 * (abar / (1.0 - abar)).ln()
}
