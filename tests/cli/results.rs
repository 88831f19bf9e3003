//! What `upscale` makes.

use super::folder::Folder;
use super::support_models::ModelFile;
use image::ColorType;
use srdiff::image::{EncodeOptions, OutputFormat, Picture};
use std::fs;

#[test]
fn the_default_name_is_beside_the_input() {
    let folder = Folder::new();
    fs::create_dir(folder.path("deep")).unwrap();
    folder.draw("deep/photo.small.bmp", 5, 3);
    folder.upscale(&["deep/photo.small.bmp"]);
    let result = folder.load("deep/photo.small_x4.png");
    assert_eq!((result.width(), result.height()), (20, 12));
    assert_eq!(result.color(), ColorType::Rgb8);
}

#[test]
fn the_smallest_picture() {
    let folder = Folder::new();
    folder.draw("dot.png", 1, 1);
    folder.upscale(&["dot.png"]);
    let result = folder.load("dot_x4.png");
    assert_eq!((result.width(), result.height()), (4, 4));
}

#[test]
fn odd_sizes_and_opacity() {
    let folder = Folder::new();
    folder.draw_with_alpha("odd.png", 7, 5);
    folder.upscale(&["odd.png"]);
    let result = folder.load("odd_x4.png");
    assert_eq!((result.width(), result.height()), (28, 20));
    assert_eq!(result.color(), ColorType::Rgba8);
    // Opacity rises from left to right, as in the input.
    let result = result.into_rgba8();
    let alpha: Vec<u8> = (0..28).map(|x| result.get_pixel(x, 10)[3]).collect();
    assert!(alpha.is_sorted(), "{alpha:?}");
    assert!(alpha[0] < 20 && alpha[27] > 220, "{alpha:?}");
}

#[test]
fn a_result_states_its_own_size() {
    let folder = Folder::new();
    folder.draw("photo.png", 7, 5);
    let mut picture = Picture::open(&folder.path("photo.png")).unwrap();
    let packet = "<x tiff:ImageWidth='7' exif:PixelYDimension='5'/>";
    picture.metadata.xmp = Some(packet.as_bytes().to_vec());
    let options = EncodeOptions::default();
    let path = folder.path("stated.png");
    picture
        .save(&path, OutputFormat::Png, &options, true)
        .unwrap();
    folder.upscale(&["stated.png"]);
    let result = Picture::open(&folder.path("stated_x4.png")).unwrap();
    let packet = packet.replace("'7'", "'28'").replace("'5'", "'20'");
    assert_eq!(result.metadata.xmp, Some(packet.into_bytes()));
}

#[test]
fn opacity_that_jpeg_loses_is_told() {
    let folder = Folder::new();
    folder.draw_with_alpha("clear.png", 6, 4);
    let told = |args: &[&str]| folder.upscale(args).stderr.contains("no opacity");
    assert!(told(&["clear.png", "-o", "a.jpg"]));
    assert!(!told(&["clear.png", "-o", "b.jpg", "--quiet"]));
    assert!(!told(&["clear.png", "-o", "c.webp"]));
    assert!(!told(&["in.png", "-o", "d.jpg"]));
}

