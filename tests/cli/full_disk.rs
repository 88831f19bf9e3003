//! Disks that are full, for every file that is written. The limit on the size of
//! files stands in for them: a write beyond it fails.

use super::folder::{FAST, Folder, Run};
use std::fs::{self, File};
use std::process::Command;

/// Runs the binary where no file can have more than `blocks` of 512 bytes.
fn limited(folder: &Folder, blocks: u32, args: &[&str]) -> Run {
    let output = Command::new("sh")
        .current_dir(folder.path(""))
        .args(["-c", &format!("ulimit -f {blocks}; exec \"$@\""), "sh"])
        .arg(env!("CARGO_BIN_EXE_srdiff"))
        .args(args)
        .output()
        .unwrap();
    output.into()
}

/// A run that cannot write `file`, says so in one line and changes nothing.
fn fails(folder: &Folder, blocks: u32, args: &[&str], file: &str) -> Run {
    let run = folder.unchanged(|| limited(folder, blocks, args));
    assert_eq!(run.code, 4, "{args:?}: {run:?}");
    let told = format!("error: {file}: cannot be written");
    let line = run.stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with(&told), "{args:?}: {run:?}");
    run
}

/// Every format, to a new place and over an older result.
#[test]
fn no_half_image_is_left_and_an_older_result_stays() {
    let folder = Folder::new();
    folder.draw("large.png", 64, 64);
    for name in ["new.png", "new.jpg", "new.webp", "new.tif"] {
        let old = name.replace("new", "old");
        folder.write(&old, b"an older result");
        let upscale = [&["upscale", "large.png"], &FAST[..]].concat();
        fails(&folder, 8, &[&upscale[..], &["-o", name]].concat(), name);
        let over = [&upscale[..], &["-o", &old, "--force"]].concat();
        fails(&folder, 8, &over, &old);
        // That it was the limit.
        folder.upscale(&["large.png", "-o", name]);
        fs::remove_file(folder.path(name)).unwrap();
    }
    // Standard output gets all of it or nothing.
    let args = [&["upscale", "large.png", "-o", "-"], &FAST[..]].concat();
    let run = folder.unchanged(|| limited(&folder, 8, &args));
    assert_eq!((run.code, run.stdout.as_str()), (4, ""), "{run:?}");
    let told = "error: standard output: the result cannot be kept in ";
    assert!(run.stderr.contains(told), "{run:?}");
}

/// The first result that has no room ends its image.
#[test]
fn results_that_are_not_begun_are_told_as_failed() {
    let folder = Folder::new();
    folder.draw("large.png", 64, 64);
    let args = ["upscale", "large.png", "in.png", "--samples", "3"];
    let args = [&args[..], &["-o", "out", "-f", "tif", "--json"], &FAST].concat();
    let run = limited(&folder, 8, &args);
    assert_eq!(run.code, 8, "{run:?}");
    for (input, status) in [("in", "done"), ("large", "failed")] {
        for number in 1..=3 {
            let output =
                format!("\"output\":\"out/{input}_x4_{number}.tif\",\"status\":\"{status}\"");
            assert_eq!(run.stdout.matches(&output).count(), 1, "{output}: {run:?}");
        }
    }
    assert_eq!(run.stdout.lines().count(), 6, "{run:?}");
}

/// A large image is kept in a temporary file while it is upscaled.
#[test]
fn a_temporary_file_that_has_no_room_is_told() {
    let folder = Folder::new();
    // One above the size from which on images are kept there.
    image::GrayImage::new(4096, 2800)
        .save(folder.path("large.png"))
        .unwrap();
    let args = [&["upscale", "large.png"], &FAST[..]].concat();
    let run = folder.unchanged(|| limited(&folder, 1000, &args));
    assert_eq!(run.code, 6, "{run:?}");
    let line = run.stderr.lines().last().unwrap_or_default();
    let told = "error: large.png: needs 33 MiB for a temporary file in ";
    assert!(line.starts_with(told), "{run:?}");
    let advice =
        "(File too large (os error 27)); make room there, or name another folder in TMPDIR";
    assert!(line.ends_with(advice), "{run:?}");
}

