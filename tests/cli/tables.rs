//! The commands that print tables.

use super::folder::Folder;
use std::fs;

/// A full disk is not taken for success; a reader that has gone away is.
#[cfg(target_os = "linux")]
#[test]
fn answers_that_cannot_be_written() {
    use std::process::{Command, Stdio};
    let run = |stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_srdiff"));
        let output = command.arg("info").stdout(stdout).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let (code, stderr) = run(full.into());
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.starts_with("error: standard output cannot be written"),
        "{stderr}"
    );
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(run(writer.into()), (Some(0), String::new()));
}

#[test]
fn samplers_are_measured() {
    let folder = Folder::new();
    fs::create_dir(folder.path("set")).unwrap();
    folder.draw("set/a.png", 40, 36);
    folder.draw("set/b.png", 33, 50);
    folder.write("set/MANIFEST.tsv", b"not a picture\n");
    let options = [
        "-d",
        "cpu",
        "-m",
        "tiny.safetensors",
        "--samplers",
        "ddim,dpm++",
        "-n",
        "2,3",
    ];
    let run = folder.run(&[&["evaluate", "set"], &options[..]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    let rows: Vec<Vec<&str>> = run
        .stdout
        .lines()
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let names: Vec<[&str; 2]> = rows[2..].iter().map(|row| [row[0], row[1]]).collect();
    let expected = [
        ["bicubic", "-"],
        ["ddim", "2"],
        ["ddim", "3"],
        ["dpm++", "2"],
        ["dpm++", "3"],
    ];
    assert_eq!(names, expected);
    for row in &rows[2..] {
        assert_eq!(row.len(), rows[0].len(), "{row:?}");
        let psnr: f64 = row[2].parse().unwrap();
        assert!((2.0..60.0).contains(&psnr), "{row:?}");
    }
}

#[test]
fn folders_that_cannot_be_measured() {
    let folder = Folder::new();
    fs::create_dir(folder.path("empty")).unwrap();
    folder.refuses(&["evaluate", "no"], 3, &["no: ", "cannot be listed"]);
    folder.refuses(&["evaluate", "empty"], 3, &["empty: ", "holds no images"]);
    fs::create_dir(folder.path("small")).unwrap();
    // Cropped to multiples of 8, less than 11 besides a border of 4.
    folder.draw("small/z.png", 64, 23);
    let tiny = ["-d", "cpu", "-m", "tiny.safetensors", "-n", "1"];
    // Before any work: not even the device is named.
    folder.refuses(
        &[&["evaluate", "small"], &tiny[..]].concat(),
        3,
        &["z.png: ", "is smaller than 24x24"],
    );
    folder.draw("small/z.png", 64, 24);
    let run = folder.run(&[&["evaluate", "small"], &tiny[..]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    fs::create_dir(folder.path("set")).unwrap();
    folder.draw("set/a.png", 40, 36);
    let steps = ["evaluate", "set", "-d", "cpu", "-n", "0"];
    folder.refuses(&steps, 2, &["--steps 0"]);
}
