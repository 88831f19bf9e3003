//! Several results of an image.

use super::folder::{FAST, Folder};
use image::{ColorType, DynamicImage, ImageBuffer};
use serde_json::Value;
use std::fs;

fn pixels(folder: &Folder, name: &str) -> Vec<u8> {
    folder.load(name).into_rgb8().into_raw()
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

fn json(stdout: &str) -> Vec<Value> {
    let lines = stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn samples_of_a_seed_differ_and_the_first_is_the_usual_result() {
    let folder = Folder::new();
    let run = folder.upscale(&["in.png", "--seed", "5", "--samples", "3"]);
    assert_eq!(run.stdout.lines().count(), 3, "{run:?}");
    folder.upscale(&["in.png", "--seed", "5", "-o", "alone.png"]);
    let [first, second, third, alone] = ["in_x4_1.png", "in_x4_2.png", "in_x4_3.png", "alone.png"]
        .map(|name| pixels(&folder, name));
    assert_eq!(first, alone);
    assert_ne!(first, second);
    assert_ne!(second, third);
    assert_ne!(first, third);
}

#[test]
fn names_of_samples_are_as_long_as_the_last() {
    let folder = Folder::new();
    let name = "{sample}/{stem}.{ext}";
    let args = ["in.png", "--samples", "10", "--name", name, "-o", "out/"];
    folder.upscale(&args);
    for number in ["01", "02", "10"] {
        assert_eq!(folder.load(&format!("out/{number}/in.png")).width(), 24);
    }
}

#[test]
fn the_mean_and_the_deviation_are_those_of_the_samples() {
    let folder = Folder::new();
    folder.draw_with_alpha("clear.png", 7, 5);
    for (input, stem) in [("in.png", "in"), ("clear.png", "clear")] {
        let args = [
            input,
            "--samples",
            "4",
            "--uncertainty",
            "--json",
            "--seed",
            "1",
        ];
        let run = folder.upscale(&args);
        let samples: Vec<Vec<u8>> = (1..=4)
            .map(|number| pixels(&folder, &format!("{stem}_x4_{number}.png")))
            .collect();
        let mean = pixels(&folder, &format!("{stem}_x4_mean.png"));
        let sum = |at: usize| samples.iter().map(|s| f64::from(s[at])).sum::<f64>();
        let means: Vec<f64> = (0..mean.len()).map(|at| sum(at) / 4.0).collect();
        for (found, expected) in mean.iter().zip(&means) {
            let found = f64::from(*found);
            assert!((found - expected).abs() <= 0.51, "{found} {expected}");
        }
        let variance = |at: usize| {
            let squares = samples
                .iter()
                .map(|s| (f64::from(s[at]) - means[at]).powi(2));
            squares.sum::<f64>() / 3.0
        };
        let sigma: Vec<f64> = (0..mean.len() / 3)
            .map(|pixel| ((0..3).map(|c| variance(3 * pixel + c)).sum::<f64>() / 3.0).sqrt())
            .collect();
        let average = sigma.iter().sum::<f64>() / sigma.len() as f64;
        assert!(average > 0.1, "{average}");

        let lines = json(&run.stdout);
        let line = |kind: &str| lines.iter().find(|line| line["kind"] == kind).unwrap();
        let told = line("sigma")["mean_sigma"].as_f64().unwrap();
        assert!((told - average).abs() < 0.01, "{told} {average}");
        let white = line("sigma")["white"].as_f64().unwrap();
        let map = pixels(&folder, &format!("{stem}_x4_sigma.png"));
        for (pixel, sigma) in map.chunks_exact(3).zip(&sigma) {
            let red = (3.0 * sigma / white).min(1.0) * 255.0;
            assert!((f64::from(pixel[0]) - red).abs() <= 1.0, "{pixel:?} {red}");
        }
        let output = line("mean")["output"].as_str().unwrap();
        assert_eq!(output, format!("{stem}_x4_mean.png"));
        let numbers: Vec<_> = lines.iter().filter_map(|l| l["sample"].as_u64()).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
    }
}

#[test]
fn the_mean_has_as_many_bits_as_the_image() {
    let folder = Folder::new();
    let words = |x: u32, y: u32| [x * 9001, y * 15_013, (x + y) * 5003, 30_000 + x * 4000];
    let deep = |x, y| image::Rgba(words(x, y).map(|v| v as u16));
    let deep = DynamicImage::ImageRgba16(ImageBuffer::from_fn(6, 4, deep));
    deep.to_rgb16().save(folder.path("deep.png")).unwrap();
    deep.to_luma16().save(folder.path("gray.png")).unwrap();
    deep.save(folder.path("clear.png")).unwrap();
    for (stem, color) in [
        ("deep", ColorType::Rgb16),
        ("gray", ColorType::L16),
        ("clear", ColorType::Rgba16),
    ] {
        let input = format!("{stem}.png");
        folder.upscale(&[&input, "--samples", "2", "--uncertainty", "--seed", "1"]);
        let [one, two, mean] = ["1", "2", "mean"].map(|name| {
            let picture = folder.load(&format!("{stem}_x4_{name}.png"));
            assert_eq!(picture.color(), color, "{stem} {name}");
            picture.into_rgba16().into_raw()
        });
        assert_ne!(one, two);
        for ((one, two), mean) in one.iter().zip(&two).zip(&mean) {
            let expected = (f64::from(*one) + f64::from(*two)) / 2.0;
            assert!(
                (f64::from(*mean) - expected).abs() <= 1.0,
                "{mean} {expected}"
            );
        }
    }
}

#[test]
fn results_change_gradually_from_one_seed_to_the_other() {
    let folder = Folder::new();
    let run = folder.upscale(&["in.png", "--interpolate", "1,2,3"]);
    assert!(run.stderr.contains("--interpolate 1,2,3"), "{run:?}");
    for seed in ["1", "2"] {
        folder.upscale(&["in.png", "--seed", seed, "-o", &format!("{seed}.png")]);
    }
    let [first, middle, last, one, two] = [
        "in_x4_1.png",
        "in_x4_2.png",
        "in_x4_3.png",
        "1.png",
        "2.png",
    ]
    .map(|name| pixels(&folder, name));
    assert!(largest_difference(&first, &one) <= 1);
    assert!(largest_difference(&last, &two) <= 1);
    assert!(largest_difference(&one, &two) > 4);
    assert!(largest_difference(&middle, &one) > 1);
    assert!(largest_difference(&middle, &two) > 1);
}

#[test]
fn an_image_is_done_when_all_its_results_are_there() {
    let folder = Folder::new();
    folder.draw("other.png", 5, 5);
    let args = ["in.png", "other.png", "--samples", "2", "-o", "out"];
    let run = folder.upscale(&args);
    assert!(run.stderr.contains("2 done;"), "{run:?}");
    let again = folder.upscale(&args);
    assert!(
        again.stderr.contains("0 done, 2 there already"),
        "{again:?}"
    );
}

/// What is missing is made, as the seed has it; what is there stays.
#[test]
fn results_that_are_missing_are_made_and_the_others_kept() {
    let folder = Folder::new();
    folder.draw("other.png", 5, 5);
    let args = ["in.png", "other.png", "--seed", "3", "--samples", "4"];
    let args = [&args[..], &["--uncertainty", "-o", "out", "--json"]].concat();
    folder.upscale(&args);
    let names = ["1", "2", "3", "4", "mean", "sigma"].map(|n| format!("out/in_x4_{n}.png"));
    let bytes = || {
        names
            .clone()
            .map(|name| fs::read(folder.path(&name)).unwrap())
    };
    let first = bytes();
    let touched = |name: &str| fs::metadata(folder.path(name)).unwrap().modified().unwrap();
    for missing in [&[1, 3][..], &[2, 4, 5], &[5], &[0]] {
        for &number in missing {
            fs::remove_file(folder.path(&names[number])).unwrap();
        }
        let kept = (0..6).find(|number| !missing.contains(number)).unwrap();
        let before = touched(&names[kept]);
        let run = folder.upscale(&args);
        let there = 6 - missing.len();
        let note = format!("note: in.png: {there} of its 6 results are there already");
        assert!(run.stderr.contains(&note), "{run:?}");
        assert!(run.stderr.contains("1 done, 1 there already"), "{run:?}");
        assert!(bytes() == first, "{missing:?}");
        assert_eq!(touched(&names[kept]), before);
        let done = json(&run.stdout);
        let done = done.iter().filter(|line| line["status"] == "done");
        assert_eq!(done.count(), missing.len(), "{run:?}");
    }
    // A mean of samples of two seeds would be the mean of no seed's.
    fs::remove_file(folder.path(&names[0])).unwrap();
    let args = [
        "in.png",
        "other.png",
        "--samples",
        "4",
        "--uncertainty",
        "-o",
    ];
    let run = folder.run(&[&["upscale"], &FAST[..], &args, &["out"]].concat());
    assert_eq!(run.code, 8, "{run:?}");
    assert!(
        run.stderr.contains("give the --seed of that run"),
        "{run:?}"
    );
    // Without a mean, one more sample is as good as another.
    fs::remove_file(folder.path(&names[2])).unwrap();
    folder.upscale(&["in.png", "other.png", "--samples", "4", "-o", "out"]);
    assert_eq!(fs::read(folder.path(&names[1])).unwrap(), first[1]);
    assert!(folder.path(&names[0]).exists() && folder.path(&names[2]).exists());
}

/// What has become of each result: its name, number, kind and status.
fn told(run: &super::folder::Run) -> Vec<[String; 4]> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let keys = ["output", "sample", "kind", "status"];
    let lines = json(&run.stdout);
    let told = |line: &Value| keys.map(|key| text(&line[key]));
    let mut told: Vec<_> = lines.iter().map(told).collect();
    told.sort();
    told
}

#[test]
fn every_result_has_its_own_line_of_json() {
    let folder = Folder::new();
    folder.draw("other.png", 5, 5);
    let args = ["upscale", "in.png", "other.png", "--seed", "3", "--samples"];
    let args = [&args[..], &["2", "--uncertainty", "-o", "out", "--json"]].concat();
    let expect = |input: &str, code: i32, status: [&str; 4]| {
        let run = folder.run(&[&args[..], &FAST].concat());
        assert_eq!(run.code, code, "{run:?}");
        let mut told = told(&run);
        told.retain(|[output, ..]| output.contains(&format!("/{input}_")));
        let names = [("1", "1", "result"), ("2", "2", "result")];
        let both = [("mean", "null", "mean"), ("sigma", "null", "sigma")];
        let names = names.iter().chain(&both).zip(status);
        let expected = names.map(|((name, sample, kind), status)| {
            let output = format!("out/{input}_x4_{name}.png");
            [&*output, sample, kind, status].map(str::to_owned)
        });
        assert_eq!(told, expected.collect::<Vec<_>>());
    };
    expect("in", 0, ["done"; 4]);
    expect("in", 0, ["skipped"; 4]);
    fs::remove_file(folder.path("out/in_x4_2.png")).unwrap();
    expect("in", 0, ["skipped", "done", "skipped", "skipped"]);
    fs::remove_file(folder.path("out/in_x4_2.png")).unwrap();
    fs::create_dir(folder.path("out/in_x4_2.png")).unwrap();
    expect("in", 8, ["skipped", "failed", "skipped", "skipped"]);
    let bytes = fs::read(folder.path("other.png")).unwrap();
    folder.write("other.png", &bytes[..bytes.len() / 2]);
    expect("other", 8, ["skipped"; 4]);
    for name in ["1", "2", "mean", "sigma"] {
        fs::remove_file(folder.path(&format!("out/other_x4_{name}.png"))).unwrap();
    }
    expect("other", 8, ["failed"; 4]);
}

#[test]
fn what_several_results_cannot_go_with_is_refused() {
    let folder = Folder::new();
    for (args, parts) in [
        (
            &["--samples", "2", "-o", "out.png"][..],
            ["several results", "folder"],
        ),
        (
            &["--samples", "2", "-o", "-"],
            ["several results", "folder"],
        ),
        (
            &["--samples", "2", "--name", "{stem}_a.png"],
            ["--name", "{sample}"],
        ),
        (&["--uncertainty"], ["--uncertainty: ", "--samples 8"]),
        (
            &["--interpolate", "1,2,3", "--uncertainty"],
            ["--uncertainty: ", "--samples"],
        ),
        (
            &["--interpolate", "1,2,3", "--samples", "4"],
            ["--interpolate: ", "--samples"],
        ),
        (
            &["--interpolate", "1,2,3", "--seed", "4"],
            ["--interpolate: ", "--seed"],
        ),
    ] {
        folder.refuses_upscale(&[&["in.png"], args].concat(), 2, &parts);
    }
    for wrong in ["1,2", "1,2,1", "a,2,3", "1,2,3,4"] {
        let run = folder.run(&["upscale", "in.png", "--interpolate", wrong]);
        assert_eq!(run.code, 2, "{wrong}: {run:?}");
        assert!(run.stderr.contains("such as 1,2,5"), "{wrong}: {run:?}");
    }
    folder.write("in_x4_2.png", b"precious");
    folder.refuses_upscale(&["in.png", "--samples", "2"], 4, &["in_x4_2.png: exists"]);
}

#[test]
fn json_tells_how_a_result_came_about() {
    let folder = Folder::new();
    folder.draw("large.png", 70, 50);
    let args = ["large.png", "--json", "--tile", "32", "-o", "out.tif"];
    let lines = json(&folder.upscale(&args).stdout);
    let line = &lines[0];
    assert!(line["lr_psnr"].as_f64().unwrap() > 20.0, "{line}");
    assert_eq!(line["precision"], "f32", "{line}");
    assert!(line["tiles"].as_u64().unwrap() > 1, "{line}");
    assert!(line["tile"][0].as_u64().unwrap() >= 32, "{line}");
    let lines = json(&folder.upscale(&["in.png", "--json"]).stdout);
    assert_eq!(
        (&lines[0]["tile"], &lines[0]["tiles"]),
        (&Value::Null, &Value::Null)
    );
    let run = folder.upscale(&["in.png", "-o", "b.png"]);
    assert!(run.stdout.contains(", LR-PSNR "), "{run:?}");
}
