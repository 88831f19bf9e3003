//! What a training has come to lately.

use super::StepReport;
use serde::{Deserialize, Serialize};

/// What of the old mean is in the new one.
const SMOOTH: f64 = 0.98;

/// A mean of the last values, the latest ones counting most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Smooth {
    sum: f64,
    weight: f64,
}

impl Smooth {
    pub fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.sum = SMOOTH * self.sum + (1.0 - SMOOTH) * value;
            self.weight = SMOOTH * self.weight + (1.0 - SMOOTH);
        }
    }

    pub fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// Means over about the last fifty steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Means {
    pub denoiser: Smooth,
    pub encoder: Smooth,
    /// Of the gradients, before they were clipped.
    pub norm: Smooth,
}

impl Means {
    pub fn add(&mut self, step: &StepReport) {
        let losses = step.losses;
        for (mean, value) in [
            (&mut self.denoiser, losses.denoiser),
            (&mut self.encoder, losses.encoder),
            (&mut self.norm, Some(step.norm)),
        ] {
            if let Some(value) = value {
                mean.add(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_follow_the_latest_values() {
        let mut mean = Smooth::default();
        assert_eq!(mean.mean(), None);
        mean.add(2.0);
        mean.add(f64::NAN);
        assert!((mean.mean().unwrap() - 2.0).abs() < 1e-12);
        (0..500).for_each(|_| mean.add(1.0));
        assert!((mean.mean().unwrap() - 1.0).abs() < 1e-3);
    }
}
