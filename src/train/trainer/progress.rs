//! How far a trainer is.

/// How far a trainer is, beside its tensors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps that changed the parameters.
    pub steps: u64,
    /// Steps that did not, because a gradient was not finite.
    pub skipped: u64,
    /// What gradients are multiplied with on the device, to keep them within the
    /// range of f16; elsewhere 1.
    pub scale: f32,
    /// Steps with this scale, none of them skipped.
    pub at_scale: u64,
}

impl Progress {
    pub(super) const START: Self = Self {
        steps: 0,
        skipped: 0,
        scale: 1.0,
        at_scale: 0,
    };
    /// The first scale for f16, and the largest one.
    pub(super) const F16_SCALE: f32 = 65536.0;
    const MAX_SCALE: f32 = 16_777_216.0;
    /// Steps after which a larger scale is tried.
    const GROWTH: u64 = 2000;

    /// The same steps with the scale of a trainer that begins.
    pub(in crate::train) fn with_scale_of(self, fresh: Self) -> Self {
        Self {
            scale: fresh.scale,
            at_scale: fresh.at_scale,
            ..self
        }
    }

    pub(super) fn count(&mut self, skipped: bool, scales: bool) {
        match skipped {
            true => self.skipped += 1,
            false => self.steps += 1,
        }
        self.at_scale = if skipped { 0 } else { self.at_scale + 1 };
        if scales && skipped {
            self.scale = (self.scale / 2.0).max(1.0);
        } else if scales && self.at_scale >= Self::GROWTH {
            self.scale = (self.scale * 2.0).min(Self::MAX_SCALE);
            self.at_scale = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An f16 training that goes on from one in f32, of however many steps.
    #[test]
    fn a_scale_grows_again_after_many_steps_without_one() {
        let mut progress = Progress::START;
        (0..3000).for_each(|_| progress.count(false, false));
        let fresh = Progress {
            scale: Progress::F16_SCALE,
            ..Progress::START
        };
        let mut resumed = progress.with_scale_of(fresh);
        assert_eq!((resumed.steps, resumed.scale), (3000, 65536.0));
        (0..1999).for_each(|_| resumed.count(false, true));
        assert_eq!(resumed.scale, 65536.0);
        resumed.count(false, true);
        assert_eq!(resumed.scale, 131_072.0);
        // One that was saved with more steps than any scale is kept for.
        progress.count(false, true);
        assert_eq!((progress.scale, progress.at_scale), (2.0, 0));
    }
}
