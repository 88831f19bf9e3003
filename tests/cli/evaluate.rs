//! `srdiff evaluate`: what it measures, pairs, writes and refuses.

use super::folder::{Folder, Run};
use srdiff::image::{EncodeOptions, OutputFormat, Picture};
use std::fs;

pub const FAST: [&str; 6] = ["-d", "cpu", "-m", "tiny.safetensors", "-n", "1"];

/// A folder with pictures of 40x32 pixels.
pub fn with_pictures(names: &[&str]) -> Folder {
    let folder = Folder::new();
    for name in names {
        let parent = folder.path(name);
        fs::create_dir_all(parent.parent().unwrap()).unwrap();
        folder.draw(name, 40, 32);
    }
    folder
}

pub fn evaluate(folder: &Folder, args: &[&str]) -> Run {
    let all = [&["evaluate", "--samplers", "ddim"], &FAST[..], args].concat();
    let run = folder.run(&all);
    assert_eq!(run.code, 0, "{args:?}: {run:?}");
    run
}

pub fn refuses(folder: &Folder, args: &[&str], code: i32, parts: &[&str]) {
    folder.refuses(&[&["evaluate"], &FAST[..], args].concat(), code, parts);
}

pub fn save(folder: &Folder, name: &str, picture: &Picture) {
    let path = folder.path(name);
    let options = EncodeOptions::default();
    picture
        .save(&path, OutputFormat::Png, &options, true)
        .unwrap();
}

pub fn json(folder: &Folder, args: &[&str]) -> serde_json::Value {
    evaluate(folder, &[args, &["--json", "out.json", "--force"]].concat());
    serde_json::from_slice(&fs::read(folder.path("out.json")).unwrap()).unwrap()
}

/// LR stays as it is, and HR changes where the protocol does not look.
#[test]
fn a_bad_border_changes_no_luma_measure() {
    let folder = with_pictures(&["hr/a.png"]);
    let hr = Picture::open(&folder.path("hr/a.png")).unwrap();
    fs::create_dir(folder.path("lr")).unwrap();
    save(&folder, "lr/a.png", &hr.resized(10, 8).unwrap());
    let of = |json: &serde_json::Value, key: &str| {
        let means = json["results"].as_array().unwrap().iter();
        means
            .map(|result| result["mean"][key].as_f64().unwrap())
            .collect::<Vec<f64>>()
    };
    let args = ["--hr", "hr", "--lr", "lr"];
    let good = json(&folder, &args);
    let spoil = |width: usize| {
        let mut bad = hr.clone();
        let inside = |at: usize, side: usize| at >= width && at < side - width;
        for (at, pixel) in bad.rgb.as_u8_mut().unwrap().chunks_exact_mut(3).enumerate() {
            if !inside(at % 40, 40) || !inside(at / 40, 32) {
                pixel.iter_mut().for_each(|v| *v = !*v);
            }
        }
        save(&folder, "hr/a.png", &bad);
        json(&folder, &args)
    };
    let bad = spoil(4);
    for key in ["psnr_y", "ssim_y"] {
        assert_eq!(
            of(&good, key),
            of(&bad, key),
            "{key}: a border of 4 is shaved off"
        );
    }
    // The other protocol shaves nothing, and a wider border is noticed.
    assert_ne!(of(&good, "psnr_rgb"), of(&bad, "psnr_rgb"));
    assert_ne!(of(&good, "ssim_rgb"), of(&bad, "ssim_rgb"));
    assert_ne!(of(&good, "psnr_y"), of(&spoil(5), "psnr_y"));
}

#[test]
fn lr_pictures_are_found_by_name_and_used() {
    let folder = with_pictures(&["hr/a.png", "hr/b_HR_x4.png"]);
    fs::create_dir(folder.path("lr")).unwrap();
    let hr = Picture::open(&folder.path("hr/a.png")).unwrap();
    let lr = hr.resized(10, 8).unwrap();
    save(&folder, "lr/ax4.png", &lr);
    save(&folder, "lr/b_LRBI_x4.png", &lr);
    let own = evaluate(&folder, &["hr"]);
    let given = evaluate(&folder, &["--hr", "hr", "--lr", "lr"]);
    let bicubic = |run: &Run| run.stdout.lines().nth(2).unwrap().to_owned();
    assert_eq!(bicubic(&own), bicubic(&given), "made as MATLAB makes them");
    assert!(
        own.stdout.contains("LR images are made from them"),
        "{own:?}"
    );
    assert!(
        given.stdout.contains("LR images are those of lr;"),
        "{given:?}"
    );
    save(&folder, "lr/ax4.png", &Picture::new(10, 8, vec![0; 240]));
    let black = evaluate(&folder, &["--hr", "hr", "--lr", "lr"]);
    assert_ne!(bicubic(&own), bicubic(&black));
}

