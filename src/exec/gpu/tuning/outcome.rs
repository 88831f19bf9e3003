//! How thoroughly kernels are timed, and what became of them.

use super::{Times, Tuned};
use crate::plan::Variant;
use std::time::Duration;

/// How much faster than the static rule's a kernel must be to replace it:
/// medians vary by less.
pub(super) const NOISE: f64 = 0.03;

/// How thoroughly kernels are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Nothing is begun after so much time.
    pub budget: Option<Duration>,
    /// Measurements of each kernel.
    pub rounds: usize,
    /// What the runs of one measurement take together, about.
    pub length: Duration,
    /// Whether the results of all kernels are tested, and not only of those that
    /// are faster than others.
    pub tests_all: bool,
    /// Whether one kernel of each kind is tried for all classes before the rest:
    /// in a short time that gains the most, but no class is done until late.
    pub kinds_first: bool,
}

impl Effort {
    /// One kernel of each kind first, and the most work first, as far as one
    /// gets in so much time.
    pub const fn within(budget: Duration) -> Self {
        Self {
            budget: Some(budget),
            rounds: 5,
            length: Duration::from_millis(1),
            tests_all: false,
            kinds_first: true,
        }
    }

    pub const fn thorough() -> Self {
        Self {
            budget: None,
            rounds: 15,
            length: Duration::from_millis(4),
            tests_all: true,
            kinds_first: false,
        }
    }
}

/// What became of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It gives right results. The medians of its times and of those of the
    /// static rule's beside it.
    Timed(Times),
    /// It is slower than another, so nobody has looked at its results.
    Slower(Times),
    /// It gives wrong results or cannot be run: why.
    Refused(String),
    /// Nobody tried it: there was no time left, or the device kept failing.
    Untimed,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    pub variant: Variant,
    pub outcome: Outcome,
}

/// All kernels of a class of nodes, that of the static rule first.
#[derive(Clone, Debug, PartialEq)]
pub struct TunedClass {
    pub class: String,
    pub trials: Vec<Trial>,
}

impl TunedClass {
    /// The fastest kernel, where the static rule's is not about as fast.
    pub fn chosen(&self) -> Tuned {
        let timed = self.trials.iter().filter_map(|trial| match trial.outcome {
            Outcome::Timed(times) => Some((trial.variant, times)),
            _ => None,
        });
        let fastest = timed
            .clone()
            .min_by(|(_, a), (_, b)| a.ratio().total_cmp(&b.ratio()));
        // The first that was timed is what the others were compared with.
        let chosen = match fastest {
            Some((_, times)) if times.ratio() < 1.0 - NOISE => fastest,
            _ => timed.clone().next(),
        };
        match chosen {
            Some((variant, times)) => Tuned {
                variant,
                times: Some(times),
            },
            None => Tuned {
                variant: self.trials[0].variant,
                times: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(index: usize, [microseconds, static_microseconds]: [f64; 2]) -> Trial {
        let pixels = [4, 1, 2][index];
        Trial {
            variant: Variant::RegisterTile { pixels, blocks: 2 },
            outcome: Outcome::Timed(Times {
                microseconds,
                static_microseconds,
            }),
        }
    }

    #[test]
    fn the_static_rule_stays_unless_another_is_clearly_faster() {
        let chosen = |times: [[f64; 2]; 3]| {
            let trials = times
                .iter()
                .enumerate()
                .map(|(at, &times)| timed(at, times));
            let class = TunedClass {
                class: String::new(),
                trials: trials.collect(),
            };
            match class.chosen().variant {
                Variant::RegisterTile { pixels, .. } => pixels,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(chosen([[10.0, 10.0], [9.8, 10.0], [12.0, 10.0]]), 4);
        assert_eq!(chosen([[10.0, 10.0], [9.5, 10.0], [9.0, 10.0]]), 2);
        // The clock of the device changed: what was measured side by side counts.
        assert_eq!(chosen([[10.0, 10.0], [9.0, 10.0], [5.0, 5.0]]), 1);
        assert_eq!(chosen([[10.0, 10.0], [9.0, 8.0], [5.0, 4.9]]), 4);
    }

    #[test]
    fn what_nobody_looked_at_is_not_chosen() {
        let mut trials = vec![timed(0, [10.0, 10.0]), timed(1, [9.0, 10.0])];
        trials.push(Trial {
            outcome: Outcome::Slower(Times {
                microseconds: 1.0,
                static_microseconds: 10.0,
            }),
            ..timed(2, [1.0, 1.0])
        });
        let second = trials[1].variant;
        let class = TunedClass {
            class: String::new(),
            trials,
        };
        assert_eq!(class.chosen().variant, second);
    }
}
