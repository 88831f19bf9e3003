//! Animations and files of several pages, with `--frames`.

use super::folder::{FAST, Folder};
use image::codecs::gif::GifEncoder;
use image::{Delay, Frame, RgbaImage};
use serde_json::Value;
use std::fs;

/// An animation of `count` frames of 5x4 pixels, each brighter than the last.
fn animate(folder: &Folder, name: &str, count: u8) {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for number in 0..count {
        let image = RgbaImage::from_pixel(5, 4, [number * 20, 50, 50, 255].into());
        let delay = Delay::from_numer_denom_ms(120, 1);
        let frame = Frame::from_parts(image, 0, 0, delay);
        encoder.encode_frame(frame).unwrap();
    }
    drop(encoder);
    folder.write(name, &bytes);
}

#[test]
fn each_frame_has_a_result() {
    let folder = Folder::new();
    animate(&folder, "moving.gif", 10);
    let run = folder.upscale(&["moving.gif", "--frames", "--json", "-o", "frames/"]);
    let lines: Vec<Value> = (run.stdout.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 10);
    for (line, number) in lines.iter().zip(1..) {
        assert_eq!(line["output"], format!("frames/moving_x4_{number:02}.png"));
        assert_eq!(line["frame"], number);
        assert_eq!(line["frames"], 10);
        assert_eq!(line["duration_ms"], 120.0);
        assert_eq!(line["notes"].as_array().unwrap().len(), 0);
    }
    let red = |number: u32| {
        let result = folder.load(&format!("frames/moving_x4_{number:02}.png"));
        assert_eq!((result.width(), result.height()), (20, 16));
        let pixels = result.to_rgb8();
        let sum: u32 = pixels.pixels().map(|pixel| u32::from(pixel.0[0])).sum();
        f64::from(sum) / 320.0
    };
    for number in 1..=10 {
        let expected = f64::from(20 * (number - 1));
        let found = red(number);
        assert!((found - expected).abs() < 9.0, "{number}: {found}");
    }
}

#[test]
fn a_stopped_run_goes_on_with_the_frames_that_are_left() {
    let folder = Folder::new();
    animate(&folder, "moving.gif", 3);
    let args = ["moving.gif", "--frames"];
    folder.upscale(&args);
    fs::remove_file(folder.path("moving_x4_2.png")).unwrap();
    let run = folder.upscale(&args);
    assert!(
        run.stderr.contains("\n1 done, 2 there already; "),
        "{run:?}"
    );
    assert!(folder.path("moving_x4_2.png").is_file());
}

#[test]
fn pages_and_samples_are_told_apart_by_name() {
    let folder = Folder::new();
    let pages = fs::read("tests/data/pictures/tiff_multipage.tif").unwrap();
    folder.write("scan.tif", &pages);
    let name = "{stem}-{frame}-{sample}.{ext}";
    folder.upscale(&["scan.tif", "--frames", "--samples", "2", "--name", name]);
    let names = folder.names();
    let results: Vec<_> = names.iter().filter(|name| name.contains('-')).collect();
    let expected = [1, 2, 3].map(|page| [1, 2].map(|sample| format!("scan-{page}-{sample}.png")));
    assert_eq!(results, expected.as_flattened().iter().collect::<Vec<_>>());
}

#[test]
fn messages_name_the_page() {
    let folder = Folder::new();
    let pages = fs::read("tests/data/pictures/tiff_multipage.tif").unwrap();
    folder.write("scan.tif", &pages);
    let args = ["scan.tif", "--frames", "--samples", "2", "--seed", "1"];
    folder.upscale(&args);
    fs::remove_file(folder.path("scan_x4_2_1.png")).unwrap();
    let run = folder.upscale(&args);
    let note = "scan.tif (2 of 3): 1 of its 2 results are there already";
    assert!(run.stderr.contains(note), "{run:?}");

    // Where the second page says that its pixels are.
    let mut damaged = pages;
    damaged[7074..7078].copy_from_slice(&(1u32 << 20).to_le_bytes());
    folder.write("damaged.tif", &damaged);
    let run = folder.run(&[&["damaged.tif", "--frames"], &FAST[..]].concat());
    assert_eq!(run.code, 8, "{run:?}");
    assert!(
        run.stderr.contains("error: damaged.tif (2 of 3): "),
        "{run:?}"
    );
}

#[test]
fn an_image_without_others_is_upscaled_as_ever() {
    let folder = Folder::new();
    folder.upscale(&["in.png", "--frames", "-o", "out.png"]);
    assert_eq!(folder.load("out.png").width(), 24);
}

#[test]
fn what_would_lose_frames_is_refused() {
    let folder = Folder::new();
    animate(&folder, "moving.gif", 3);
    let parts = ["--frames: ", "give -o a folder"];
    folder.refuses_upscale(&["moving.gif", "--frames", "-o", "out.png"], 2, &parts);
    folder.refuses_upscale(&["moving.gif", "--frames", "-o", "-"], 2, &parts);
    let parts = ["--name: ", "{frame}"];
    let name = ["moving.gif", "--frames", "--name", "{stem}.{ext}"];
    folder.refuses_upscale(&name, 2, &parts);
}

/// Two frames of three, and the start of the third.
fn cut_animation(folder: &Folder) {
    animate(folder, "whole.gif", 3);
    let bytes = fs::read(folder.path("whole.gif")).unwrap();
    folder.write("cut.gif", &bytes[..bytes.len() - 8]);
}

#[test]
fn an_animation_that_is_cut_off_is_refused() {
    let folder = Folder::new();
    cut_animation(&folder);
    let reason = "cut.gif: is truncated or damaged (from frame 3 on";
    folder.refuses_upscale(&["cut.gif", "--frames"], 3, &[reason]);
    let run = folder.upscale(&["cut.gif", "--frames", "--tolerant"]);
    assert!(
        run.stderr
            .contains("note: cut.gif: read as far as possible: from frame 3 on")
    );
    assert!(folder.path("cut_x4_2.png").is_file());
    assert!(!folder.path("cut_x4_3.png").exists());
}

/// Also of what is named alone and never looked into.
#[test]
fn what_holds_no_image_has_a_line_of_json() {
    let folder = Folder::new();
    cut_animation(&folder);
    fs::create_dir(folder.path("empty")).unwrap();
    for args in [&["cut.gif", "--frames"][..], &["empty"]] {
        let run = folder.run(&[&["upscale", "--json"], args, &FAST].concat());
        assert_eq!(run.code, 3, "{run:?}");
        let line: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(
            (&line["input"], &line["status"]),
            (&args[0].into(), &"failed".into())
        );
        assert_eq!(line["error"]["code"], 3);
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    }
}

#[test]
fn a_file_whose_frames_cannot_be_counted_does_not_stop_the_others() {
    let folder = Folder::new();
    cut_animation(&folder);
    let args = ["upscale", "cut.gif", "in.png", "--frames", "--json"];
    let run = folder.run(&[&args[..], &FAST].concat());
    assert_eq!(run.code, 8, "{run:?}");
    let lines: Vec<Value> = (run.stdout.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let states: Vec<_> = (lines.iter())
        .map(|line| {
            (
                line["input"].as_str().unwrap(),
                line["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(states, [("cut.gif", "failed"), ("in.png", "done")]);
}
