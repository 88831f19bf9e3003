//! How much work one submit may hold.

use std::time::Duration;

/// Until something was measured: a seventh of a second of a slow software
/// adapter, which computes 7 GFLOP/s.
const FIRST: u64 = 1_000_000_000;
/// Smaller submits are mostly overhead and tell nothing.
const TELLING: u64 = FIRST / 4;
/// Time that a submit should take: far from the two seconds after which
/// drivers call a GPU hung, even where one kernel is much slower than most.
const TARGET: Duration = Duration::from_millis(250);
/// Measurements before the pace is settled; the best counts, as the first
/// ones may include the driver's last compilations.
const MEASUREMENTS: u32 = 3;

/// The pace of a GPU, measured on the first submits of real work.
#[derive(Debug)]
pub(super) struct Pace {
    limit: u64,
    measurements: u32,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            limit: FIRST,
            measurements: 0,
        }
    }

    /// Floating-point operations of one submit at most (a single dispatch may
    /// have more; lowering sees to it that it is not much).
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether a submit of so much work should be timed.
    pub(super) fn wants(&self, flops: u64) -> bool {
        self.measurements < MEASUREMENTS && flops >= TELLING
    }

    /// Notes how long a submit took.
    pub(super) fn note(&mut self, flops: u64, time: Duration) {
        let rate = flops as f64 / time.as_secs_f64().max(1e-6);
        let limit = ((rate * TARGET.as_secs_f64()) as u64).max(TELLING);
        self.limit = match self.measurements {
            0 => limit,
            _ => self.limit.max(limit),
        };
        self.measurements += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_and_fast_adapters_get_a_quarter_of_a_second_each() {
        for (rate, expected) in [(7e9, 1_750_000_000), (1e13, 2_500_000_000_000)] {
            let mut pace = Pace::new();
            assert!(!pace.wants(1000), "a tiny submit tells nothing");
            assert!(pace.wants(FIRST));
            // Compilation slows the first one down tenfold.
            pace.note(FIRST, Duration::from_secs_f64(10.0 * FIRST as f64 / rate));
            for _ in 1..MEASUREMENTS {
                pace.note(FIRST, Duration::from_secs_f64(FIRST as f64 / rate));
            }
            assert!(!pace.wants(FIRST), "settled");
            let off = pace.limit().abs_diff(expected);
            assert!(off < expected / 50, "{} for {expected}", pace.limit());
        }
    }
}
