//! The learning rate from step to step.

/// How the rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// Not at all.
    Constant,
    /// To a fiftieth, as a cosine does from its top to its bottom.
    Cosine,
    /// To a half every so many steps; without a number, every quarter of the
    /// training.
    Step(Option<u64>),
}

/// Warm-up and decay of a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSchedule {
    pub rate: f64,
    /// Steps of linear growth from nearly nothing.
    pub warm_up: u64,
    pub decay: Decay,
}

/// What the cosine leaves of the rate.
const COSINE_FLOOR: f64 = 0.02;

impl RateSchedule {
    /// The rate of a step, counted from 0, when `share` of the training is done.
    pub fn at(&self, step: u64, share: f64) -> f64 {
        let warm = match self.warm_up {
            0 => 1.0,
            steps => ((step + 1) as f64 / steps as f64).min(1.0),
        };
        let share = share.clamp(0.0, 1.0);
        let left = match self.decay {
            Decay::Constant => 1.0,
            Decay::Cosine => {
                let cosine = 0.5 * (1.0 + (std::f64::consts::PI * share).cos());
                COSINE_FLOOR + (1.0 - COSINE_FLOOR) * cosine
            }
            Decay::Step(every) => {
                let halvings = match every {
                    Some(every) => step / every.max(1),
                    None => ((4.0 * share) as u64).min(3),
                };
                0.5f64.powi(halvings.min(1000) as i32)
            }
        };
        self.rate * warm * left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(warm_up: u64, decay: Decay, step: u64, share: f64) -> f64 {
        let schedule = RateSchedule {
            rate: 1e-3,
            warm_up,
            decay,
        };
        schedule.at(step, share)
    }

    #[test]
    fn rates_rise_and_fall_as_they_are_said_to() {
        let close = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        };
        close(at(10, Decay::Constant, 0, 0.0), 1e-4);
        close(at(10, Decay::Constant, 9, 0.5), 1e-3);
        close(at(0, Decay::Constant, 0, 1.0), 1e-3);
        close(at(0, Decay::Cosine, 0, 0.0), 1e-3);
        close(at(0, Decay::Cosine, 5, 0.5), 0.51e-3);
        close(at(0, Decay::Cosine, 9, 1.5), 0.02e-3);
        close(at(0, Decay::Step(Some(100)), 99, 0.9), 1e-3);
        close(at(0, Decay::Step(Some(100)), 200, 0.1), 0.25e-3);
        close(at(0, Decay::Step(None), 0, 0.24), 1e-3);
        close(at(0, Decay::Step(None), 0, 0.5), 0.25e-3);
        close(at(0, Decay::Step(None), 0, 1.0), 0.125e-3);
    }
}
