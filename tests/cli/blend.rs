//! `srdiff blend`.

use super::folder::{FAST, Folder};
use image::{Rgb, RgbImage, Rgba, RgbaImage};
use std::fs;
use std::process::Command;

#[test]
fn content_is_blended_in() {
    let folder = Folder::new();
    folder.draw("pasted.png", 22, 17);
    folder.draw("mask.png", 22, 17);
    let blend = |args: &[&str]| folder.run(&[&["blend", "pasted.png"], &FAST[..], args].concat());
    let run = blend(&["--seed", "4"]);
    assert_eq!(run.code, 0, "{run:?}");
    let (said, seed) = run.stdout.split_once(" dB, ").unwrap();
    assert!(said.starts_with("pasted_blend.png: 22x17, LR-PSNR "));
    assert_eq!(seed, "--seed 4\n");
    let result = folder.load("pasted_blend.png");
    assert_eq!((result.width(), result.height()), (22, 17));
    assert_eq!(blend(&["--mask", "mask.png", "-o", "b.jpg", "-q"]).code, 0);

    let refused = |args: &[&str], code, parts: &[&str]| {
        folder.refuses(
            &[&["blend", "pasted.png"], &FAST[..], args].concat(),
            code,
            parts,
        );
    };
    refused(&[], 4, &["pasted_blend.png: exists already", "--force"]);
    refused(&["-o", "c.png", "--amount", "2"], 2, &["--amount 2: "]);
    refused(&["-o", "c.png", "--mask", "none.png"], 3, &["none.png"]);
    let other = ["-o", "c.png", "--mask", "in.png"];
    refused(&other, 2, &["the mask is 6x4 and the image 22x17"]);
    let itself = ["-o", "pasted.png", "--force"];
    refused(&itself, 4, &["pasted.png: is an input", "-o"]);
    let mask = ["-o", "./mask.png", "--mask", "mask.png", "--force"];
    refused(&mask, 4, &["mask.png: is an input"]);
}

/// A layer as editors export it: white, with the shape in its opacity.
#[test]
fn a_mask_counts_as_far_as_it_is_opaque() {
    let folder = Folder::new();
    folder.draw("pasted.png", 24, 16);
    let opacity = |x: u32| if x < 12 { 255 } else { 0 };
    let layer = RgbaImage::from_fn(24, 16, |x, _| Rgba([255, 255, 255, opacity(x)]));
    layer.save(folder.path("mask.png")).unwrap();
    let args = ["blend", "pasted.png", "--mask", "mask.png", "--seed", "1"];
    let run = folder.run(&[&args[..], &FAST].concat());
    assert_eq!(run.code, 0, "{run:?}");
    // What was compared with the image is not what was written.
    assert_eq!(run.stdout, "pasted_blend.png: 24x16, --seed 1\n");
    let images = ["pasted.png", "pasted_blend.png"].map(|name| folder.load(name).to_rgb8());
    let differ = |at: fn(u32) -> bool| {
        let pixels = images[0].enumerate_pixels().zip(images[1].pixels());
        pixels
            .filter(|((x, _, _), _)| at(*x))
            .any(|((_, _, before), after)| before != after)
    };
    assert!(differ(|x| x < 12));
    assert!(!differ(|x| x >= 12));
}

/// Whatever its hue, and whatever channels the image has.
#[test]
fn a_coloured_mask_counts_as_its_mean() {
    let folder = Folder::new();
    folder.draw("colour.png", 16, 16);
    let gray = folder.load("colour.png").to_luma8();
    gray.save(folder.path("gray.png")).unwrap();
    for (name, level) in [
        ("red", [150, 0, 0]),
        ("blue", [0, 0, 150]),
        ("flat", [50; 3]),
    ] {
        let mask = RgbImage::from_pixel(16, 16, Rgb(level));
        mask.save(folder.path(&format!("{name}.png"))).unwrap();
    }
    for input in ["colour.png", "gray.png"] {
        let [red, blue, flat] = ["red", "blue", "flat"].map(|name| {
            let (mask, output) = (format!("{name}.png"), format!("out_{name}.png"));
            let args = ["blend", input, "--mask", &mask, "-o", &output, "--force"];
            let run = folder.run(&[&args[..], &FAST, &["--seed", "1"]].concat());
            assert_eq!(run.code, 0, "{run:?}");
            folder.load(&output).into_rgb8()
        });
        assert!(red == flat && blue == flat, "{input}");
        assert!(flat != folder.load(input).to_rgb8(), "{input}");
    }
}

/// Pixels that fill up the last LR pixels would lie between edges that meet.
#[test]
fn a_texture_wraps_in_whole_lr_pixels_alone() {
    let folder = Folder::new();
    folder.draw("odd.png", 22, 16);
    folder.draw("even.png", 20, 16);
    let blend = |input| [&["blend", input, "--wrap"], &FAST[..]].concat();
    let parts = ["odd.png: ", "22x16", "--wrap", "multiples of 4", "20x16"];
    folder.refuses(&blend("odd.png"), 2, &parts);
    let run = folder.run(&blend("even.png"));
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn the_result_goes_to_standard_output() {
    let folder = Folder::new();
    let before = folder.names();
    let output = Command::new(env!("CARGO_BIN_EXE_srdiff"))
        .current_dir(folder.path(""))
        .args(["blend", "in.png", "-o", "-"])
        .args(FAST)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let result = image::load_from_memory(&output.stdout).unwrap();
    assert_eq!((result.width(), result.height()), (6, 4));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("standard output: 6x4"), "{said}");
    assert_eq!(folder.names(), before);
}

#[test]
fn files_are_read_and_written_as_upscale_does() {
    let folder = Folder::new();
    let blend = |args: &[&str]| {
        let all = [&["blend"], args, &FAST[..], &["--force"]].concat();
        let run = folder.run(&all);
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        run
    };
    let refused = |args: &[&str], code, parts: &[&str]| {
        let all = [&["blend"], args, &FAST[..], &["-o", "out.png"]].concat();
        folder.refuses(&all, code, parts);
    };
    let large = ["in.png", "--max-pixels", "23"];
    refused(&large, 3, &["6x4", "at most 23 pixels", "--max-pixels"]);
    blend(&["in.png", "--max-pixels", "24"]);
    refused(
        &["in.png", "--quality", "50"],
        2,
        &["--quality", "lossless"],
    );

    folder.draw("pasted.png", 64, 64);
    let sizes = ["5", "95"].map(|quality| {
        blend(&[
            "pasted.png",
            "-o",
            "out.jpg",
            "--quality",
            quality,
            "--seed",
            "1",
        ]);
        fs::metadata(folder.path("out.jpg")).unwrap().len()
    });
    assert!(2 * sizes[0] < sizes[1], "{sizes:?}");

    let bytes = fs::read(folder.path("pasted.png")).unwrap();
    folder.write("cut.png", &bytes[..bytes.len() - 20]);
    refused(&["cut.png"], 3, &["cut.png: ", "--tolerant"]);
    let run = blend(&["cut.png", "--tolerant"]);
    assert!(run.stderr.contains("note: cut.png: "), "{run:?}");

    let photo = "tests/data/pictures/jpeg_exif_dpi.jpg";
    fs::copy(photo, folder.path("photo.jpg")).unwrap();
    let has_exif = |args: &[&str]| {
        blend(&[&["photo.jpg", "-o", "out.png"], args].concat());
        let bytes = fs::read(folder.path("out.png")).unwrap();
        bytes.windows(4).any(|part| part == b"eXIf")
    };
    assert!(has_exif(&[]));
    assert!(!has_exif(&["--strip"]));
}