#[test]
fn how_roughly_a_result_matches_is_told() {
    let folder = Folder::new();
    let draw = |name: &str, level: fn(u32, u32) -> u8| {
        let pixel = |x: u32, y: u32| image::Rgb([level(x, y); 3]);
        let picture = image::RgbImage::from_fn(16, 16, pixel);
        picture.save(folder.path(name)).unwrap();
    };
    draw("flat.png", |_, _| 128);
    draw("edge.png", |x, _| if x < 8 { 0 } else { 255 });
    draw("dots.png", |x, y| ((x * x + 3 * y) % 2) as u8 * 255);
    let options = ["upscale", "-d", "cpu", "-n", "1", "--seed", "1", "--json"];
    let told = |input: &str, option: &[&str]| {
        let run = folder.run(&[&options[..], &[input, "--force"], option].concat());
        assert_eq!(run.code, 0, "{run:?}");
        let [roughly, exactly] = ["only roughly", "the image exactly"].map(|remark| {
            let count = |text: &str| text.matches(remark).count();
            assert_eq!(count(&run.stdout), count(&run.stderr), "{run:?}");
            count(&run.stderr) == 1
        });
        (roughly, exactly)
    };
    let consistent = ["--consistent"];
    assert_eq!(told("flat.png", &[]), (false, false));
    assert_eq!(told("flat.png", &consistent), (false, false));
    assert_eq!(told("edge.png", &[]), (false, false));
    assert_eq!(told("edge.png", &consistent), (false, true));
    assert_eq!(told("dots.png", &[]), (true, false));
    assert_eq!(told("dots.png", &consistent), (true, false));
    // Of each sample, and neither of their mean nor of their deviation.
    let samples = ["dots.png", "--samples", "2", "--uncertainty", "-o", "two/"];
    let run = folder.run(&[&options[..], &samples].concat());
    let counts = [&run.stdout, &run.stderr].map(|text| text.matches("only roughly").count());
    assert_eq!(counts, [2, 1], "{run:?}");
}

#[test]
fn a_gray_picture_stays_gray() {
    let folder = Folder::new();
    let pixel = |x: u32, y: u32| image::Luma([(x * 31 + y * 17) as u8]);
    let picture = image::GrayImage::from_fn(6, 6, pixel);
    picture.save(folder.path("gray.png")).unwrap();
    folder.upscale(&["gray.png"]);
    assert_eq!(folder.load("gray_x4.png").color(), ColorType::L8);
}

#[test]
fn one_seed_is_one_result() {
    let folder = Folder::new();
    for (seed, output) in [("7", "a.png"), ("7", "b.png"), ("8", "c.png")] {
        folder.upscale(&["in.png", "--sampler", "ddpm", "--seed", seed, "-o", output]);
    }
    let bytes = |name| fs::read(folder.path(name)).unwrap();
    assert_eq!(bytes("a.png"), bytes("b.png"));
    assert_ne!(bytes("a.png"), bytes("c.png"));
}

#[test]
fn a_random_seed_is_printed_and_repeats_the_result() {
    let folder = Folder::new();
    let run = folder.upscale(&["in.png", "-o", "a.png"]);
    let seed = run.stderr.trim().rsplit("--seed ").next().unwrap();
    folder.upscale(&["in.png", "--seed", seed, "-o", "b.png"]);
    let other = folder.upscale(&["in.png", "-o", "c.png"]);
    let bytes = |name| fs::read(folder.path(name)).unwrap();
    assert_eq!(bytes("a.png"), bytes("b.png"));
    assert!(!other.stderr.ends_with(&format!("--seed {seed}\n")));
    assert_ne!(bytes("a.png"), bytes("c.png"));
}

#[test]
fn samplers_differ() {
    let folder = Folder::new();
    let mut results = Vec::new();
    for (index, sampler) in [
        &["ddpm"][..],
        &["ddim"],
        &["ddim", "--eta", "0.5"],
        &["dpm++"],
    ]
    .iter()
    .enumerate()
    {
        let output = format!("{index}.png");
        let sampled = [
            &[
                "in.png",
                "--seed",
                "1",
                "-o",
                &output,
                "-n",
                "6",
                "--sampler",
            ],
            *sampler,
        ];
        let args = [
            &["upscale", "-d", "cpu", "-m", "tiny.safetensors"],
            &sampled.concat()[..],
        ];
        let run = folder.run(&args.concat());
        assert_eq!(run.code, 0, "{run:?}");
        results.push(fs::read(folder.path(&output)).unwrap());
    }
    let count = results.len();
    results.sort();
    results.dedup();
    assert_eq!(results.len(), count);
}

