//! What diffusion can give: fidelity, strength, ways between samples.

use super::tiles::scene;
use super::{on_every_adapter, sample, upscale, upscaler};
use srdiff::diffusion::Sampler;
use srdiff::image::{Picture, Samples, metrics};
use srdiff::model::Model;
use srdiff::upscale::{
    PrecisionChoice, Progress, SampleOptions, Spread, TileChoice, UpscaleError, Upscaler,
};
use std::ops::ControlFlow;

fn starter() -> Upscaler {
    upscaler(Model::starter(), "cpu", PrecisionChoice::F32)
}

/// PSNR of a result, shrunk, against the image.
fn lr_psnr(result: &Picture, input: &Picture) -> f64 {
    let shrunk = result.resized(input.width, input.height).unwrap();
    metrics::psnr_rgb(&shrunk, input, 0).unwrap()
}

#[test]
fn consistent_results_shrink_to_the_image() {
    let input = scene(60, 44);
    for sampler in [Sampler::Ddpm, Sampler::DpmSolverPlusPlus2M] {
        for tile in [TileChoice::Auto, TileChoice::AtMost(32)] {
            let plain = sample(sampler, 5, 4);
            let consistent = SampleOptions {
                consistent: true,
                ..plain
            };
            let mut upscaler = super::tiles::tiled(Model::starter(), "cpu", tile);
            let [plain, consistent] = [plain, consistent]
                .map(|options| lr_psnr(&upscale(&mut upscaler, &input, &options), &input));
            println!("{sampler}, {tile:?}: LR-PSNR {plain:.1} dB, consistent {consistent:.1} dB");
            assert!(consistent > 50.0, "{consistent}");
            assert!(consistent > plain, "{plain}, {consistent}");
        }
    }
    on_every_adapter(|adapter, device| {
        let consistent = SampleOptions {
            consistent: true,
            ..sample(Sampler::Ddpm, 2, 4)
        };
        let mut upscaler = upscaler(Model::starter(), device, PrecisionChoice::Auto);
        let input = scene(20, 14);
        let psnr = lr_psnr(&upscale(&mut upscaler, &input, &consistent), &input);
        assert!(psnr > 50.0, "{}: {psnr}", adapter.name);
    });
}

/// A picture of black and colours on white, as logos are.
fn logo(side: usize) -> Picture {
    let half = side as f64 / 2.0;
    let pixel = |index: usize| {
        let at = |v: usize| v as f64 + 0.5 - half;
        let (x, y) = (at(index % side), at(index / side));
        // Edges that are as wide as a pixel's diagonal, as from a good renderer.
        let inside = |distance: f64| (0.5 - distance / 1.5).clamp(0.0, 1.0);
        let disc = inside(f64::hypot(x, y) - 0.35 * side as f64);
        let bar = inside((x + y).abs() - 0.1 * side as f64) * disc;
        [0.8, 0.1, 0.0].map(|colour| {
            let level = (1.0 - disc) + (disc - bar) * colour;
            (255.0 * level).round() as u8
        })
    };
    Picture::new(side, side, (0..side * side).flat_map(pixel).collect())
}

/// What corrections take beyond white and black is cut off, and has to be made up
/// for beside it.
#[test]
fn consistent_results_of_black_and_white_shrink_to_the_image_too() {
    let flat = |level: u8| Picture::new(12, 12, vec![level; 3 * 144]);
    for (name, input, least) in [
        ("logo", logo(32), 60.0),
        ("white", flat(255), 60.0),
        ("black", flat(0), 60.0),
    ] {
        for tile in [TileChoice::Auto, TileChoice::AtMost(32)] {
            let consistent = SampleOptions {
                consistent: true,
                ..sample(Sampler::Ddpm, 1, 4)
            };
            let mut upscaler = super::tiles::tiled(Model::starter(), "cpu", tile);
            let psnr = lr_psnr(&upscale(&mut upscaler, &input, &consistent), &input);
            println!("{name}, {tile:?}: LR-PSNR {psnr:.1} dB");
            assert!(psnr > least, "{name}, {tile:?}: {psnr}");
        }
    }
}

/// Mean difference of horizontal neighbours.
fn texture(image: &Picture) -> f64 {
    let rows = image.rgb8();
    let rows = rows.chunks_exact(3 * image.width);
    let sum: u64 = rows
        .flat_map(|row| {
            row.iter()
                .zip(&row[3..])
                .map(|(a, b)| u64::from(a.abs_diff(*b)))
        })
        .sum();
    sum as f64 / (3 * image.width * image.height) as f64
}

