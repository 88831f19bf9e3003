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

/// One frame and the start of the second.
#[test]
fn what_is_missing_after_one_frame_is_told() {
    let folder = Folder::new();
    animate(&folder, "whole.gif", 2);
    let bytes = fs::read(folder.path("whole.gif")).unwrap();
    folder.write("cut.gif", &bytes[..bytes.len() - 8]);
    let run = folder.upscale(&["cut.gif", "--frames", "--tolerant"]);
    let note = "note: read as far as possible: from frame 2 on";
    assert!(run.stderr.contains(note), "{run:?}");
    assert!(!run.stderr.contains("only the first"), "{run:?}");
    assert!(folder.path("cut_x4.png").is_file());
}

/// Each is told in one part, wherever it is among those that can be read.
#[test]
fn files_that_cannot_be_read_are_shared_out() {
    let folder = Folder::new();
    fs::create_dir(folder.path("many")).unwrap();
    cut_animation(&folder);
    let cut = fs::read(folder.path("cut.gif")).unwrap();
    folder.write("many/a.gif", &cut);
    animate(&folder, "many/b.gif", 2);
    folder.write("many/c.tif", b"II*\0 no directories");
    folder.draw("many/d.png", 2, 2);
    folder.write("many/e.gif", &cut);
    let mut told = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let args = ["upscale", "many", "--frames", "--shard", shard, "--json"];
        let run = folder.run(&[&args[..], &FAST].concat());
        let mut codes = Vec::new();
        for line in run.stdout.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            codes.push(line["error"]["code"].as_u64().unwrap_or(0));
            told.push(format!(
                "{} {}",
                line["input"].as_str().unwrap(),
                line["frame"]
            ));
        }
        assert_eq!(codes.len(), 2, "{shard}: {run:?}");
        let has_failed = codes.iter().any(|&code| code > 0);
        assert_eq!(run.code, if has_failed { 8 } else { 0 }, "{run:?}");
    }
    told.sort();
    let expected = [
        "a.gif null",
        "b.gif 1",
        "b.gif 2",
        "c.tif null",
        "d.png null",
        "e.gif null",
    ];
    assert_eq!(told, expected.map(|name| format!("many/{name}")));

    for (shard, code) in [("1/2", 3), ("2/2", 0)] {
        let args = ["upscale", "cut.gif", "--frames", "--shard", shard];
        assert_eq!(
            folder.run(&[&args[..], &FAST].concat()).code,
            code,
            "{shard}"
        );
    }
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
