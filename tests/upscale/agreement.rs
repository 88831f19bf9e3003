//! Devices, number formats and runs that have to agree.

use super::{has_f16, on_every_adapter, on_the_cpu, picture, sample, upscale, upscaler};
use crate::support_models::model;
use srdiff::diffusion::Sampler;
use srdiff::image::{Picture, metrics};
use srdiff::model::Model;
use srdiff::upscale::{CpuSummary, Device, PrecisionChoice, SampleOptions};

/// Root mean square of the difference, in steps of a byte.
fn rms(a: &Picture, b: &Picture) -> f64 {
    assert_eq!(a.rgb.len(), b.rgb.len());
    let (a, b) = (a.rgb8(), b.rgb8());
    let squares = a.iter().zip(&*b).map(|(&a, &b)| {
        let difference = f64::from(a) - f64::from(b);
        difference * difference
    });
    (squares.sum::<f64>() / a.len() as f64).sqrt()
}

/// A result tells something about arithmetic where neither the residual nor
/// the byte was clamped; checks that a third of it does.
fn assert_telling(result: &Picture, input: &Picture) {
    let up = input.resized(result.width, result.height).unwrap();
    let tells = |(&sr, &up): (&u8, &u8)| sr.abs_diff(up) < 62 && sr > 0 && sr < 255;
    let telling = result
        .rgb8()
        .iter()
        .zip(&*up.rgb8())
        .filter(|&pair| tells(pair))
        .count();
    assert!(
        3 * telling > result.rgb.len(),
        "{telling} of {}",
        result.rgb.len()
    );
}

#[test]
fn the_gpu_and_the_cpu_agree() {
    // Plain, and with every option of the model.
    for (fixture, sampler) in [
        ("tiny-x4", Sampler::Ddpm),
        ("tiny-options-x2", Sampler::Ddim { eta: 1.0 }),
    ] {
        let options = sample(sampler, 5, 11);
        let input = picture(6, 5);
        let cpu = upscale(&mut on_the_cpu(fixture), &input, &options);
        assert_telling(&cpu, &input);
        let mut other = cpu.clone();
        other.rgb.as_u8_mut().unwrap()[7] ^= 0x80;
        assert!(rms(&cpu, &other) > 1.0, "a wrong byte would not be seen");
        on_every_adapter(|adapter, device| {
            let name = &adapter.name;
            let mut upscaler = upscaler(model(fixture), device, PrecisionChoice::F32);
            let gpu = upscale(&mut upscaler, &input, &options);
            let difference = rms(&cpu, &gpu);
            println!("{name}, {fixture}: rms difference {difference:.4}");
            // Now and then a value on the edge between two bytes.
            assert!(difference < 0.2, "{name}, {fixture}: {difference}");
        });
    }
}

/// One seed, one image: to the byte, on an upscaler made anew.
#[test]
fn a_seed_gives_the_same_image_again() {
    let input = picture(6, 5);
    let check = |device: &str, precision: PrecisionChoice| {
        for (fixture, sampler) in [
            ("tiny-gn-x4", Sampler::Ddpm),
            ("tiny-options-x2", Sampler::DpmSolverPlusPlus2M),
        ] {
            let result = |seed| {
                let mut upscaler = upscaler(model(fixture), device, precision);
                upscale(&mut upscaler, &input, &sample(sampler, 5, seed))
            };
            let first = result(21);
            assert!(first == result(21), "{fixture} on {device}, {precision:?}");
            assert!(first != result(22), "{fixture} on {device}: any seed");
        }
    };
    check("cpu", PrecisionChoice::F32);
    on_every_adapter(|adapter, device| {
        check(device, PrecisionChoice::F32);
        if adapter.f16 {
            check(device, PrecisionChoice::F16);
        }
    });
}

#[test]
fn f16_is_within_50_db_of_f32() {
    let few = sample(Sampler::DpmSolverPlusPlus2M, 10, 3);
    check_f16(&picture(8, 6), few);
}

/// What users get who choose nothing.
#[test]
fn f16_is_within_50_db_of_f32_by_default() {
    let settings = Model::starter().settings().clone();
    check_f16(&picture(24, 20), SampleOptions::seeded(&settings, 3));
}

fn check_f16(input: &Picture, options: SampleOptions) {
    on_every_adapter(|adapter, device| {
        let name = &adapter.name;
        if !has_f16(adapter) {
            return;
        }
        let [f32, f16] = [PrecisionChoice::F32, PrecisionChoice::F16].map(|precision| {
            upscale(
                &mut upscaler(Model::starter(), device, precision),
                input,
                &options,
            )
        });
        assert_telling(&f32, input);
        let psnr = metrics::psnr_rgb(&f32, &f16, 0).unwrap();
        println!("{name}: f16 against f32 {psnr:.1} dB");
        assert!(psnr >= 50.0, "{name}: {psnr:.1} dB");
        // Not the same run twice.
        assert!(
            psnr.is_finite(),
            "{name}: f16 and f32 are equal to the byte"
        );
    });
}

#[test]
fn bf16_comes_close_to_f32() {
    let device = Device::Cpu(CpuSummary::of_this_machine());
    if device.precision(PrecisionChoice::Bf16).is_err() {
        println!("{device} does not multiply bf16");
        return;
    }
    let kitten = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images/kitten.png");
    let input = Picture::open(kitten.as_ref()).unwrap();
    for sampler in [Sampler::Ddpm, Sampler::Ddim { eta: 0.0 }] {
        let options = sample(sampler, 5, 3);
        let [f32, bf16] = [PrecisionChoice::F32, PrecisionChoice::Bf16].map(|precision| {
            let mut upscaler = upscaler(Model::starter(), "cpu", precision);
            upscale(&mut upscaler, &input, &options)
        });
        assert_ne!(f32, bf16, "they are the same arithmetic");
        let psnr = -20.0 * (rms(&f32, &bf16) / 255.0).log10();
        println!("{sampler}: PSNR {psnr:.1} dB");
        assert!(psnr >= 45.0, "{sampler}: {psnr:.1} dB");
    }
}