#[test]
fn strength_goes_from_smooth_to_textured() {
    let input = scene(40, 40);
    let mut upscaler = starter();
    let textures: Vec<f64> = [0.0, 0.5, 1.0, 1.1]
        .map(|strength| {
            let options = SampleOptions {
                strength,
                ..sample(Sampler::Ddpm, 10, 4)
            };
            texture(&upscale(&mut upscaler, &input, &options))
        })
        .to_vec();
    println!("textures {textures:.2?}");
    assert!(textures.is_sorted(), "{textures:?}");
    assert!(textures[3] > 1.02 * textures[0], "{textures:?}");

    for strength in [-0.1, 1.3, f64::NAN] {
        let options = SampleOptions {
            strength,
            ..sample(Sampler::Ddpm, 2, 4)
        };
        let result = upscaler.upscale(&input, &options, &mut |_| ControlFlow::Continue(()));
        assert!(matches!(result, Err(UpscaleError::Option { .. })));
    }
}

#[test]
fn results_change_gradually_from_one_seed_to_another() {
    let input = scene(30, 30);
    let mut upscaler = starter();
    let mut result = |seed, toward| {
        let options = SampleOptions {
            toward,
            ..sample(Sampler::Ddim { eta: 0.0 }, 5, seed)
        };
        upscale(&mut upscaler, &input, &options)
    };
    let (from, to) = (result(1, None), result(2, None));
    let way: Vec<Picture> = (0..=4)
        .map(|step| result(1, Some((2, f64::from(step) / 4.0))))
        .collect();
    let psnr = |a: &Picture, b: &Picture| metrics::psnr_rgb(a, b, 0).unwrap();
    // The host's arithmetic and the executor's may differ in the last bit.
    assert!(psnr(&way[0], &from) > 60.0 && psnr(&way[4], &to) > 60.0);
    let whole = psnr(&from, &to);
    for pair in way.windows(2) {
        let step = psnr(&pair[0], &pair[1]);
        assert!(step > whole + 3.0, "{step:.1} dB of {whole:.1}");
    }
    let distances: Vec<f64> = way.iter().map(|image| psnr(&from, image)).collect();
    assert!(distances.iter().rev().is_sorted(), "{distances:?}");
}

/// Twice the same noise would be louder than the model expects.
#[test]
fn a_way_from_a_seed_to_itself_stays_where_it_is() {
    let input = scene(16, 12);
    let mut upscaler = starter();
    let mut result = |toward| {
        let options = SampleOptions {
            toward,
            ..sample(Sampler::Ddpm, 1, 1)
        };
        upscale(&mut upscaler, &input, &options)
    };
    let alone = result(None);
    for way in [0.0, 0.5, 1.0] {
        assert!(result(Some((1, way))) == alone, "{way}");
    }
}

#[test]
fn samples_share_one_encoding_and_are_what_they_are_alone() {
    let input = scene(20, 16);
    let options = sample(Sampler::Ddpm, 3, 6);
    let mut encodings = 0;
    let mut samples = vec![Vec::new(); 3];
    let mut upscaler = starter();
    let reports = upscaler.upscale_samples(
        &input,
        &options,
        3,
        &mut |_, progress| {
            encodings += usize::from(progress == Progress::Image);
            ControlFlow::Continue(())
        },
        &mut |number, strip| {
            samples[number as usize].extend_from_slice(&strip.rgb.to_u8());
            ControlFlow::Continue(())
        },
    );
    assert_eq!((reports.unwrap().len(), encodings), (3, 1));
    let mut spread: Option<Spread> = None;
    for (number, rgb) in samples.into_iter().enumerate() {
        let alone = SampleOptions {
            sample: number as u32,
            ..options
        };
        let alone = upscale(&mut starter(), &input, &alone);
        assert!(*alone.rgb8() == rgb, "sample {number}");
        match &mut spread {
            None => spread = Some(Spread::new(&alone).unwrap()),
            Some(spread) => spread.add(&alone),
        }
    }
    let spread = spread.unwrap();
    assert!(spread.sigma().unwrap().iter().sum::<f32>() > 100.0);
    assert_eq!(spread.mean().unwrap().width, 80);
}

#[test]
fn the_spread_of_samples_is_that_of_the_textbook() {
    let levels: [[u8; 6]; 3] = [
        [10, 20, 30, 0, 0, 0],
        [14, 20, 33, 0, 9, 0],
        [12, 26, 30, 0, 0, 0],
    ];
    let images = levels.map(|rgb| Picture::new(2, 1, rgb.to_vec()));
    let mut spread = Spread::new(&images[0]).unwrap();
    assert_eq!(spread.sigma().unwrap(), [0.0, 0.0]);
    spread.add(&images[1]);
    spread.add(&images[2]);
    assert_eq!(*spread.mean().unwrap().rgb8(), [12, 22, 31, 0, 3, 0]);
    // Variances 4, 12, 3 and 0, 27, 0.
    for (found, variance) in spread
        .sigma()
        .unwrap()
        .into_iter()
        .zip([19.0f32 / 3.0, 9.0])
    {
        assert!((found - variance.sqrt()).abs() < 1e-5, "{found}");
    }
    let map = spread.heat_map(3.0).unwrap();
    assert_eq!(*map.rgb8(), [255, 255, 132, 255, 255, 255]);
}

