//! Results of any size.

use super::tiles::{scene, tiled};
use super::{sample, upscale};
use srdiff::diffusion::Sampler;
use srdiff::image::bicubic::resize;
use srdiff::image::{Border, Picture, Strip, StripResizing, metrics};
use srdiff::model::Model;
use srdiff::upscale::{SampleOptions, TileChoice, UpscaleError};
use std::ops::ControlFlow;

/// The image made of strips.
fn assembled(size: [usize; 2], strips: &[Strip]) -> Picture {
    let mut rgb = Vec::new();
    for strip in strips {
        assert_eq!(strip.y * size[0] * 3, rgb.len());
        rgb.extend_from_slice(&strip.rgb.to_u8());
    }
    Picture::new(size[0], size[1], rgb)
}

#[test]
fn strips_are_resized_as_whole_images_are() {
    let image = scene(61, 47);
    for size in [[61, 47], [30, 20], [7, 46], [100, 90], [1, 1]] {
        for rows in [1, 5, 47] {
            let mut resizing = StripResizing::new([61, 47], size, Border::Reflected).unwrap();
            let mut strips = Vec::new();
            for y in (0..47).step_by(rows) {
                let rows = rows.min(47 - y);
                let rgb = image.rgb8()[3 * 61 * y..3 * 61 * (y + rows)].to_vec();
                let strip = Strip {
                    y,
                    rows,
                    rgb: rgb.into(),
                    alpha: None,
                };
                strips.extend(resizing.push(&strip).unwrap());
            }
            let found = assembled(size, &strips);
            let expected = image.resized(size[0], size[1]).unwrap();
            let same = found
                .rgb8()
                .iter()
                .zip(&*expected.rgb8())
                .all(|(a, b)| a.abs_diff(*b) <= 1);
            assert!(same, "{size:?} in strips of {rows}");
        }
    }
}

#[test]
fn any_size_is_reached_by_shrinking_or_by_running_twice() {
    let image = scene(20, 16);
    let options = sample(Sampler::Ddpm, 2, 3);
    let mut upscaler = tiled(Model::starter(), "cpu", TileChoice::Auto);
    let four_times = upscale(&mut upscaler, &image, &options);
    for (size, expected_runs) in [
        ([20, 16], 1),
        ([30, 24], 1),
        ([61, 33], 1),
        ([80, 64], 1),
        ([81, 64], 2),
        ([320, 256], 2),
    ] {
        let (mut strips, mut runs) = (Vec::new(), 0);
        let report = upscaler.upscale_to(
            &image,
            size,
            &options,
            &mut |progress| {
                runs += usize::from(progress == srdiff::upscale::Progress::Image);
                ControlFlow::Continue(())
            },
            &mut |strip| {
                strips.push(strip);
                ControlFlow::Continue(())
            },
        );
        report.unwrap();
        assert_eq!(runs, expected_runs, "{size:?}");
        let result = assembled(size, &strips);
        let like = four_times.resized(size[0], size[1]).unwrap();
        let psnr = metrics::psnr_rgb(&result, &like, 0).unwrap();
        assert!(
            psnr > if runs == 1 { 55.0 } else { 25.0 },
            "{size:?}: {psnr}"
        );
    }
    for size in [[19, 16], [80, 15], [0, 0]] {
        let ignore = &mut |_| ControlFlow::Continue(());
        let result = upscaler.upscale_to(&image, size, &options, ignore, &mut |_| {
            ControlFlow::Continue(())
        });
        assert!(
            matches!(result, Err(UpscaleError::Shrinks { .. })),
            "{size:?}"
        );
    }
}