#[test]
fn pictures_without_a_partner_are_named() {
    let folder = with_pictures(&["hr/a.png", "hr/b.png"]);
    fs::create_dir(folder.path("lr")).unwrap();
    let small = |name: &str, size: [u32; 2]| folder.draw(name, size[0], size[1]);
    let args = ["--hr", "hr", "--lr", "lr"];
    small("lr/ax4.png", [10, 8]);
    refuses(&folder, &args, 3, &["b.png: ", "has no LR picture in lr"]);
    // Of another scale.
    small("lr/bx2.png", [20, 16]);
    refuses(&folder, &args, 3, &["b.png: ", "has no LR picture in lr"]);
    small("lr/b.png", [10, 8]);
    refuses(&folder, &args, 3, &["bx2.png: ", "has no HR picture"]);
    fs::rename(folder.path("lr/bx2.png"), folder.path("lr/b_x4.png")).unwrap();
    refuses(
        &folder,
        &args,
        3,
        &["b_x4.png: ", "same HR picture", "b.png"],
    );
    fs::remove_file(folder.path("lr/b.png")).unwrap();
    let sizes = ["b.png: ", "is 40x32", "(20x16) is 80x64"];
    refuses(&folder, &args, 3, &sizes);
    for args in [&["evaluate", "hr", "--hr", "hr"][..], &["evaluate"]] {
        assert_eq!(folder.run(args).code, 2, "{args:?}");
    }
}

#[test]
fn samples_differ_by_the_pixel_sigma() {
    let folder = with_pictures(&["hr/a.png"]);
    let one = evaluate(&folder, &["hr", "-n", "2"]);
    assert!(!one.stdout.contains("sigma |"), "{one:?}");
    let two = evaluate(&folder, &["hr", "--samples", "2"]);
    assert!(two.stdout.contains("| pixel sigma |"), "{two:?}");
    assert!(two.stdout.contains("over 1 image and 2 samples"), "{two:?}");
    let json = json(&folder, &["hr", "--samples", "3"]);
    assert!(json["results"][1]["mean"]["pixel_sigma"].as_f64().unwrap() > 0.0);
    assert!(json["results"][0]["mean"]["pixel_sigma"].is_null());
}

#[test]
fn reports_hold_every_picture_the_means_and_the_protocol() {
    let folder = with_pictures(&["hr/a,b.png", "hr/c.png"]);
    folder.draw("hr/c.png", 48, 40);
    let args = ["hr", "--json", "out.json", "--csv", "out.csv"];
    evaluate(&folder, &args);
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path("out.json")).unwrap()).unwrap();
    let bicubic = &json["results"][0];
    let psnr = |value: &serde_json::Value| value["psnr_rgb"].as_f64().unwrap();
    let images = bicubic["images"].as_array().unwrap();
    let mean = (psnr(&images[0]) + psnr(&images[1])) / 2.0;
    assert!((psnr(&bicubic["mean"]) - mean).abs() < 1e-9);
    assert_ne!(psnr(&images[0]), psnr(&images[1]));
    assert!(
        json["protocol"][1]
            .as_str()
            .unwrap()
            .contains("without 4 pixels")
    );

    let text = fs::read_to_string(folder.path("out.csv")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(text.starts_with("# HR images are cropped"), "{text}");
    assert!(rows[0].starts_with("image,sampler,steps,psnr_y,"), "{text}");
    assert_eq!(rows.len(), 1 + 2 * 3, "{text}");
    assert!(rows[1].starts_with("\"a,b.png\",bicubic,,"), "{text}");
    assert!(rows[6].starts_with("mean,ddim,1,"), "{text}");

    // What exists is not replaced unless that is asked for.
    let exists = ["out.json: ", "exists", "--force"];
    refuses(&folder, &args, 4, &exists);
    refuses(
        &folder,
        &["hr", "--csv", "no/out.csv"],
        4,
        &["no/out.csv: "],
    );
}

