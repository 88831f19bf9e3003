//! `srdiff evaluate`: files of all kinds, and what is written of them.

use super::evaluate::{FAST, evaluate, json, refuses, save, with_pictures};
use super::folder::Folder;
use image::codecs::gif::GifEncoder;
use image::{Frame, Rgba, RgbaImage};
use srdiff::image::Picture;
use std::fs;

/// The samples of a folder's measures, without what differs from run to run.
fn measured(folder: &Folder, name: &str) -> Vec<serde_json::Value> {
    let report = json(folder, &[name]);
    let means = report["results"].as_array().unwrap().iter();
    let mean = |result: &serde_json::Value| {
        let mut mean = result["mean"].clone();
        mean["seconds"].take();
        mean
    };
    means.map(mean).collect()
}

#[test]
fn every_format_that_is_read_is_measured() {
    let names = ["hr/a.png", "hr/b.ppm", "hr/c.gif", "hr/d.pgm"];
    let folder = with_pictures(&names[..3]);
    let gray = folder.load("hr/a.png").to_luma8();
    gray.save(folder.path(names[3])).unwrap();
    let report = json(&folder, &["hr"]);
    let images = report["results"][0]["images"].as_array().unwrap();
    let found: Vec<_> = images.iter().map(|i| i["image"].as_str()).collect();
    assert_eq!(found, names.map(|name| name.strip_prefix("hr/")));
}

/// The protocol says that LR has 8 bits.
#[test]
fn sixteen_bits_measure_as_eight_do() {
    let folder = with_pictures(&["hr/a.png"]);
    let hr = Picture::open(&folder.path("hr/a.png")).unwrap();
    fs::create_dir(folder.path("deep")).unwrap();
    let deep = hr.rgb.to_u16().into_owned().into();
    save(&folder, "deep/a.png", &Picture::with_samples(40, 32, deep));
    let deep = Picture::open(&folder.path("deep/a.png")).unwrap();
    assert_eq!(deep.rgb.bits(), 16);
    assert_eq!(measured(&folder, "hr"), measured(&folder, "deep"));
}

#[test]
fn files_that_cannot_be_measured_cost_the_others_nothing() {
    let folder = with_pictures(&["hr/a.png"]);
    folder.write("hr/junk.png", b"no picture");
    folder.draw("hr/small.png", 8, 8);
    let run = |args: &[&str]| {
        let samplers = ["evaluate", "hr", "--samplers", "ddim"];
        folder.run(&[&samplers, &FAST[..], args].concat())
    };
    let told = run(&["--json", "t.json"]);
    assert_eq!(told.code, 8, "{told:?}");
    assert!(told.stdout.contains("means over 1 image."), "{told:?}");
    for part in [
        "error: hr/junk.png: is not an image",
        "error: hr/small.png: is smaller than 24x24",
        "error: 2 of 3 images were not measured",
    ] {
        assert!(told.stderr.contains(part), "{told:?}");
    }
    let text = fs::read(folder.path("t.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(report["failed"][1]["image"], "small.png");
    // They are inputs all the same.
    let over = ["hr", "--csv", "hr/junk.png", "--force"];
    refuses(&folder, &over, 4, &["hr/junk.png: is an input"]);
    // With none left, no device is opened.
    fs::remove_file(folder.path("hr/a.png")).unwrap();
    let none = run(&[]);
    assert_eq!((none.code, &*none.stdout), (8, ""), "{none:?}");
    assert_eq!(none.stderr.lines().count(), 3, "{none:?}");
    fs::remove_file(folder.path("hr/small.png")).unwrap();
    refuses(&folder, &["hr"], 3, &["hr/junk.png: is not an image"]);
}

/// Bicubic enlargement of one colour is perfect.
#[test]
fn an_infinite_psnr_leaves_the_means_as_they_are() {
    let folder = with_pictures(&["hr/a.png"]);
    let alone = measured(&folder, "hr");
    save(&folder, "hr/b.png", &Picture::new(40, 32, vec![99; 3840]));
    let report = json(&folder, &["hr"]);
    let rows = &report["results"];
    assert!(rows[0]["images"][1]["psnr_rgb"].is_null(), "{report}");
    // Of the same pictures in each row.
    for (row, alone) in rows.as_array().unwrap().iter().zip(&alone) {
        assert_eq!(row["mean"]["psnr_rgb"], alone["psnr_rgb"], "{report}");
        assert_ne!(row["mean"]["ssim_rgb"], alone["ssim_rgb"], "{report}");
    }
    let protocol = report["protocol"].to_string();
    assert!(protocol.contains("1 of PSNR-RGB"), "{report}");
}

#[test]
fn images_of_formats_that_are_not_read_are_counted() {
    let folder = with_pictures(&["hr/a.png"]);
    folder.write("hr/b.HEIC", b"");
    let what = "1 file of a format that is not read (.heic)";
    let run = evaluate(&folder, &["hr"]);
    let note = format!("note: hr: {what} was left out");
    assert!(run.stderr.contains(&note), "{run:?}");
    fs::remove_file(folder.path("hr/a.png")).unwrap();
    refuses(&folder, &["hr"], 3, &["hr: holds no images but", what]);
}

#[test]
fn opacity_and_other_frames_are_told() {
    let folder = with_pictures(&["hr/a.png"]);
    let run = evaluate(&folder, &["hr"]);
    assert!(!run.stdout.contains("Opacity"), "{run:?}");
    folder.draw_with_alpha("hr/b.png", 40, 32);
    let run = evaluate(&folder, &["hr"]);
    assert!(run.stdout.contains("images with opacity: 1."), "{run:?}");
    let frame = |red| {
        Frame::new(RgbaImage::from_fn(40, 32, |x, _| {
            Rgba([red, x as u8, 0, 255])
        }))
    };
    let file = fs::File::create(folder.path("hr/c.gif")).unwrap();
    let frames = [50, 200].map(frame);
    GifEncoder::new(file).encode_frames(frames).unwrap();
    let run = evaluate(&folder, &["hr"]);
    assert!(run.stderr.contains("note: hr/c.gif: "), "{run:?}");
}

#[test]
fn a_picture_that_is_called_as_a_comment_begins() {
    let folder = with_pictures(&["hr/#1.png"]);
    evaluate(&folder, &["hr", "--csv", "t.csv"]);
    let csv = fs::read_to_string(folder.path("t.csv")).unwrap();
    let rows: Vec<&str> = csv.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rows.len(), 1 + 2 * 2, "{csv}");
    assert!(rows[1].starts_with("\"#1.png\",bicubic,,"), "{csv}");
}

#[test]
fn reports_go_to_standard_output() {
    let folder = with_pictures(&["hr/a.png"]);
    let before = folder.names();
    let csv = evaluate(&folder, &["hr", "--csv", "-"]);
    assert!(csv.stdout.starts_with("# HR images"), "{csv:?}");
    assert!(csv.stdout.contains("\nmean,ddim,1,"), "{csv:?}");
    assert!(csv.stderr.contains("\n| ddim | 1 |"), "{csv:?}");
    assert!(!csv.stdout.contains("| ddim |"), "{csv:?}");
    let text = evaluate(&folder, &["hr", "--json", "-"]).stdout;
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["results"][1]["sampler"], "ddim");
    assert_eq!(folder.names(), before);
    let both = ["hr", "--json", "-", "--csv", "-"];
    refuses(&folder, &both, 2, &["--csv -: ", "--json"]);
    refuses(&folder, &["hr", "--grid", "-"], 2, &["--grid -: ", ".png"]);
}
