//! From images to batches.

use super::photos::{Folder, batches, load, model, options, picture};
use srdiff::image::bicubic::{resize, resize_u8};
use srdiff::train::data::{
    BatchOptions, Batches, DataError, Degradation, Feed, PhotoOptions, Photos, find_images,
};
use srdiff::train::{Batch, Stage};
use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;

fn degraded() -> Degradation {
    Degradation {
        noise: Some(0.0..=8.0),
        jpeg: Some(40..=90),
    }
}

#[test]
fn batches_do_not_depend_on_workers_memory_or_where_they_begin() {
    let folder = Folder::with_images();
    let model = model(4, 1);
    let make = |memory| {
        let sizes = (Stage::Joint, 3, 8);
        batches(&folder, model.settings(), sizes, degraded(), memory)
    };
    let all = Arc::new(make(u64::MAX));
    let expected: Vec<Batch> = (0..7).map(|k| all.make(k).unwrap()).collect();
    for (at, batch) in expected.iter().enumerate() {
        assert!(!expected[..at].contains(batch), "batch {at} is another's");
    }
    for (first, workers) in [(0, 1), (0, 2), (2, 3), (5, 4)] {
        let mut feed = Feed::start(&all, first as u64, workers).unwrap();
        for batch in &expected[first..] {
            assert!(&feed.take().unwrap() == batch, "{workers} workers");
        }
    }
    let none_kept = make(0);
    assert_eq!(none_kept.photos().not_kept(), 3);
    assert!(none_kept.make(3).unwrap() == expected[3]);
}

fn interleaved(planes: &[f32], side: usize, map: &dyn Fn(f32) -> f32) -> Vec<u8> {
    let pixels = side * side;
    let samples = (0..3 * pixels).map(|at| planes[at % 3 * pixels + at / 3]);
    samples.map(|value| map(value).round() as u8).collect()
}

/// LR and HR patches are of the same place and turned alike, and `x_t` is the noise
/// and the residual over the enlarged LR.
#[test]
fn patches_of_a_batch_belong_together() {
    let folder = Folder::with_images();
    let model = model(4, 1);
    let (settings, lr_side) = (model.settings(), 8);
    let sizes = (Stage::Joint, 12, lr_side);
    let batches = batches(&folder, settings, sizes, Degradation::default(), u64::MAX);
    let hr_side = 4 * lr_side;
    let batch = batches.make(0).unwrap();
    assert_eq!(batch.lr.len(), 12 * 3 * lr_side * lr_side);
    assert_eq!(batch.hr.len(), 12 * 3 * hr_side * hr_side);
    let images = batch.lr.chunks(3 * lr_side * lr_side);
    for (lr, hr) in images.zip(batch.hr.chunks(3 * hr_side * hr_side)) {
        let lr = interleaved(lr, lr_side, &|v| v * 255.0);
        let hr = interleaved(hr, hr_side, &|v| (v + 1.0) * 127.5);
        let small = resize_u8(&hr, [hr_side; 2], 3, [lr_side; 2]).unwrap();
        // Pixels at the edge of a patch have other neighbours in the image.
        for y in 2..lr_side - 2 {
            let row = 3 * (y * lr_side + 2)..3 * (y * lr_side + lr_side - 2);
            let pairs = lr[row.clone()].iter().zip(&small[row]);
            let most = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(most <= 1, "off by {most}");
        }
    }
    // What is left without the noise is the residual over the enlarged LR.
    let schedule =
        srdiff::diffusion::Schedule::new(&settings.schedule, settings.timesteps).unwrap();
    let denoiser = &batch.denoiser;
    assert_eq!(denoiser.timesteps.len(), 12);
    let mut compared = 0;
    for (image, &t) in denoiser.timesteps.iter().enumerate() {
        let abar = schedule.alphas_cumprod()[t];
        if abar < 0.2 {
            continue;
        }
        compared += 1;
        let of_lr = 3 * lr_side * lr_side;
        let lr = &batch.lr[image * of_lr..(image + 1) * of_lr];
        let lr = interleaved(lr, lr_side, &|v| v * 255.0);
        let up = resize(&lr, [lr_side; 2], 3, [hr_side; 2]).unwrap();
        let pixels = hr_side * hr_side;
        for at in 0..3 * pixels {
            let [hr, x, eps] = [&batch.hr, &denoiser.x_t, &denoiser.eps]
                .map(|values| f64::from(values[image * 3 * pixels + at]));
            let up = up[3 * (at % pixels) + at / pixels] / 127.5 - 1.0;
            let expected = (2.0 * (hr - up)).clamp(-1.0, 1.0);
            let x_0 = (x - eps * (1.0 - abar).sqrt()) / abar.sqrt();
            let off = (x_0 - expected).abs();
            assert!(off < 1e-4, "off by {off} at {t}");
        }
    }
    assert!(compared > 2, "{compared}");
}