#[test]
fn other_samples_of_a_size_need_no_other_encoding() {
    let image = scene(10, 8);
    let mut upscaler = tiled(Model::starter(), "cpu", TileChoice::Auto);
    // In one run of the model, and in two, whose last image is not the first.
    for (size, expected_encodings) in [([15, 12], 1), ([45, 36], 4)] {
        let mut encodings = 0;
        let mut samples = [0, 1].map(|number| {
            let options = SampleOptions {
                sample: number,
                ..sample(Sampler::Ddpm, 1, 3)
            };
            let mut strips = Vec::new();
            let progress = &mut |progress| {
                encodings += usize::from(progress == srdiff::upscale::Progress::Image);
                ControlFlow::Continue(())
            };
            let rows = &mut |strip| {
                strips.push(strip);
                ControlFlow::Continue(())
            };
            match number {
                0 => upscaler.upscale_to(&image, size, &options, progress, rows),
                _ => upscaler.upscale_next_to(&image, size, &options, progress, rows),
            }
            .unwrap();
            (options, assembled(size, &strips))
        });
        assert_eq!(encodings, expected_encodings, "{size:?}");
        let (options, second) = &mut samples[1];
        let mut strips = Vec::new();
        let ignore = &mut |_| ControlFlow::Continue(());
        let alone = upscaler.upscale_to(&image, size, options, ignore, &mut |strip| {
            strips.push(strip);
            ControlFlow::Continue(())
        });
        alone.unwrap();
        assert!(*second == assembled(size, &strips), "{size:?}");
    }
}

#[test]
fn an_image_without_pixels_is_refused() {
    let mut upscaler = tiled(Model::starter(), "cpu", TileChoice::Auto);
    let mut empty = scene(1, 1);
    (empty.width, empty.height, empty.rgb) = (0, 0, Vec::<u8>::new().into());
    for size in [[0, 0], [10, 10]] {
        let result = upscaler.upscale_to(
            &empty,
            size,
            &sample(Sampler::Ddpm, 1, 1),
            &mut |_| ControlFlow::Continue(()),
            &mut |_| ControlFlow::Continue(()),
        );
        assert!(matches!(result, Err(UpscaleError::Picture { .. })));
    }
}

/// PSNR of an image, shrunk, against another.
fn lr_psnr(image: &Picture, lr: &Picture) -> f64 {
    let size = [image.width, image.height];
    let shrunk = resize(&image.rgb8(), size, 3, [lr.width, lr.height]).unwrap();
    let levels = lr.rgb8();
    let squares = shrunk.iter().zip(&*levels).map(|(shrunk, &lr)| {
        let difference = shrunk.clamp(0.0, 255.0) - f64::from(lr);
        difference * difference
    });
    10.0 * (255.0f64.powi(2) * shrunk.len() as f64 / squares.sum::<f64>()).log10()
}

#[test]
fn the_lr_psnr_of_any_size_is_that_of_the_result() {
    let image = scene(20, 16);
    let options = SampleOptions {
        consistent: true,
        ..sample(Sampler::Ddpm, 1, 3)
    };
    let mut upscaler = tiled(Model::starter(), "cpu", TileChoice::Auto);
    for size in [[20, 16], [30, 24], [40, 32], [81, 64], [320, 256]] {
        let mut strips = Vec::new();
        let report = upscaler.upscale_to(
            &image,
            size,
            &options,
            &mut |_| ControlFlow::Continue(()),
            &mut |strip| {
                strips.push(strip);
                ControlFlow::Continue(())
            },
        );
        let reported = report.unwrap().lr_psnr;
        let found = lr_psnr(&assembled(size, &strips), &image);
        println!("{size:?}: {reported:.2} dB reported, {found:.2} measured");
        // Equal to the last bits is as good as equal.
        let [reported, found] = [reported, found].map(|psnr| psnr.min(120.0));
        assert!((reported - found).abs() < 0.02, "{size:?}");
    }
}

/// An image with eight of its like around it.
fn surrounded(image: &Picture) -> Picture {
    let (width, height) = (image.width, image.height);
    let around = |samples: &[u8], channels: usize| -> Vec<u8> {
        let row = |y: usize| samples[y % height * width * channels..][..width * channels].repeat(3);
        (0..3 * height).flat_map(row).collect()
    };
    let mut large = Picture::new(3 * width, 3 * height, around(&image.rgb8(), 3));
    let alpha = image.alpha.as_ref();
    large.alpha = alpha.map(|alpha| around(&alpha.to_u8(), 1).into());
    large
}

