//! Loops compiled for the instruction set of the machine they run on.

use pulp::{Arch, NullaryFnOnce};

/// Calls `work` in a copy of it that is compiled for this machine's vector
/// instructions.
///
/// `work` must be written `#[inline(always)] || ..`, or it is compiled apart,
/// for the oldest machine. (A closure's own `FnOnce` would do that too, hence
/// the two functions here.)
#[inline(always)]
pub(super) fn vectorized(work: impl Fn()) {
    struct Shared<F>(F);
    impl<F: Fn()> NullaryFnOnce for Shared<F> {
        type Output = ();
        #[inline(always)]
        fn call(self) {
            (self.0)();
        }
    }
    Arch::new().dispatch(Shared(work));
}

/// As [`vectorized`], for a closure that changes what it captures.
#[inline(always)]
pub(super) fn vectorized_mut(work: impl FnMut()) {
    struct Exclusive<F>(F);
    impl<F: FnMut()> NullaryFnOnce for Exclusive<F> {
        type Output = ();
        #[inline(always)]
        fn call(mut self) {
            (self.0)();
        }
    }
    Arch::new().dispatch(Exclusive(work));
}

/// Whether this machine's vectors have 16 lanes of f32 (AVX-512).
pub(super) fn has_16_lanes() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        pulp::x86::V4::try_new().is_some()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}