#[test]
fn the_mean_of_samples_has_their_bits() {
    let image = |rgb: Vec<u16>| Picture {
        alpha: Some(vec![0u16, 12_345].into()),
        ..Picture::with_samples(2, 1, rgb.into())
    };
    let mut spread = Spread::new(&image(vec![1, 2, 3, 1000, 65_535, 40_000])).unwrap();
    spread.add(&image(vec![3, 2, 4, 1002, 65_535, 40_001]));
    let mean = spread.mean().unwrap();
    let Samples::U16(rgb) = &mean.rgb else {
        panic!("{} bits", mean.rgb.bits());
    };
    assert_eq!((&rgb[..2], &rgb[3..5]), (&[2, 2][..], &[1001, 65_535][..]));
    assert!([3, 4].contains(&rgb[2]) && [40_000, 40_001].contains(&rgb[5]));
    assert_eq!(mean.alpha, image(vec![0; 6]).alpha);
}

#[test]
fn buffers_of_another_size_are_no_image() {
    let mut image = Picture::new(2, 1, vec![0; 6]);
    image.rgb = Vec::<u8>::new().into();
    let spread = Spread::new(&image);
    assert!(matches!(spread, Err(UpscaleError::Picture { .. })));
    // Three times as many are none, in 64 bits.
    let third = 6_148_914_691_236_517_206; // (2^64 + 2) / 3
    let made = std::panic::catch_unwind(|| Picture::new(third, 1, vec![0; 2]));
    assert!(made.is_err());
}

#[test]
fn blending_changes_as_much_as_is_asked_for_and_only_where() {
    let image = scene(50, 37);
    let mut upscaler = starter();
    let options = sample(Sampler::Ddpm, 10, 3);
    let mut blend = |mask: Option<&Picture>, amount: f64| {
        let mut go_on = |_| ControlFlow::Continue(());
        let blended = upscaler.blend(&image, mask, amount, &options, &mut go_on);
        blended.map(|(picture, _)| picture)
    };
    let psnr = |result: &Picture| metrics::psnr_rgb(result, &image, 0).unwrap();
    let results = [0.1, 0.5, 1.0].map(|amount| blend(None, amount).unwrap());
    let [little, half, all] = [&results[0], &results[1], &results[2]].map(psnr);
    println!("PSNR with the image: {little:.1}, {half:.1}, {all:.1} dB");
    assert!(
        little > half && half > all && little > 30.0,
        "{little}, {half}, {all}"
    );
    assert_eq!((results[0].width, results[0].height), (50, 37));

    let left = |i: usize| if i / 3 % 50 < 25 { 255 } else { 0 };
    let mask = Picture::new(50, 37, (0..50 * 37 * 3).map(left).collect());
    let masked = blend(Some(&mask), 0.5).unwrap();
    let (found, before) = (masked.rgb8(), image.rgb8());
    let after = results[1].rgb8();
    for (i, &found) in found.iter().enumerate() {
        let expected = if left(i) == 255 { after[i] } else { before[i] };
        assert_eq!(found, expected, "{i}");
    }

    // A layer that was painted in white, or in black, on nothing.
    let opaque = |i: usize| if i % 50 < 25 { 255 } else { 0 };
    let layer = |level: u8| Picture {
        alpha: Some((0..50 * 37).map(opaque).collect::<Vec<u8>>().into()),
        ..Picture::new(50, 37, vec![level; 50 * 37 * 3])
    };
    assert!(blend(Some(&layer(255)), 0.5).unwrap() == masked);
    assert!(blend(Some(&layer(0)), 0.5).unwrap() == image);

    let small = mask.cropped(49, 37).unwrap();
    assert!(matches!(
        blend(Some(&small), 0.5),
        Err(UpscaleError::Mask { .. })
    ));
    let mut cut = mask;
    cut.rgb = vec![255u8; 100].into();
    assert!(matches!(
        blend(Some(&cut), 0.5),
        Err(UpscaleError::Picture { .. })
    ));
    for amount in [0.0, 1.1, f64::NAN] {
        assert!(matches!(
            blend(None, amount),
            Err(UpscaleError::Option { .. })
        ));
    }
}
