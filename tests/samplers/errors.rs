//! What cannot be used is refused with a sentence that says what can.

use super::reference::cosine;
use srdiff::diffusion::{
    BetaSchedule, MAX_TIMESTEPS, Sampler, SamplerError, Schedule, ScheduleError,
};

#[test]
fn steps_must_fit_the_schedule() {
    let schedule = cosine(100);
    for sampler in [
        Sampler::Ddpm,
        Sampler::Ddim { eta: 0.0 },
        Sampler::DpmSolverPlusPlus2M,
    ] {
        for steps in [0, 101, usize::MAX] {
            let error = sampler.steps(&schedule, steps).unwrap_err();
            let expected = SamplerError::Steps {
                steps,
                timesteps: 100,
            };
            assert_eq!(error, expected);
            let message = error.to_string();
            assert!(
                message.starts_with(&format!("`steps` {steps}: ")),
                "{message}"
            );
            assert!(message.contains("from 1 to 100"), "{message}");
        }
    }
}

#[test]
fn eta_must_be_in_range() {
    for eta in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = Sampler::Ddim { eta }.steps(&cosine(100), 10).unwrap_err();
        assert!(matches!(error, SamplerError::Eta(_)));
        assert!(error.to_string().contains("from 0"), "{error}");
        let start = format!("`eta` {eta}: ");
        assert!(error.to_string().starts_with(&start), "{error}");
    }
    let error = "ddim:1.5".parse::<Sampler>().unwrap_err();
    assert_eq!(error, SamplerError::Eta(1.5));
}

#[test]
fn samplers_have_names() {
    for (name, sampler) in [
        ("ddpm", Sampler::Ddpm),
        ("ddim", Sampler::Ddim { eta: 0.0 }),
        ("ddim:0.25", Sampler::Ddim { eta: 0.25 }),
        ("dpm++", Sampler::DpmSolverPlusPlus2M),
    ] {
        assert_eq!(name.parse(), Ok(sampler));
        assert_eq!(sampler.to_string(), name);
    }
    assert_eq!("dpm-solver++".parse(), Ok(Sampler::DpmSolverPlusPlus2M));
    for name in ["", "DDPM", "euler", "ddim:", "ddim:much"] {
        let error = name.parse::<Sampler>().unwrap_err();
        assert_eq!(error, SamplerError::Name(name.to_owned()));
        let message = error.to_string();
        assert!(message.contains("ddpm, ddim or dpm++"), "{message}");
        assert!(
            message.starts_with(&format!("`sampler` {name}: ")),
            "{message}"
        );
    }
}

#[test]
fn schedules_must_have_usable_numbers() {
    let linear = |start, end| BetaSchedule::Linear { start, end };
    for timesteps in [0, MAX_TIMESTEPS + 1] {
        let error = Schedule::new(&linear(1e-4, 0.02), timesteps).unwrap_err();
        assert_eq!(error, ScheduleError::Timesteps(timesteps));
        let message = error.to_string();
        assert!(message.contains("1 to 4096"), "{message}");
        assert!(message.contains("`timesteps`"), "{message}");
    }
    for bad in [-0.1, 0.0, 1.0, f64::NAN, 1e-20] {
        let error = Schedule::from_betas(vec![0.1, bad, 0.1]).unwrap_err();
        assert!(matches!(error, ScheduleError::Beta { timestep: 1, .. }));
        assert!(error.to_string().contains("timestep 1"), "{error}");
        assert!(Schedule::new(&linear(bad, 0.02), 10).is_err(), "{bad}");
    }
    let error = Schedule::new(&linear(0.5, 0.5), 500).unwrap_err();
    let ScheduleError::Vanishing { timestep, .. } = error else {
        panic!("{error}");
    };
    // 0.5^n is below 1e-30 from n = 100 on.
    assert_eq!(timestep, 99);
    assert!(error.to_string().contains("timestep 99"), "{error}");
    for s in [f64::NAN, f64::INFINITY] {
        assert!(Schedule::new(&BetaSchedule::Cosine { s }, 100).is_err());
    }
    assert!(Schedule::new(&linear(1e-4, 0.02), MAX_TIMESTEPS).is_ok());
}