#[test]
fn grids_show_lr_bicubic_results_and_hr() {
    let folder = with_pictures(&["hr/a.png", "hr/b.png"]);
    evaluate(&folder, &["hr", "--grid", "grids"]);
    assert!(folder.path("grids/b.png").is_file());
    let grid = folder.load("grids/a.png").to_rgb8();
    // Four columns of 40, gaps of 8; 32 rows, and as many of the crop.
    assert_eq!(grid.dimensions(), (4 * 48 + 8, 2 * 40 + 8));
    let hr = folder.load("hr/a.png").to_rgb8();
    for (x, y) in [(0, 0), (39, 31), (17, 5)] {
        assert_eq!(grid.get_pixel(8 + 3 * 48 + x, 8 + y), hr.get_pixel(x, y));
    }
    let at = |x: u32, y: u32| grid.get_pixel(8 + x, 8 + y);
    assert_eq!(at(0, 0), at(3, 3), "LR pixels are squares of 4");
    assert_ne!(at(0, 0), at(4, 4));
    assert_ne!(grid.get_pixel(8 + 48, 8), grid.get_pixel(8 + 96, 8));

    evaluate(&folder, &["hr", "--grid", "all.png"]);
    assert_eq!(folder.load("all.png").to_rgb8().dimensions(), (200, 168));
    refuses(
        &folder,
        &["hr", "--grid", "all.png"],
        4,
        &["all.png: ", "--force"],
    );
    refuses(
        &folder,
        &["hr", "--grid", "grids"],
        4,
        &["a.png: ", "--force"],
    );
    refuses(
        &folder,
        &["hr", "--grid", "all.jpg"],
        2,
        &["--grid all.jpg: ", ".png"],
    );
}

/// Grids are called as the pictures are.
#[test]
fn nothing_that_is_read_is_overwritten() {
    let folder = with_pictures(&["hr/a.png"]);
    fs::create_dir(folder.path("lr")).unwrap();
    folder.draw("lr/a.png", 10, 8);
    let data = ["--hr", "hr", "--lr", "lr", "--force"];
    for (output, file) in [
        (["--grid", "hr"], "hr/a.png: is an input"),
        (["--grid", "./lr"], "./lr/a.png: is an input"),
        (["--grid", "hr/a.png"], "hr/a.png: is an input"),
        (["--json", "hr/a.png"], "hr/a.png: is an input"),
        (["--csv", "lr/a.png"], "lr/a.png: is an input"),
        (
            ["--json", "tiny.safetensors"],
            "tiny.safetensors: is an input",
        ),
    ] {
        refuses(
            &folder,
            &[&data[..], &output].concat(),
            4,
            &[file, output[0]],
        );
    }
}

#[test]
fn outputs_of_one_path_are_refused() {
    let folder = with_pictures(&["hr/a.png"]);
    for (args, parts) in [
        (
            ["--json", "t.x", "--csv", "./t.x"],
            ["--csv ./t.x", "--json"],
        ),
        (
            ["--json", "t.png", "--grid", "t.png"],
            ["--grid t", "--json"],
        ),
        (["--csv", "g/a.png", "--grid", "g"], ["g/a.png", "--csv"]),
    ] {
        fs::create_dir_all(folder.path("g")).unwrap();
        refuses(&folder, &[&["hr"], &args[..]].concat(), 2, &parts);
    }
}

