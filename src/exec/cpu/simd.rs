//! Loops compiled for the instruction set of the machine they run on.

use pulp::{Arch, Simd, WithSimd};

/// Runs a block in a copy of it that is compiled for this machine's vector
/// instructions, with its [`Fma`] if the block names one.
macro_rules! vectorized {
    ($work:block) => {
        vectorized!(_fma => $work)
    };
    ($fma:ident => $work:block) => {
        $crate::exec::cpu::simd::dispatch(
            // Without this it is compiled apart, for the oldest machine.
            #[inline(always)]
            |$fma| $work,
        )
    };
}
pub(super) use vectorized;

/// What [`vectorized`] calls. A closure's own `FnOnce` is not always inlined,
/// so this takes an `FnMut`.
#[inline(always)]
pub(super) fn dispatch(work: impl FnMut(Fma)) {
    struct Work<F>(F);
    impl<F: FnMut(Fma)> WithSimd for Work<F> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(mut self, _: S) {
            (self.0)(Fma::of::<S>());
        }
    }
    Arch::new().dispatch(Work(work));
}

/// Runs a loop that needs all vector registers in a function of its own, where there
/// are only 16. Beside others in one function, it ends in the same store as they do,
/// and LLVM keeps the sum for that store in memory: half the speed.
#[inline(always)]
pub(super) fn apart<S: Simd, W: WithSimd>(simd: S, work: W) -> W::Output {
    #[inline(never)]
    fn call<S: Simd, W: WithSimd>(simd: S, work: W) -> W::Output {
        simd.vectorize(work)
    }
    match S::REGISTER_COUNT >= 32 {
        true => work.with_simd(simd),
        false => call(simd, work),
    }
}

/// Multiplication and addition, as one instruction where the vectors have it:
/// elsewhere, one rounding costs a call.
#[derive(Clone, Copy)]
pub(super) struct Fma(bool);

impl Fma {
    /// That of a set of vector instructions. Those that pulp dispatches to
    /// have it: AVX2, AVX-512 and NEON.
    #[inline(always)]
    pub fn of<S: Simd>() -> Self {
        let has_it = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
        Self(has_it && S::F32_LANES > 1)
    }

    /// `a * b + c`.
    #[inline(always)]
    pub fn fma(self, a: f32, b: f32, c: f32) -> f32 {
        match self.0 {
            true => a.mul_add(b, c),
            false => a * b + c,
        }
    }

    #[cfg(test)]
    pub const ALL: [Self; 2] = [Self(false), Self(true)];
}

/// Whether this machine's vectors have 16 lanes of f32 (AVX-512).
#[cfg(target_arch = "x86_64")]
pub(super) fn has_16_lanes() -> bool {
    pulp::x86::V4::try_new().is_some()
}

/// Up to [`Simd::F32_LANES`] elements, then zeros.
#[inline(always)]
pub(super) fn load_lanes<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    match from.len() >= S::F32_LANES {
        // SAFETY: long enough, as just checked; any bits are numbers.
        true => unsafe { from.as_ptr().cast::<S::f32s>().read_unaligned() },
        false => simd.partial_load_f32s(from),
    }
}

/// The first lanes, as many as there is room for.
#[inline(always)]
pub(super) fn store_lanes<S: Simd>(simd: S, into: &mut [f32], lanes: S::f32s) {
    match into.len() >= S::F32_LANES {
        // SAFETY: long enough, as just checked.
        true => unsafe { into.as_mut_ptr().cast::<S::f32s>().write_unaligned(lanes) },
        false => simd.partial_store_f32s(into, lanes),
    }
}
