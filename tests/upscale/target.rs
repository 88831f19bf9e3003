//! Results of any size.

use super::tiles::{scene, tiled};
use super::{sample, upscale};
use srdiff::diffusion::Sampler;
use srdiff::image::{Picture, Strip, StripResizing, metrics};
use srdiff::model::Model;
use srdiff::upscale::{TileChoice, UpscaleError};
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
            let mut resizing = StripResizing::new([61, 47], size).unwrap();
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