/// The image in the middle of such nine.
fn middle(large: &Picture) -> Picture {
    let (width, height) = (large.width / 3, large.height / 3);
    let inner = |samples: &[u8], channels: usize| -> Vec<u8> {
        let row = |y: usize| {
            samples[((height + y) * 3 + 1) * width * channels..][..width * channels].to_vec()
        };
        (0..height).flat_map(row).collect()
    };
    let mut image = Picture::new(width, height, inner(&large.rgb8(), 3));
    let alpha = large.alpha.as_ref();
    image.alpha = alpha.map(|alpha| inner(&alpha.to_u8(), 1).into());
    image
}

/// Noise, so that no edge continues at the other side by chance.
fn texture(width: usize, height: usize) -> Picture {
    let noise = |i: usize| (i as u32).wrapping_mul(2_654_435_761).rotate_left(9) as u8;
    let rgb = (0..3 * width * height).map(|i| 64 + noise(i) / 2);
    let mut image = Picture::new(width, height, rgb.collect());
    let alpha: Vec<u8> = (0..width * height).map(|i| noise(7 * i) | 32).collect();
    image.alpha = Some(alpha.into());
    image
}

/// Runs a wrapped image to a size: the result, and the LR-PSNR that is reported.
fn wrapped(image: &Picture, size: [usize; 2]) -> (Picture, f64) {
    let options = SampleOptions {
        border: Border::Wrapped,
        consistent: true,
        ..sample(Sampler::Ddpm, 1, 3)
    };
    let mut upscaler = tiled(Model::starter(), "cpu", TileChoice::Auto);
    let (mut rgb, mut alpha, mut rows) = (Vec::new(), Vec::new(), 0);
    let report = upscaler.upscale_to(
        image,
        size,
        &options,
        &mut |_| ControlFlow::Continue(()),
        &mut |strip| {
            assert_eq!(strip.y, rows);
            rows += strip.rows;
            rgb.extend_from_slice(&strip.rgb.to_u8());
            alpha.extend_from_slice(&strip.alpha.unwrap().to_u8());
            ControlFlow::Continue(())
        },
    );
    let mut result = Picture::new(size[0], size[1], rgb);
    result.alpha = Some(alpha.into());
    assert!(result.is_consistent());
    (result, report.unwrap().lr_psnr)
}

#[test]
fn a_wrapped_image_wraps_in_every_respect() {
    let image = texture(14, 11);
    let (full, reported) = wrapped(&image, [56, 44]);
    let close = |a: &[u8], b: &[u8]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 1)
    };
    let alpha = |image: &Picture| image.alpha.as_ref().unwrap().to_u8().into_owned();

    // Opacity.
    let expected = middle(&surrounded(&image).resized(3 * 56, 3 * 44).unwrap());
    assert!(close(&alpha(&full), &alpha(&expected)));
    let reflected = image.resized(56, 44).unwrap();
    assert!(!close(&alpha(&full), &alpha(&reflected)), "no edge matters");

    // What is measured.
    let found = {
        let shrunk = surrounded(&full).resized(3 * 14, 3 * 11).unwrap();
        metrics::psnr_rgb(&middle(&shrunk), &image, 0).unwrap()
    };
    let mirrored = lr_psnr(&full, &image);
    println!("LR-PSNR {reported:.1} dB; rounded {found:.1}, mirrored {mirrored:.1}");
    assert!((reported - found).abs() < 2.0 && reported > mirrored + 6.0);

    // What is shrunk.
    let (small, _) = wrapped(&image, [23, 30]);
    let expected = middle(&surrounded(&full).resized(3 * 23, 3 * 30).unwrap());
    assert!(close(&small.rgb8(), &expected.rgb8()));
    assert!(close(&alpha(&small), &alpha(&expected)));
}