#[test]
fn a_picture_that_fails_costs_the_others_nothing() {
    let folder = with_pictures(&["hr/a.png", "hr/b.png", "hr/c.png"]);
    let alone = json(&folder, &["hr"]);
    let bytes = fs::read(folder.path("hr/b.png")).unwrap();
    folder.write("hr/b.png", &bytes[..bytes.len() / 2]);
    let outputs = ["--json", "t.json", "--csv", "t.csv", "--grid", "t.png"];
    let samplers = ["evaluate", "hr", "--samplers", "ddim"];
    let run = folder.run(&[&samplers[..], &FAST, &outputs].concat());
    assert_eq!(run.code, 8, "{run:?}");
    assert!(run.stdout.starts_with("| sampler |"), "{run:?}");
    assert!(run.stdout.contains("means over 2 images"), "{run:?}");
    assert!(run.stdout.contains("they failed: b.png."), "{run:?}");
    assert!(
        run.stderr.contains("error: hr/b.png: is truncated"),
        "{run:?}"
    );
    assert!(run.stderr.contains("error: 1 of 3 images"), "{run:?}");
    let read = |name: &str| fs::read(folder.path(name)).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&read("t.json")).unwrap();
    assert_eq!(json["failed"][0]["image"], "b.png");
    for (setting, all) in [0, 1].map(|at| (&json["results"][at], &alone["results"][at])) {
        let images = setting["images"].as_array().unwrap();
        let names: Vec<_> = images.iter().map(|image| &image["image"]).collect();
        assert_eq!(names, ["a.png", "c.png"]);
        assert_eq!(images[1]["psnr_y"], all["images"][2]["psnr_y"]);
    }
    let csv = String::from_utf8(read("t.csv")).unwrap();
    assert!(csv.contains("# Not in the means"), "{csv}");
    assert_eq!(csv.lines().filter(|l| !l.starts_with('#')).count(), 7);
    // Two pictures, one below the other.
    assert_eq!(folder.load("t.png").height(), 168);
}

/// What was measured before is told.
#[cfg(unix)]
#[test]
fn a_signal_ends_it_with_what_was_measured() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    let folder = with_pictures(&["hr/a.png"]);
    folder.draw("hr/b.png", 640, 640);
    let mut child = Command::new(env!("CARGO_BIN_EXE_srdiff"))
        .current_dir(folder.path(""))
        .args(["evaluate", "hr", "-d", "cpu", "-n", "100"])
        .args(["--samplers", "ddim", "--grid", "grids", "--csv", "t.csv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    stderr.read_line(&mut said).unwrap();
    while !folder.path("grids/a.png").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let mut told = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut told).unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(
        said.ends_with("stopped; 1 of 2 images were measured\n"),
        "{said}"
    );
    assert!(
        told.contains("1 of 2 images are not in the means"),
        "{told}"
    );
    let csv = fs::read_to_string(folder.path("t.csv")).unwrap();
    assert!(csv.contains("\nmean,ddim,100,"), "{csv}");
}

/// Two reports can be told apart.
#[test]
fn options_of_sampling_are_in_the_report() {
    let folder = with_pictures(&["hr/a.png"]);
    let plain = json(&folder, &["hr"]);
    assert_eq!(plain["consistent"], false);
    assert_eq!(plain["strength"], 1.0);
    let args = ["hr", "--samplers", "ddpm,ddim"];
    let own = ["--consistent", "--strength", "0.5", "--csv", "t.csv"];
    // In one step, as FAST has it, and in two.
    let run = folder.run(&[&["evaluate", "-n", "2"], &FAST[..], &args, &own].concat());
    assert_eq!(run.code, 0, "{run:?}");
    let made = "made with --consistent and --strength 0.5.";
    assert!(run.stdout.contains(made), "{run:?}");
    let nothing = "changes nothing for ddpm with one step and ddim";
    assert!(run.stderr.contains(nothing), "{run:?}");
    let csv = fs::read_to_string(folder.path("t.csv")).unwrap();
    assert!(csv.contains(made), "{csv}");
    let none = ["hr", "--samplers", "ddim,dpm++", "--strength", "0.5"];
    refuses(&folder, &none, 2, &["--strength: ", "--samplers ddpm"]);
    let one = ["hr", "--samplers", "ddim", "--strength", "0.5"];
    refuses(&folder, &one, 2, &["ddim adds no noise"]);
    let one_step = ["hr", "--samplers", "ddpm", "--strength", "0.5"];
    refuses(&folder, &one_step, 2, &["--strength: ddpm with one step"]);
}

#[test]
fn pictures_of_too_many_pixels_are_refused() {
    let folder = with_pictures(&["hr/a.png"]);
    let limited = |n| ["hr", "--max-pixels", n];
    let parts = ["a.png: ", "40x32", "at most 1279 pixels", "--max-pixels"];
    refuses(&folder, &limited("1279"), 3, &parts);
    evaluate(&folder, &limited("1280"));
}
