//! Loops compiled for the instruction set of the machine they run on.

use pulp::{Arch, NullaryFnOnce};

/// Runs a block in a copy of it that is compiled for this machine's vector
/// instructions.
macro_rules! vectorized {
    ($work:block) => {
        $crate::exec::cpu::simd::dispatch(
            // Without this it is compiled apart, for the oldest machine.
            #[inline(always)]
            || $work,
        )
    };
}
pub(super) use vectorized;

/// What [`vectorized`] calls. A closure's own `FnOnce` is not always inlined,
/// so this takes an `FnMut`.
#[inline(always)]
pub(super) fn dispatch(work: impl FnMut()) {
    struct Work<F>(F);
    impl<F: FnMut()> NullaryFnOnce for Work<F> {
        type Output = ();
        #[inline(always)]
        fn call(mut self) {
            (self.0)();
        }
    }
    Arch::new().dispatch(Work(work));
}

/// Whether this machine's vectors have 16 lanes of f32 (AVX-512).
pub(super) fn has_16_lanes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return pulp::x86::V4::try_new().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}
