//! Images in tiles, and what is at their edges.

use super::{ModelFile, model, on_every_adapter, picture, sample, upscale};
use srdiff::diffusion::Sampler;
use srdiff::image::{Border, DecodeOptions, EncodeOptions, OutputFormat, Picture, decode, metrics};
use srdiff::model::{Model, Weights};
use srdiff::upscale::{
    Progress, SampleOptions, TileChoice, UpscaleError, Upscaler, UpscalerOptions,
};
use std::ops::ControlFlow;

const SAMPLERS: [Sampler; 3] = [
    Sampler::Ddpm,
    Sampler::Ddim { eta: 0.0 },
    Sampler::DpmSolverPlusPlus2M,
];

pub fn tiled(model: Model, device: &str, tile: TileChoice) -> Upscaler {
    let Ok(device) = device.parse();
    let options = UpscalerOptions {
        device,
        tile,
        allow_mismatch: true,
        ..UpscalerOptions::default()
    };
    Upscaler::new(model, &options).unwrap()
}

/// An image with structure of all sizes, like a photo.
pub fn scene(width: usize, height: usize) -> Picture {
    let pixel = |index: usize| {
        let (x, y) = ((index % width) as f64, (index / width) as f64);
        let waves = (x * 0.11 + (y * 0.07).sin() * 3.0).sin() + (y * 0.9 + x * 0.2).sin() * 0.4;
        let disc = f64::hypot(x - width as f64 * 0.6, y - height as f64 * 0.4) < 17.0;
        let level = 120.0 + 60.0 * waves + if disc { 50.0 } else { 0.0 };
        [level, level * 0.8 + x * 0.3, 255.0 - level].map(|v| v.clamp(0.0, 255.0) as u8)
    };
    Picture::new(width, height, (0..width * height).flat_map(pixel).collect())
}

#[test]
fn an_image_in_tiles_is_as_in_one_piece() {
    let input = scene(75, 61);
    for sampler in SAMPLERS {
        let options = sample(sampler, 5, 3);
        let whole = upscale(
            &mut tiled(Model::starter(), "cpu", TileChoice::Auto),
            &input,
            &options,
        );
        for side in [32, 47] {
            let mut upscaler = tiled(Model::starter(), "cpu", TileChoice::AtMost(side));
            let result = upscale(&mut upscaler, &input, &options);
            let psnr = metrics::psnr_rgb(&whole, &result, 0).unwrap();
            println!("{sampler}, tiles of {side}: {psnr:.1} dB");
            assert!((50.0..f64::INFINITY).contains(&psnr), "{sampler}: {psnr}");
        }
    }
}

/// Where an image is kept changes no pixel of its result.
#[test]
fn an_image_in_a_temporary_file_is_upscaled_as_one_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.png");
    let color = scene(75, 61);
    let gray = color.clone().into_gray();
    let deep = Picture::from_f32(75, 61, &color.to_f32());
    let alpha: Vec<u8> = (0..75 * 61).map(|i| (i / 13 % 256) as u8).collect();
    let clear = Picture {
        alpha: Some(alpha.into()),
        ..color.clone()
    };
    let sample = sample(Sampler::Ddpm, 2, 3);
    for picture in [color, gray, deep, clear] {
        let options = EncodeOptions::default();
        picture
            .save(&path, OutputFormat::Png, &options, true)
            .unwrap();
        let [in_memory, on_disk] = [u64::MAX, 0].map(|in_memory| {
            let options = DecodeOptions {
                in_memory,
                ..DecodeOptions::default()
            };
            let input = decode(&path, &options).unwrap().picture;
            let mut upscaler = tiled(model("tiny-x4"), "cpu", TileChoice::AtMost(32));
            upscale(&mut upscaler, &input, &sample)
        });
        assert!(in_memory == on_disk);
    }
}

/// Every option of the model, and every executor.
#[test]
fn every_device_works_in_tiles() {
    for fixture in ["tiny-x4", "tiny-options-x2"] {
        let input = picture(50, 34);
        let options = sample(Sampler::Ddpm, 3, 3);
        let choice = TileChoice::AtMost(32);
        let cpu = upscale(&mut tiled(model(fixture), "cpu", choice), &input, &options);
        on_every_adapter(|adapter, device| {
            let gpu = upscale(&mut tiled(model(fixture), device, choice), &input, &options);
            let psnr = metrics::psnr_rgb(&cpu, &gpu, 0).unwrap();
            println!("{}, {fixture}: {psnr:.1} dB", adapter.name);
            assert!(psnr > 45.0, "{}, {fixture}: {psnr}", adapter.name);
        });
    }
}