#[test]
fn no_half_table_grid_or_model_is_left() {
    let folder = Folder::new();
    fs::create_dir(folder.path("hr")).unwrap();
    folder.draw("hr/a.png", 40, 32);
    let checkpoint = "tests/fixtures/checkpoints/srdiff-zip.ckpt";
    fs::copy(checkpoint, folder.path("in.ckpt")).unwrap();
    let evaluate = [
        &["evaluate", "hr", "--samplers", "ddim", "--force"],
        &["-d", "cpu", "-m", "tiny.safetensors", "-n", "1"][..],
    ]
    .concat();
    let convert = &["convert", "in.ckpt", "out.st", "--groups", "4", "--force"][..];
    for (file, args) in [
        (
            "out.json",
            [&evaluate[..], &["--json", "out.json"]].concat(),
        ),
        ("out.csv", [&evaluate[..], &["--csv", "out.csv"]].concat()),
        ("out.png", [&evaluate[..], &["--grid", "out.png"]].concat()),
        ("out.st", convert.to_vec()),
    ] {
        fails(&folder, 1, &args, file);
        folder.write(file, b"an older result");
        let run = fails(&folder, 1, &args, file);
        let is_told = run.stdout.contains("| ddim | 1 |");
        assert_eq!(is_told, args[0] == "evaluate", "{run:?}");
        let run = folder.run(&args);
        assert_eq!(run.code, 0, "{run:?}");
    }
}

/// What a training saved before stays, and it goes on from there.
#[test]
fn a_training_loses_nothing_that_was_saved() {
    let folder = Folder::new();
    fs::create_dir(folder.path("photos")).unwrap();
    folder.draw("photos/a.png", 40, 32);
    let train = [
        &["train", "photos", "-o", "new.st", "-m", "tiny.safetensors"],
        &["--patch=32", "--batch=1", "--every=1", "-d", "cpu", "-n"][..],
    ]
    .concat();
    fails(&folder, 8, &[&train[..], &["2"]].concat(), "new.checkpoint");
    let run = folder.run(&[&train[..], &["2"]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    let more = [&train[..], &["4", "--resume"]].concat();
    let run = fails(&folder, 8, &more, "new.checkpoint");
    let told = "note: new.checkpoint: cannot be written";
    assert_eq!(run.stderr.matches(told).count(), 2, "{run:?}");
    let run = folder.run(&more);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("going on after step 2"), "{run:?}");
}

#[test]
fn no_half_page_of_the_manual_is_left() {
    let folder = Folder::new();
    folder.run(&["man", "pages"]);
    let run = folder.unchanged(|| limited(&folder, 1, &["man", "pages"]));
    assert_eq!(run.code, 4, "{run:?}");
    let told = "error: pages: cannot be written";
    assert!(run.stderr.starts_with(told), "{run:?}");
}

/// What is told on standard output cannot be, which is no success; results are
/// written all the same.
#[test]
fn a_full_standard_output_is_told() {
    let folder = Folder::new();
    fs::create_dir(folder.path("hr")).unwrap();
    folder.draw("hr/a.png", 40, 32);
    let upscale = |args: &[&'static str]| [&["upscale", "in.png"], &FAST[..], args].concat();
    let evaluate = ["evaluate", "hr", "--samplers", "ddim"];
    let tiny = ["-d", "cpu", "-m", "tiny.safetensors", "-n", "1"];
    for args in [
        upscale(&["-o", "-"]),
        upscale(&["-o", "out/"]),
        upscale(&["-o", "out/", "--json", "--force"]),
        [&evaluate[..], &tiny].concat(),
        vec!["info", "tiny.safetensors"],
        vec!["plan", "8x8"],
        vec!["devices"],
        vec!["man"],
        vec!["completions", "bash"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_srdiff"))
            .current_dir(folder.path(""))
            .args(&args)
            .stdout(full)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        let told = "error: standard output cannot be written";
        assert!(stderr.contains(told), "{args:?}: {stderr}");
    }
    assert_eq!(folder.load("out/in_x4.png").width(), 24);
}
