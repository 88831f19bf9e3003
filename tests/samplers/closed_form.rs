//! Processes whose result is known: data of one Gaussian, for which the best
//! noise predictor and the probability-flow ODE have closed forms, and
//! identities between samplers.

use super::reference::cosine;
use srdiff::diffusion::{
    BetaSchedule, FEW_STEPS, MIN_FEW_SIGNAL, Sampler, Schedule, StepCoefficients, start_deviation,
};

/// Variance of the data.
const VARIANCE: f64 = 0.3;
const X_T: f64 = 1.7;

/// A schedule without the steep ends of real ones, so that orders of
/// convergence show at moderate numbers of steps. 2048 intervals divide
/// evenly by powers of two.
fn gentle() -> Schedule {
    let mut betas = vec![1e-3; 2049];
    betas[0] = 0.3;
    Schedule::from_betas(betas).expect("betas in (0, 1)")
}

/// Variance of x_t.
fn variance(abar: f64) -> f64 {
    abar * VARIANCE + 1.0 - abar
}

/// E[eps | x_t = x], what a perfect network would predict.
fn predictor(schedule: &Schedule, x: f64, timestep: u32) -> f64 {
    let abar = schedule.alphas_cumprod()[timestep as usize];
    (1.0 - abar).sqrt() * x / variance(abar)
}

/// x at the timestep of the last step, before that step goes to x_0.
fn integrate(schedule: &Schedule, steps: &[StepCoefficients]) -> f64 {
    let (mut x, mut previous_x0) = (X_T, 0.0);
    for step in &steps[..steps.len() - 1] {
        let step = step.without_clip();
        let eps = predictor(schedule, x, step.timestep);
        let x0 = (step.x0_from_x * x - step.x0_from_eps * eps).clamp(-step.clip, step.clip);
        assert_eq!(step.sigma, 0.0, "the ODE has no noise");
        x = step.from_x * x + step.from_x0 * x0 + step.from_previous_x0 * previous_x0;
        previous_x0 = x0;
    }
    x
}

/// Errors against the ODE's solution `x_0 = x_T sqrt(v_0 / v_T)` at 65, 129,
/// 257 and 513 steps: the intervals are halved each time.
fn errors(sampler: Sampler) -> Vec<f64> {
    let schedule = gentle();
    let abar = schedule.alphas_cumprod();
    let exact = X_T * (variance(abar[0]) / variance(abar[2048])).sqrt();
    [64, 128, 256, 512]
        .map(|intervals| {
            let steps = sampler.steps(&schedule, intervals + 1).unwrap();
            assert_eq!(steps.len(), intervals + 1);
            (integrate(&schedule, &steps) - exact).abs()
        })
        .to_vec()
}

#[test]
fn dpm_solver_is_of_second_order() {
    let errors = errors(Sampler::DpmSolverPlusPlus2M);
    println!("DPM-Solver++(2M): {errors:?}");
    for pair in errors.windows(2) {
        let ratio = pair[0] / pair[1];
        assert!((3.6..4.4).contains(&ratio), "{ratio} in {errors:?}");
    }
    assert!(errors[3] < 1e-6, "{errors:?}");
}

#[test]
fn ddim_is_of_first_order() {
    let errors = errors(Sampler::Ddim { eta: 0.0 });
    println!("DDIM: {errors:?}");
    for pair in errors.windows(2) {
        let ratio = pair[0] / pair[1];
        assert!((1.9..2.1).contains(&ratio), "{ratio} in {errors:?}");
    }
}

#[test]
fn the_first_dpm_solver_step_is_ddim() {
    for count in [2, 5, 100] {
        let solver = Sampler::DpmSolverPlusPlus2M.steps(&cosine(100), count);
        let ddim = Sampler::Ddim { eta: 0.0 }.steps(&cosine(100), count);
        let (solver, ddim) = (solver.unwrap()[0], ddim.unwrap()[0]);
        assert!((solver.from_x - ddim.from_x).abs() < 1e-12);
        assert!((solver.from_x0 - ddim.from_x0).abs() < 1e-12);
        assert_eq!(solver.from_previous_x0, 0.0);
    }
}

#[test]
fn ddim_with_full_noise_is_ddpm() {
    for count in [2, 7, 50, 100] {
        let ddpm = Sampler::Ddpm.steps(&cosine(100), count).unwrap();
        let ddim = Sampler::Ddim { eta: 1.0 }.steps(&cosine(100), count);
        for (a, b) in ddpm.iter().zip(&ddim.unwrap()) {
            let t = a.timestep;
            assert_eq!(t, b.timestep);
            assert!((a.from_x - b.from_x).abs() < 1e-9, "{count}, t = {t}");
            assert!((a.from_x0 - b.from_x0).abs() < 1e-9, "{count}, t = {t}");
            assert!((a.sigma - b.sigma).abs() < 1e-9, "{count}, t = {t}");
        }
    }
    let half = Sampler::Ddim { eta: 0.5 }.steps(&cosine(100), 100).unwrap();
    let full = Sampler::Ddim { eta: 1.0 }.steps(&cosine(100), 100).unwrap();
    for (half, full) in half.iter().zip(&full) {
        assert!((half.sigma - 0.5 * full.sigma).abs() < 1e-12);
    }
}