/// Mean difference of neighbours across columns `at`, over that elsewhere.
fn seam(image: &Picture, reference: &Picture, at: &[usize]) -> f64 {
    let mean = |image: &Picture, chosen: &dyn Fn(usize) -> bool| {
        let rgb = image.rgb8();
        let (mut sum, mut count) = (0.0, 0.0);
        for y in 0..image.height {
            for x in (1..image.width).filter(|&x| chosen(x)) {
                for channel in 0..3 {
                    let value = |x: usize| f64::from(rgb[3 * (y * image.width + x) + channel]);
                    sum += (value(x) - value(x - 1)).abs();
                    count += 1.0;
                }
            }
        }
        sum / count
    };
    let here = |x: usize| at.contains(&x);
    let ratio = |image| mean(image, &here) / mean(image, &|x| !here(x));
    ratio(image) / ratio(reference)
}

#[test]
fn no_seam_shows_between_tiles() {
    let input = scene(120, 40);
    let options = sample(Sampler::Ddpm, 5, 8);
    let whole = upscale(
        &mut tiled(Model::starter(), "cpu", TileChoice::Auto),
        &input,
        &options,
    );
    let mut upscaler = tiled(Model::starter(), "cpu", TileChoice::AtMost(40));
    let result = upscale(&mut upscaler, &input, &options);
    // Wherever tiles begin, end or fade: each column in turn.
    let worst = (8..whole.width - 8)
        .map(|x| (seam(&result, &whole, &[x]) - 1.0).abs())
        .fold(0.0, f64::max);
    println!("gradients across columns differ by {:.1} %", 100.0 * worst);
    assert!(worst < 0.1, "{worst}");

    // Tiles that are run by themselves show.
    let mut patched = result.clone();
    let alone = upscale(
        &mut upscaler,
        &input.cropped(40, 40).unwrap(),
        &sample(Sampler::Ddpm, 5, 9),
    );
    let rgb = patched.rgb.as_u8_mut().unwrap();
    for y in 0..160 {
        let row = &alone.rgb8()[3 * y * 160..][..3 * 160];
        rgb[3 * y * 480..][..3 * 160].copy_from_slice(row);
    }
    assert!((seam(&patched, &whole, &[160]) - 1.0).abs() > 0.1);
}

