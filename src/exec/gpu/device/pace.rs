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
/// Part of a submit's time that pieces put together may take: a few hundredths
/// of a second.
const SHARE: u64 = 8;
/// More save hardly anything.
const MOST_AT_ONCE: u64 = 8;
/// Measurements before the pace is settled; the best counts, as the first
/// ones may include the driver's last compilations.
const MEASUREMENTS: u32 = 3;
/// A submit that takes longer than so many targets says that the GPU has become
/// slower: hot, throttled or shared.
const LATE: u32 = 2;
/// Submits after which a slowed GPU is measured again: it may have recovered.
const PATIENCE: u32 = 64;

/// The pace of a GPU, measured on the first submits of real work, and again
/// when it has changed.
#[derive(Debug)]
pub(super) struct Pace {
    limit: u64,
    measurements: u32,
    /// The largest limit so far.
    best: u64,
    /// Submits until it is measured again, if it is known to be slowed.
    patience: Option<u32>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            limit: FIRST,
            measurements: 0,
            best: 0,
            patience: None,
        }
    }

    /// Floating-point operations of one submit at most (a single dispatch may
    /// have more; lowering sees to it that it is not much).
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Pieces of so much work that a submit should have: only as many as take
    /// little of its time, for who waits for the first waits for all.
    pub(super) fn at_once(&self, flops: u64) -> usize {
        let pieces = self.limit / SHARE / flops.max(1);
        pieces.clamp(1, MOST_AT_ONCE) as usize
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
        if self.measurements == MEASUREMENTS {
            self.best = self.best.max(self.limit);
            self.patience = (self.limit < self.best / 2).then_some(PATIENCE);
        }
    }

    /// Notes that a submit took at least this long, alone or not.
    pub(super) fn observe(&mut self, flops: u64, time: Duration) {
        if self.measurements < MEASUREMENTS || flops < TELLING {
            return;
        }
        if time > LATE * TARGET {
            let slower = flops as f64 * TARGET.as_secs_f64() / time.as_secs_f64();
            self.limit = (slower as u64).clamp(TELLING, self.limit);
            self.patience = Some(PATIENCE);
            return;
        }
        match &mut self.patience {
            Some(0) => (self.measurements, self.patience) = (0, None),
            Some(left) => *left -= 1,
            None => (),
        }
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

    #[test]
    fn only_short_pieces_are_put_together() {
        let pace = Pace::new();
        assert_eq!(pace.at_once(1), MOST_AT_ONCE as usize);
        assert_eq!(pace.at_once(FIRST / SHARE / 2), 2);
        assert_eq!(pace.at_once(FIRST / SHARE + 1), 1);
        assert_eq!(pace.at_once(0), MOST_AT_ONCE as usize);
    }

    /// Runs work of submits of the pace's size on an adapter of this rate; the
    /// longest submit, after the first ones.
    fn longest(pace: &mut Pace, rate: f64, submits: usize) -> Duration {
        let mut longest = Duration::ZERO;
        for submit in 0..submits {
            let flops = pace.limit();
            let time = Duration::from_secs_f64(flops as f64 / rate);
            if pace.wants(flops) {
                pace.note(flops, time);
            }
            pace.observe(flops, time);
            if submit > 0 {
                longest = longest.max(time);
            }
        }
        longest
    }

    #[test]
    fn an_adapter_that_slows_down_keeps_its_submits_short() {
        let mut pace = Pace::new();
        longest(&mut pace, 1e12, 10);
        let fast = pace.limit();
        for rate in [1e11, 1e10] {
            let longest = longest(&mut pace, rate, 1000);
            assert!(longest <= LATE * TARGET, "{longest:?} at {rate}");
        }
        assert!(pace.limit() < fast / 20, "{}", pace.limit());
        // It recovers.
        longest(&mut pace, 1e12, 200);
        let off = pace.limit().abs_diff(fast);
        assert!(off < fast / 50, "{} of {fast}", pace.limit());
    }

    #[test]
    fn a_host_that_came_late_speeds_nothing_up() {
        let mut pace = Pace::new();
        longest(&mut pace, 1e12, 10);
        let limit = pace.limit();
        for _ in 0..1000 {
            pace.observe(limit, Duration::from_micros(1));
        }
        assert_eq!(pace.limit(), limit);
    }
}
