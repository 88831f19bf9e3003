//! What each sampler makes of x on the way from `alphas_cumprod` `abar` to
//! `abar_next`: the weights of the next x. The others are zero.

use super::StepCoefficients;

/// Ancestral sampling of the diffusion's own posterior (Ho et al. 2020): draws
/// from `q(x_next | x, x0)` (eq. 6 and 7):
///
/// ```text
/// mean     = beta sqrt(abar_next) / (1 - abar) x0 + (1 - abar_next) sqrt(alpha) / (1 - abar) x
/// variance = beta (1 - abar_next) / (1 - abar)
/// ```
///
/// Between neighbouring timesteps `alpha = abar / abar_next` is the schedule's;
/// if timesteps are left out, it belongs to the respaced process (Nichol &
/// Dhariwal 2021, section 4).
pub(super) fn ddpm(abar: f64, abar_next: f64) -> StepCoefficients {
    let alpha = abar / abar_next;
    let beta = 1.0 - alpha;
    StepCoefficients {
        from_x: (1.0 - abar_next) * alpha.sqrt() / (1.0 - abar),
        from_x0: beta * abar_next.sqrt() / (1.0 - abar),
        sigma: (beta * (1.0 - abar_next) / (1.0 - abar)).sqrt(),
        ..StepCoefficients::default()
    }
}

/// Denoising diffusion implicit models (Song et al. 2021, arXiv 2010.02502,
/// eq. 12 and 16):
///
/// ```text
/// e     = (x - sqrt(abar) x0) / sqrt(1 - abar)
/// sigma = eta sqrt((1 - abar_next) / (1 - abar)) sqrt(1 - abar / abar_next)
/// x'    = sqrt(abar_next) x0 + sqrt(1 - abar_next - sigma^2) e + sigma z
/// ```
///
/// `e` comes from the clamped `x0`, not from the network, to stay consistent
/// with it.
pub(super) fn ddim(eta: f64, abar: f64, abar_next: f64) -> StepCoefficients {
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

/// DPM-Solver++(2M): second-order multistep, data prediction, deterministic
/// (Lu et al. 2022, arXiv 2211.01095, algorithm 2). The step before this one
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
pub(super) fn dpm_solver(
    abar_previous: Option<f64>,
    abar: f64,
    abar_next: f64,
) -> StepCoefficients {
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
