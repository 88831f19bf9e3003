//! Against the numbers of tests/data/diffusion.py.

use serde::Deserialize;
use srdiff::diffusion::{BetaSchedule, Sampler, Schedule, StepCoefficients};

/// Schedules are worked out in f64 on both sides.
const RELATIVE: f64 = 1e-12;
/// Sampling runs in f32 with operations in another order.
const F32_CHAIN: f32 = 2e-6;

#[derive(Deserialize)]
struct Reference {
    schedules: Vec<ScheduleCase>,
    spacings: Vec<Spacing>,
    #[serde(rename = "x_T")]
    x_t: Vec<f32>,
    /// Row t is added by the step at timestep t.
    noise: Vec<Vec<f32>>,
    ddpm: Vec<f32>,
    ddim: Vec<DdimCase>,
}

#[derive(Deserialize)]
struct ScheduleCase {
    schedule: BetaSchedule,
    buffers: Buffers,
}

#[derive(Deserialize)]
struct Buffers {
    betas: Vec<f64>,
    alphas_cumprod: Vec<f64>,
    sqrt_recip_alphas_cumprod: Vec<f64>,
    sqrt_recipm1_alphas_cumprod: Vec<f64>,
    posterior_mean_coef1: Vec<f64>,
    posterior_mean_coef2: Vec<f64>,
    posterior_variance: Vec<f64>,
}

#[derive(Deserialize)]
struct Spacing {
    timesteps: usize,
    steps: usize,
    spacing: Vec<u32>,
}

#[derive(Deserialize)]
struct DdimCase {
    steps: usize,
    result: Vec<f32>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../data/diffusion.json")).expect("the reference data")
}

pub fn cosine(timesteps: usize) -> Schedule {
    Schedule::new(&BetaSchedule::Cosine { s: 0.008 }, timesteps).expect("the published schedule")
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= RELATIVE * expected.abs()
}

#[track_caller]
fn assert_close(found: f64, expected: f64, what: &str) {
    assert!(
        close(found, expected),
        "{what}: {found:e}, not {expected:e}"
    );
}

#[test]
fn schedules_have_the_published_buffers() {
    for ScheduleCase { schedule, buffers } in reference().schedules {
        let timesteps = buffers.betas.len();
        let ours = Schedule::new(&schedule, timesteps).expect("a published schedule");
        assert_eq!(ours.timesteps(), timesteps);
        for t in 0..timesteps {
            let at = |name: &str| format!("{schedule:?}, T = {timesteps}: {name}[{t}]");
            assert_close(ours.betas()[t], buffers.betas[t], &at("betas"));
            let abar = buffers.alphas_cumprod[t];
            assert_close(ours.alphas_cumprod()[t], abar, &at("alphas_cumprod"));
        }
    }
}

#[test]
fn ddpm_steps_have_the_published_posterior() {
    for ScheduleCase { schedule, buffers } in reference().schedules {
        let timesteps = buffers.betas.len();
        let ours = Schedule::new(&schedule, timesteps).expect("a published schedule");
        let steps = Sampler::Ddpm
            .steps(&ours, timesteps)
            .expect("every timestep");
        assert_eq!(steps.len(), timesteps);
        for (index, step) in steps.iter().enumerate() {
            let t = timesteps - 1 - index;
            assert_eq!(step.timestep as usize, t);
            let at = |name: &str| format!("{schedule:?}, T = {timesteps}: {name} at {t}");
            assert_close(
                step.x0_from_x,
                buffers.sqrt_recip_alphas_cumprod[t],
                &at("x"),
            );
            assert_close(
                step.x0_from_eps,
                buffers.sqrt_recipm1_alphas_cumprod[t],
                &at("eps"),
            );
            // At t = 0 the published coefficients are 1 and 0 up to rounding.
            if t > 0 {
                assert_close(step.from_x0, buffers.posterior_mean_coef1[t], &at("coef1"));
                assert_close(step.from_x, buffers.posterior_mean_coef2[t], &at("coef2"));
                let variance = buffers.posterior_variance[t];
                assert_close(step.sigma.powi(2), variance, &at("variance"));
            } else {
                assert_eq!((step.from_x0, step.from_x, step.sigma), (1.0, 0.0, 0.0));
            }
            assert_eq!((step.from_previous_x0, step.clip), (0.0, 1.0));
        }
    }
}

#[test]
fn a_billionth_would_be_noticed() {
    let buffers = &reference().schedules[0].buffers;
    let beta = buffers.betas[50];
    assert!(close(beta, beta) && !close(beta * (1.0 + 1e-9), beta));
    assert!(!close(1e-9, 0.0), "zero is met exactly");
}

#[test]
fn steps_visit_the_published_timesteps() {
    let samplers = [
        Sampler::Ddpm,
        Sampler::Ddim { eta: 0.0 },
        Sampler::DpmSolverPlusPlus2M,
    ];
    for case in reference().spacings {
        let schedule = cosine(case.timesteps);
        for sampler in samplers {
            let steps = sampler.steps(&schedule, case.steps).expect("a legal count");
            let visited: Vec<u32> = steps.iter().map(|step| step.timestep).collect();
            assert_eq!(
                visited, case.spacing,
                "{sampler}, {} of {}",
                case.steps, case.timesteps
            );
        }
    }
}

/// The noise predictor of tests/data/diffusion.py.
fn predictor(x: f32, timestep: u32) -> f32 {
    0.8 * x + 0.3 * (2.0 * x + 0.05 * timestep as f32).sin()
}

/// Runs the steps in f32, by the two formulas that executors implement.
fn sample(steps: &[StepCoefficients], x_t: &[f32], noise: Option<&[Vec<f32>]>) -> Vec<f32> {
    let mut x = x_t.to_vec();
    let mut x0 = vec![0f32; x.len()];
    for step in steps {
        let t = step.timestep as usize;
        for i in 0..x.len() {
            let eps = predictor(x[i], step.timestep);
            let estimate = step.x0_from_x as f32 * x[i] - step.x0_from_eps as f32 * eps;
            let clipped = estimate.clamp(-step.clip as f32, step.clip as f32);
            let z = noise.map_or(0.0, |noise| noise[t][i]);
            x[i] = step.from_x as f32 * x[i]
                + step.from_x0 as f32 * clipped
                + step.from_previous_x0 as f32 * x0[i]
                + step.sigma as f32 * z;
            x0[i] = clipped;
        }
    }
    x
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max)
}

#[test]
fn ddpm_reaches_the_reference_result() {
    let reference = reference();
    let mut steps = Sampler::Ddpm.steps(&cosine(100), 100).unwrap();
    let result = sample(&steps, &reference.x_t, Some(&reference.noise));
    let difference = largest_difference(&result, &reference.ddpm);
    println!("ddpm: {difference:e}");
    assert!(difference <= F32_CHAIN, "{difference:e}");

    steps[60].from_x *= 1.001;
    let result = sample(&steps, &reference.x_t, Some(&reference.noise));
    let difference = largest_difference(&result, &reference.ddpm);
    assert!(difference > F32_CHAIN, "a wrong coefficient goes unnoticed");
}

#[test]
fn ddim_reaches_the_reference_results() {
    let reference = reference();
    for DdimCase { steps, result } in reference.ddim {
        let sampler = Sampler::Ddim { eta: 0.0 };
        let coefficients = sampler.steps(&cosine(100), steps).unwrap();
        let ours = sample(&coefficients, &reference.x_t, None);
        let difference = largest_difference(&ours, &result);
        println!("ddim, {steps} steps: {difference:e}");
        assert!(difference <= F32_CHAIN, "{steps} steps: {difference:e}");
    }
}
