//! Many pictures: names as others write them, and runs beside each other.

use super::batch::{below, photos};
use super::folder::{FAST, Folder};
use std::fs;

/// Each leaves to the other what that has finished.
#[test]
fn two_runs_share_one_output_folder() {
    let folder = Folder::new();
    fs::create_dir(folder.path("many")).unwrap();
    for index in 0..8 {
        folder.draw(&format!("many/{index}.png"), 9, 8);
    }
    let start = || {
        let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_srdiff"));
        let run = run.current_dir(folder.path("")).arg("upscale").args(FAST);
        let run = run.args(["many", "-o", "large", "--json"]);
        let piped = std::process::Stdio::piped;
        run.stdout(piped()).stderr(piped()).spawn().unwrap()
    };
    let mut made = 0;
    for run in [start(), start()] {
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap();
        assert_eq!(lines.lines().count(), 8, "{lines}");
        made += lines.matches("\"status\":\"done\"").count();
    }
    assert_eq!((made, below(&folder, "large").len()), (8, 8));
}

/// By patterns, in folders, in lists and by themselves.
#[cfg(unix)]
#[test]
fn names_that_are_not_utf_8_work_as_others_do() {
    use assert_cmd::Command;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = photos();
    let name = OsStr::from_bytes(b"photos/\xe9\xff.png");
    let path = folder.path("").join(name);
    fs::rename(folder.path("photos/a.png"), &path).unwrap();
    folder.write("list", &[name.as_bytes(), b"\n"].concat());
    for (args, output) in [
        (&["photos/*.png"][..], "a"),
        (&["photos/**/??.png"], "b"),
        (&["photos"], "c"),
        (&["--from-file", "list"], "d"),
    ] {
        let run = folder.upscale(&[args, &["--json", "-o", output]].concat());
        let result = OsStr::from_bytes(b"\xe9\xff_x4.png");
        assert!(
            folder.path(output).join(result).is_file(),
            "{args:?}: {run:?}"
        );
        for line in run.stdout.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
    let mut alone = Command::new(env!("CARGO_BIN_EXE_srdiff"));
    let alone = alone.current_dir(folder.path("")).arg("upscale").args(FAST);
    alone.arg(name).assert().success();
    let beside = OsStr::from_bytes(b"photos/\xe9\xff_x4.png");
    assert!(folder.path("").join(beside).is_file());
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_noted() {
    let folder = photos();
    std::os::unix::fs::symlink("no.png", folder.path("photos/lost.png")).unwrap();
    std::os::unix::fs::symlink("no.txt", folder.path("photos/lost.txt")).unwrap();
    let run = folder.upscale(&["photos", "-o", "large"]);
    let note = "note: photos/lost.png: a link that leads to no file";
    assert!(run.stderr.contains(note), "{run:?}");
    assert!(!run.stderr.contains("lost.txt"), "{run:?}");
    assert!(run.stderr.contains("\n2 done; "), "{run:?}");
}

/// `-i` as in ncnn's tools, whose `-n` is the model.
#[test]
fn inputs_are_also_named_as_in_ncnns_tools() {
    let folder = photos();
    folder.upscale(&["-i", "photos/a.png", "-o", "out.png", "-t", "0"]);
    assert_eq!(folder.load("out.png").width(), 16);
    folder.upscale(&["-i", "photos", "-o", "large"]);
    assert_eq!(below(&folder, "large"), ["a_x4.png", "b_x4.png"]);
    let run = folder.run(&["upscale", "in.png", "-n", "realesrgan-x4plus"]);
    assert!(
        run.code == 2 && run.stderr.contains("--model FILE"),
        "{run:?}"
    );
}