#[test]
fn the_border_is_no_worse_than_the_interior() {
    let constant = Picture::new(40, 40, vec![128; 4800]);
    for sampler in SAMPLERS {
        let mut upscaler = tiled(Model::starter(), "cpu", TileChoice::Auto);
        let result = upscale(&mut upscaler, &constant, &sample(sampler, 5, 1));
        let rgb = result.rgb8();
        let deviation = |border: bool| {
            let values = rgb.iter().enumerate().filter(|(index, _)| {
                let (x, y) = (index / 3 % 160, index / 480);
                (x.min(y).min(159 - x).min(159 - y) < 8) == border
            });
            let squares: Vec<f64> = values
                .map(|(_, v)| (f64::from(*v) - 128.0).powi(2))
                .collect();
            (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
        };
        let (border, interior) = (deviation(true), deviation(false));
        println!("{sampler}: {border:.2} levels off in the border, {interior:.2} in the interior");
        assert!(border < 1.25 * interior, "{sampler}: {border}, {interior}");
    }
}

#[test]
fn constant_images_stay_within_two_levels() {
    let colors = [
        [0, 0, 0],
        [128, 128, 128],
        [255, 255, 255],
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [255, 255, 0],
        [255, 0, 255],
        [0, 255, 255],
        [255, 200, 220],
        [10, 160, 60],
    ];
    for sampler in SAMPLERS {
        let mut upscaler = tiled(Model::starter(), "cpu", TileChoice::Auto);
        for color in colors {
            let constant = Picture::new(40, 40, color.repeat(1600));
            let result = upscale(&mut upscaler, &constant, &sample(sampler, 5, 1));
            let levels = result.rgb8();
            let pairs = levels.iter().zip(color.iter().cycle());
            let most = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(most <= 2, "{sampler}, {color:?}: {most}");
        }
    }
}

/// Rows come from top to bottom, each once.
#[test]
fn rows_are_handed_over_as_they_are_done() {
    let input = scene(40, 90);
    let options = sample(Sampler::Ddpm, 2, 5);
    let mut upscaler = tiled(Model::starter(), "cpu", TileChoice::AtMost(32));
    let expected = upscale(&mut upscaler, &input, &options);
    let (mut rows, mut rgb, mut early) = (0, Vec::new(), None);
    let last = std::cell::Cell::new(0);
    let report = upscaler.upscale_rows(
        &input,
        &options,
        &mut |progress| {
            if let Progress::Step { done, .. } = progress {
                last.set(done);
            }
            ControlFlow::Continue(())
        },
        &mut |strip| {
            assert_eq!(strip.y, rows);
            rows += strip.rows;
            rgb.extend_from_slice(&strip.rgb.to_u8());
            early.get_or_insert(last.get());
            ControlFlow::Continue(())
        },
    );
    let report = report.unwrap();
    let (tile, count) = report.tiles.unwrap();
    assert!(tile[0] <= 32 && tile[1] <= 32 && count > 4, "{report:?}");
    assert_eq!(rgb, *expected.rgb8());
    assert!(report.lr_psnr > 35.0, "{report:?}");
    let early = early.unwrap();
    assert!(
        early < 2 * count - 2,
        "the first rows came after {early} of {}",
        2 * count
    );

    let cancelled = upscaler.upscale_rows(
        &input,
        &options,
        &mut |_| ControlFlow::Continue(()),
        &mut |_| ControlFlow::Break(()),
    );
    assert!(matches!(cancelled, Err(UpscaleError::Cancelled)));
    assert!(upscale(&mut upscaler, &input, &options) == expected);
}

#[test]
fn a_wrapped_image_continues_at_its_other_side() {
    // A scene that wraps: a period of the image's sides.
    let (width, height) = (48, 32);
    let pixel = |index: usize| {
        let (x, y) = (index % width, index / width);
        let wave = |v: usize, n: usize| (v as f64 / n as f64 * std::f64::consts::TAU).sin();
        let level = 128.0 + 60.0 * wave(3 * x, width) + 40.0 * wave(2 * y, height);
        [level, 255.0 - level, 100.0 + 0.4 * level].map(|v| v as u8)
    };
    let input = Picture::new(width, height, (0..width * height).flat_map(pixel).collect());
    let reflected = sample(Sampler::Ddim { eta: 0.0 }, 5, 2);
    let wrapped = SampleOptions {
        border: Border::Wrapped,
        ..reflected
    };
    let mut upscaler = tiled(Model::starter(), "cpu", TileChoice::Auto);
    let across = |options| {
        let result = upscale(&mut upscaler, &input, options);
        let rgb = result.rgb8().into_owned();
        let (width, height) = (result.width, result.height);
        // The second difference over the edge, where a seam shows.
        let value =
            |x: usize, y: usize, c: usize| f64::from(rgb[3 * (y % height * width + x % width) + c]);
        let bend = |x: usize| {
            let at = |y, c| value(x + width - 1, y, c) - 2.0 * value(x, y, c) + value(x + 1, y, c);
            (0..height)
                .flat_map(|y| (0..3).map(move |c| (y, c)))
                .map(|(y, c)| at(y, c).abs())
                .sum::<f64>()
        };
        let mean = (8..width - 8).map(bend).sum::<f64>() / (width - 16) as f64;
        bend(0).max(bend(width - 1)) / mean
    };
    let mut across = across;
    let (plain, seamless) = (across(&reflected), across(&wrapped));
    println!("bend over the edge: reflected {plain:.2}, wrapped {seamless:.2} of the mean");
    assert!(
        seamless < 1.5 && plain > 1.5 * seamless,
        "{plain}, {seamless}"
    );
}

/// What a device gives that computed nothing, or something else.
#[test]
fn a_result_that_does_not_match_its_image_is_refused() {
    let strict = UpscalerOptions {
        device: "cpu".parse().unwrap(),
        ..UpscalerOptions::default()
    };
    let options = sample(Sampler::Ddpm, 2, 1);
    let run = |model: Model, input: &Picture| {
        let mut upscaler = Upscaler::new(model, &strict).unwrap();
        upscaler.upscale(input, &options, &mut |_| ControlFlow::Continue(()))
    };
    // Whatever the input, it finds noise of one sign.
    let mut file = ModelFile::of("tiny-x4");
    file.tensor("denoise_fn.final_conv.1.bias").1.fill(30.0);
    let weights = Weights::from_bytes(file.to_bytes(), "biased").unwrap();
    let result = run(Model::from_weights(weights).unwrap(), &scene(30, 30));
    assert!(matches!(result, Err(UpscaleError::Lost { .. })));

    // No image is too strange for the starter.
    let noise = |i: usize| (i as u32).wrapping_mul(2_654_435_761).rotate_left(9) as u8;
    let checker = |i: usize| {
        if (i / 3 + i / 90).is_multiple_of(2) {
            255
        } else {
            0
        }
    };
    let dots = |i: usize| if (i / 3).is_multiple_of(13) { 255 } else { 0 };
    let strange: [&dyn Fn(usize) -> u8; 5] =
        [&noise, &checker, &dots, &|_| 0, &|i| (i % 3 * 127) as u8];
    for (number, pixel) in strange.iter().enumerate() {
        let input = Picture::new(30, 30, (0..2700).map(pixel).collect());
        run(Model::starter(), &input).unwrap_or_else(|error| panic!("{number}: {error}"));
    }
}
