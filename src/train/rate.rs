//! The learning rate over a run.

/// How the rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    Constant,
    /// Along half a cosine, to a fiftieth of the peak at the end of the run.
    Cosine,
    /// To a half, every so many steps.
    Halving {
        every: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub peak: f64,
    /// Steps in which it grows to the peak, linearly.
    pub warm_up: u64,
    pub decay: Decay,
}

impl Rate {
    /// The share of the peak that a cosine ends at.
    const LAST: f64 = 0.02;

    /// The rate of a step, counted from 0, when `done` of the run, 0 to 1, is over.
    pub fn at(&self, step: u64, done: f64) -> f32 {
        let warm = ((step + 1) as f64 / self.warm_up.max(1) as f64).min(1.0);
        let decayed = match self.decay {
            Decay::Constant => 1.0,
            Decay::Cosine => {
                let cosine = (std::f64::consts::PI * done.clamp(0.0, 1.0)).cos();
                Self::LAST + (1.0 - Self::LAST) * 0.5 * (1.0 + cosine)
            }
            Decay::Halving { every } => 0.5f64.powf((step / every.max(1)) as f64),
        };
        (self.peak * warm * decayed) as f32
    }
}