/// The LR image of a drawing is made from the patch alone, that of a photo from more.
#[test]
fn a_share_of_the_patches_is_drawn() {
    let folder = Folder::with_images();
    let model = model(4, 1);
    let (lr_side, hr_side) = (8, 32);
    for (drawings, expected) in [(0.0, 0..=0), (0.25, 20..=40), (1.0, 120..=120)] {
        let (photos, _) = load(&folder, options(4, hr_side));
        let made = BatchOptions {
            stage: Stage::Joint,
            batch: 12,
            lr_side,
            degradation: Degradation::default(),
            drawings,
            seed: 11,
            distillation: None,
        };
        let batches = Batches::new(photos, model.settings(), made).unwrap();
        let mut drawn = 0;
        for number in 0..10 {
            let batch = batches.make(number).unwrap();
            let images = batch.lr.chunks(3 * lr_side * lr_side);
            for (lr, hr) in images.zip(batch.hr.chunks(3 * hr_side * hr_side)) {
                let lr = interleaved(lr, lr_side, &|v| v * 255.0);
                let hr = interleaved(hr, hr_side, &|v| (v + 1.0) * 127.5);
                let small = resize_u8(&hr, [hr_side; 2], 3, [lr_side; 2]).unwrap();
                // Halves may be rounded otherwise.
                let mut pairs = lr.iter().zip(&small);
                drawn += usize::from(pairs.all(|(a, b)| a.abs_diff(*b) <= 1));
            }
        }
        assert!(expected.contains(&drawn), "{drawings}: {drawn}");
    }
}

#[test]
fn what_cannot_be_used_is_named_and_skipped() {
    let folder = Folder::with_images();
    folder.draw("small.png", 40, 31);
    fs::write(folder.path("broken.png"), b"no image").unwrap();
    let whole = fs::read(folder.path("b.jpg")).unwrap();
    fs::write(folder.path("cut.jpg"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.path("notes.txt"), b"not looked at").unwrap();
    fs::create_dir(folder.path(".hidden")).unwrap();
    folder.draw(".hidden/d.png", 64, 64);
    fs::create_dir(folder.path("sub")).unwrap();
    folder.draw("sub/e.png", 64, 64);
    let (photos, skipped) = load(&folder, options(4, 32));
    assert_eq!(photos.len(), 4);
    let names = skipped.iter().map(|s| s.path.file_name().unwrap());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["broken.png", "cut.jpg", "small.png"]
    );
    assert!(skipped[0].reason.contains("not an image"), "{skipped:?}");
    assert!(skipped[1].reason.contains("truncated"), "{skipped:?}");
    assert!(skipped[2].reason.contains("is 40x31, less"), "{skipped:?}");
}

#[test]
fn a_folder_without_a_usable_image_is_refused() {
    let folder = Folder::new();
    let load = || {
        let paths = find_images(&[folder.root().to_owned()]).unwrap();
        let all = |_: &Photos| "loaded".to_owned();
        let loaded = Photos::load(&paths, options(4, 32), &|| ControlFlow::Continue(()));
        loaded.map_or_else(|error| error.to_string(), |(photos, _)| all(&photos))
    };
    assert!(load().contains("there are no images"), "{}", load());
    folder.draw("small.png", 16, 16);
    let said = load();
    assert!(
        said.contains("none of 1 images") && said.contains("small.png"),
        "{said}"
    );
    let missing = find_images(&[folder.path("nowhere")]);
    assert!(matches!(missing, Err(DataError::Missing(_))));
}

#[test]
fn an_image_that_changes_meanwhile_is_named() {
    let folder = Folder::with_images();
    let model = model(4, 1);
    let sizes = (Stage::Encoder, 3, 8);
    let batches = batches(&folder, model.settings(), sizes, Degradation::default(), 0);
    folder.draw("a.png", 200, 200);
    folder.draw("b.jpg", 200, 200);
    folder.draw("c.png", 200, 200);
    let error = batches.make(0).unwrap_err().to_string();
    assert!(error.contains("has changed"), "{error}");
    let mut feed = Feed::start(&Arc::new(batches), 0, 2).unwrap();
    assert!(feed.take().is_err());
}

/// Large JPEGs are halved, PNGs and small ones are not.
#[test]
fn large_jpegs_are_halved() {
    let folder = Folder::new();
    for name in ["large.jpg", "large.png"] {
        picture(1, 800, 840).save(folder.path(name)).unwrap();
    }
    picture(1, 900, 796).save(folder.path("small.jpg")).unwrap();
    let skipped = |halve| {
        let options = PhotoOptions {
            halve,
            ..options(4, 500)
        };
        let paths = find_images(&[folder.root().to_owned()]).unwrap();
        let (_, skipped) = Photos::load(&paths, options, &|| ControlFlow::Continue(())).unwrap();
        skipped
    };
    assert_eq!(skipped(false), []);
    // 400x420 is too small, and only the large JPEG has become that.
    let skipped = skipped(true);
    assert_eq!(skipped.len(), 1);
    let reason = &skipped[0].reason;
    assert!(
        reason.contains("is 800x840, halved to 400x420, less"),
        "{reason}"
    );
}
