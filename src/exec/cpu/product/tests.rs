//! Products against f64.

use super::*;
use half::bf16;

/// Products of one kind of numbers of many sizes, against f64.
struct Sizes<T>(std::marker::PhantomData<T>);

impl<T: Factor> WithSimd for Sizes<T> {
    type Output = ();

    fn with_simd<S: Simd>(self, simd: S) {
        for pixels in (1..=23).chain([40]) {
            for (depth, outputs) in [(2, 16), (6, 48), (34, 32), (96, 16)] {
                for starts in [&[0][..], &[3, 50, 0]] {
                    check::<S, T>(simd, pixels, depth, outputs, starts);
                }
            }
        }
    }
}

fn check<S: Simd, T: Factor>(
    simd: S,
    pixels: usize,
    depth: usize,
    outputs: usize,
    starts: &[usize],
) {
    let number = |i: usize| T::from_f32((i * 7919 % 1009) as f32 / 1009.0 - 0.5);
    let pitches = [depth.div_ceil(3), outputs + 5];
    let x: Vec<T> = (0..60 + pixels * pitches[0] + depth).map(number).collect();
    let weights: Vec<T> = (0..starts.len() * depth * outputs).map(number).collect();
    let mut y = vec![f32::NAN; pixels * pitches[1]];
    let product = Product {
        pixels,
        depth,
        outputs,
        starts,
        pitches,
        fetches: true,
    };
    product.run(simd, &x, &weights, &mut y);
    let scale = starts.len() as f64 * depth as f64 / 4.0;
    for (p, y) in y.chunks_exact(pitches[1]).enumerate() {
        for (o, &y) in y.iter().enumerate() {
            if o >= outputs {
                assert!(y.is_nan(), "writes beyond its outputs");
                continue;
            }
            let mut want = 0.0;
            for (v, start) in starts.iter().enumerate() {
                for k in 0..depth {
                    let row = (v * outputs + o / LANES * LANES) * depth;
                    let pair = k / T::DEPTH * T::DEPTH * LANES;
                    let w = row + pair + o % LANES * T::DEPTH + k % T::DEPTH;
                    let (x, w) = (x[start + p * pitches[0] + k], weights[w]);
                    want += f64::from(x.to_f32()) * f64::from(w.to_f32());
                }
            }
            let error = (f64::from(y) - want).abs();
            assert!(
                error <= 1e-6 * scale,
                "{pixels} x {outputs} of {depth}: {error}"
            );
        }
    }
}

/// On every set of vector instructions that this machine has.
fn on_all<T: Factor>() {
    let sizes = || Sizes::<T>(std::marker::PhantomData);
    Simd::vectorize(pulp::Scalar::new(), sizes());
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(v3) = pulp::x86::V3::try_new() {
            Simd::vectorize(v3, sizes());
        }
        if let Some(v4) = pulp::x86::V4::try_new() {
            Simd::vectorize(v4, sizes());
        }
    }
    pulp::Arch::new().dispatch(sizes());
}

#[test]
fn products_of_all_sizes_are_right() {
    on_all::<f32>();
    on_all::<bf16>();
}