#[test]
fn every_step_keeps_the_marginal_distribution() {
    // With x = sqrt(abar) x0 + sqrt(1 - abar) e the next x must be distributed
    // as sqrt(abar') x0 + sqrt(1 - abar') e': its mean and variance are linear
    // in the coefficients. (DPM-Solver's second order extrapolates x0 instead.)
    let schedule = cosine(100);
    for sampler in [
        Sampler::Ddpm,
        Sampler::Ddim { eta: 0.0 },
        Sampler::Ddim { eta: 0.4 },
        Sampler::Ddim { eta: 1.0 },
    ] {
        for count in [2, 3, 10, 100] {
            let steps = sampler.steps(&schedule, count).unwrap();
            for pair in steps.windows(2) {
                let abar = schedule.alphas_cumprod()[pair[0].timestep as usize];
                let next = schedule.alphas_cumprod()[pair[1].timestep as usize];
                let mean = pair[0].from_x0 + pair[0].from_x * abar.sqrt();
                let variance = pair[0].from_x.powi(2) * (1.0 - abar) + pair[0].sigma.powi(2);
                assert!((mean - next.sqrt()).abs() < 1e-9, "{sampler}, {count}");
                assert!((variance - (1.0 - next)).abs() < 1e-9, "{sampler}, {count}");
            }
        }
    }
}

#[test]
fn dpm_solver_reproduces_a_constant_x0() {
    // Whatever the weights of the two estimates, equal ones give DDIM's result.
    let schedule = cosine(100);
    let steps = Sampler::DpmSolverPlusPlus2M.steps(&schedule, 20).unwrap();
    for pair in steps.windows(2) {
        let abar = schedule.alphas_cumprod()[pair[0].timestep as usize];
        let next = schedule.alphas_cumprod()[pair[1].timestep as usize];
        let from_x0 = pair[0].from_x0 + pair[0].from_previous_x0;
        let mean = from_x0 + pair[0].from_x * abar.sqrt();
        assert!((mean - next.sqrt()).abs() < 1e-9);
    }
}

#[test]
fn the_last_step_is_its_estimate_of_x0() {
    for sampler in [
        Sampler::Ddpm,
        Sampler::Ddim { eta: 1.0 },
        Sampler::DpmSolverPlusPlus2M,
    ] {
        for count in [1, 2, 100] {
            let steps = sampler.steps(&cosine(100), count).unwrap();
            let last = steps.last().unwrap();
            assert_eq!(steps.len(), count);
            // Few steps end before timestep 0.
            assert_eq!(last.timestep == 0, count == 100);
            assert_eq!(
                (last.from_x, last.from_x0, last.from_previous_x0, last.sigma),
                (0.0, 1.0, 0.0, 0.0)
            );
        }
    }
}

#[test]
fn nothing_reads_an_x0_before_the_first() {
    for count in [1, 2, 30] {
        let steps = Sampler::DpmSolverPlusPlus2M.steps(&cosine(100), count);
        let steps = steps.unwrap();
        assert_eq!(steps[0].from_previous_x0, 0.0);
        for step in &steps[1..count.max(2) - 1] {
            assert_ne!(step.from_previous_x0, 0.0);
        }
    }
}

/// An estimate of x0 from next to no signal multiplies the network's error.
#[test]
fn few_steps_start_where_there_is_signal() {
    let schedule = cosine(100);
    for count in 1..FEW_STEPS {
        let steps = Sampler::Ddpm.steps(&schedule, count).unwrap();
        assert_eq!(steps.len(), count);
        for step in &steps {
            assert!(schedule.alphas_cumprod()[step.timestep as usize] >= MIN_FEW_SIGNAL);
            assert!(step.x0_from_eps <= 7.0, "{count} steps: {step:?}");
        }
    }
    let whole = Sampler::Ddpm.steps(&schedule, FEW_STEPS).unwrap();
    assert_eq!((whole[0].timestep, whole[FEW_STEPS - 1].timestep), (99, 0));
}

/// Of the published schedule all of it, whatever the number of steps.
#[test]
fn processes_start_with_the_noise_of_their_first_timestep() {
    let start = |schedule: &Schedule, count| {
        let first = Sampler::Ddpm.steps(schedule, count).unwrap()[0];
        let abar = schedule.alphas_cumprod()[first.timestep as usize];
        (first.timestep, abar, start_deviation(abar))
    };
    let linear = Schedule::new(&BetaSchedule::LINEAR, 100).unwrap();
    for count in 1..=100 {
        assert_eq!(start(&cosine(100), count).2, 1.0);
        let (timestep, abar, deviation) = start(&linear, count);
        match count < FEW_STEPS {
            true => {
                assert!(timestep == 98 && abar > 0.3, "{count}: {timestep}, {abar}");
                assert_eq!(deviation, (1.0 - abar).sqrt());
            }
            false => assert_eq!((timestep, deviation), (99, 1.0)),
        }
    }
}

#[test]
fn one_step_of_a_short_schedule_starts_at_its_end() {
    for timesteps in [1, 2] {
        for schedule in [BetaSchedule::COSINE, BetaSchedule::LINEAR] {
            let schedule = Schedule::new(&schedule, timesteps).unwrap();
            let steps = Sampler::Ddpm.steps(&schedule, 1).unwrap();
            assert_eq!(steps[0].timestep as usize, timesteps - 1);
        }
    }
}