#[test]
fn what_is_said() {
    let folder = Folder::new();
    let run = folder.upscale(&["in.png", "--seed", "3"]);
    assert!(run.stderr.starts_with("CPU ("), "{run:?}");
    let sampler = srdiff::upscale::defaults::SAMPLER;
    let how = format!("asked for; f32, {sampler} with 2 steps, --seed 3\n");
    assert!(run.stderr.ends_with(&how), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert!(run.stdout.starts_with("in_x4.png: 24x16, "), "{run:?}");
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");

    let run = folder.upscale(&["in.png", "--quiet", "--force"]);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}

#[test]
fn every_format_is_written() {
    let folder = Folder::new();
    for (name, signature) in [
        ("out.png", &b"\x89PNG"[..]),
        ("out.JPG", b"\xff\xd8\xff"),
        ("out.jpeg", b"\xff\xd8\xff"),
        ("out.webp", b"RIFF"),
    ] {
        folder.upscale(&["in.png", "-o", name]);
        let bytes = fs::read(folder.path(name)).unwrap();
        assert!(bytes.starts_with(signature), "{name}");
        let result = image::load_from_memory(&bytes).unwrap();
        assert_eq!((result.width(), result.height()), (24, 16), "{name}");
    }
}

#[test]
fn every_format_is_read() {
    let folder = Folder::new();
    for name in ["a.png", "b.jpg", "c.webp", "d.tiff", "e.bmp"] {
        folder.draw(name, 4, 4);
        folder.upscale(&[name, "-o", "out.png", "--force"]);
        assert_eq!(folder.load("out.png").width(), 16, "{name}");
    }
}

#[test]
fn results_have_the_size_that_is_asked_for() {
    let folder = Folder::new();
    for (scale, name, width, height) in [
        ("2", "in_x2.png", 12, 8),
        ("1.5", "in_x1.5.png", 9, 6),
        ("4", "in_x4.png", 24, 16),
        ("10x30", "in_10x30.png", 10, 30),
        ("60x", "in_60x.png", 60, 40),
        ("x9", "in_x9.png", 14, 9),
    ] {
        let run = folder.upscale(&["in.png", "--scale", scale]);
        let is_stretched = run.stderr.contains("10x30 stretches the image");
        assert_eq!(is_stretched, scale == "10x30", "{run:?}");
        let result = folder.load(name);
        assert_eq!(
            (result.width(), result.height()),
            (width, height),
            "{scale}"
        );
    }
    let parts = ["in.png: the image is 6x4", "5x3"];
    folder.refuses_upscale(&["in.png", "-s", "5x3"], 2, &parts);
    let parts = ["in.png: the image is 6x4", "4 pixels wide", "--scale 4"];
    folder.refuses_upscale(&["in.png", "-s", "4x"], 2, &parts);
}

#[test]
fn the_scale_is_the_models() {
    let folder = Folder::new();
    for (fixture, scale) in [("tiny-x8", 8), ("tiny-options-x2", 2)] {
        folder.write(
            "tiny.safetensors",
            &ModelFile::of(fixture).tamed().to_bytes(),
        );
        folder.upscale(&["in.png"]);
        let result = folder.load(&format!("in_x{scale}.png"));
        assert_eq!((result.width(), result.height()), (6 * scale, 4 * scale));
    }
}

#[test]
fn the_built_in_model() {
    let folder = Folder::new();
    let run = folder.run(&["upscale", "in.png", "-d", "cpu", "--steps", "1"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(folder.load("in_x4.png").width(), 24);
}

#[test]
fn the_plan_is_printed_and_nothing_computed() {
    let folder = Folder::new();
    let before = folder.names();
    let run = folder.upscale(&["in.png", "--dump-plan"]);
    for part in [
        "phase model",
        "phase predict",
        "phase update",
        "conv2d",
        "estimate_x0",
        "sampler_update",
        "memory: ",
    ] {
        assert!(run.stdout.contains(part), "no {part}: {}", run.stdout);
    }
    // 6x4 with a margin of 4 pixels all around.
    assert!(run.stdout.contains("x [1, 3, 48, 56]"), "{}", run.stdout);
    assert_eq!(run.stderr, "");
    assert_eq!(folder.names(), before);
}
