//! Standard input and output, `--json`.

use super::folder::{FAST, Folder};
use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::process::Output;

/// Runs `upscale` with [`FAST`] options and more, and `stdin`.
fn piped(folder: &Folder, args: &[&str], stdin: &[u8]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_srdiff"))
        .current_dir(folder.path(""))
        .arg("upscale")
        .args(FAST)
        .args(args)
        .write_stdin(stdin)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_picture_goes_from_stdin_to_stdout() {
    let folder = Folder::new();
    folder.draw("small.bmp", 5, 4);
    let picture = fs::read(folder.path("small.bmp")).unwrap();
    let before = folder.names();
    for (args, start) in [
        (&["-"][..], &b"\x89PNG"[..]),
        (&["-", "-o", "-"], b"\x89PNG"),
        (&["-", "-o", "-", "--format", "jpg"], b"\xff\xd8\xff"),
        (&["small.bmp", "-o", "-", "-f", "tif"], b"II"),
    ] {
        let output = piped(&folder, args, &picture);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        assert!(output.stdout.starts_with(start), "{args:?}");
        let result = image::load_from_memory(&output.stdout).unwrap();
        assert_eq!((result.width(), result.height()), (20, 16), "{args:?}");
        assert!(
            stderr(&output).contains("standard output: 20x16"),
            "{output:?}"
        );
    }
    assert_eq!(folder.names(), before);
    let quiet = piped(&folder, &["-", "--quiet"], &picture);
    assert_eq!(stderr(&quiet), "");
    assert!(quiet.stdout.starts_with(b"\x89PNG"));
}

#[test]
fn a_picture_from_stdin_goes_to_a_file() {
    let folder = Folder::new();
    let picture = fs::read(folder.path("in.png")).unwrap();
    let seeded = ["--seed", "1"];
    for (output, result) in [("out.png", "out.png"), ("new/", "new/stdin_x4.png")] {
        let args = [&["-", "-o", output][..], &seeded].concat();
        let run = piped(&folder, &args, &picture);
        assert_eq!(run.status.code(), Some(0), "{run:?}");
        folder.upscale(&[&["in.png", "-o", "file.png", "--force"][..], &seeded].concat());
        let bytes = |name| fs::read(folder.path(name)).unwrap();
        assert!(bytes(result) == bytes("file.png"), "{result}");
    }
    let both = piped(&folder, &["in.png", "-", "-o", "both"], &picture);
    assert_eq!(both.status.code(), Some(0), "{both:?}");
    assert_eq!(folder.load("both/stdin_x4.png").width(), 24);
}

#[test]
fn what_is_no_picture_on_stdin_is_refused() {
    let folder = Folder::new();
    let picture = fs::read(folder.path("in.png")).unwrap();
    for (stdin, code, part) in [
        (&b""[..], 3, "error: standard input: is empty"),
        (b"hello", 3, "error: standard input: is not an image"),
        (
            &picture[..picture.len() / 2],
            3,
            "error: standard input: is truncated",
        ),
    ] {
        let output = piped(&folder, &["-"], stdin);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(stderr(&output).starts_with(part), "{output:?}");
        assert!(output.stdout.is_empty());
    }
    let json = piped(&folder, &["-", "--json"], &picture);
    assert_eq!(json.status.code(), Some(2), "{json:?}");
    assert!(stderr(&json).contains("--json: "), "{json:?}");
    for output in [&[][..], &["-o", "out.png"], &["-o", "new/"]] {
        let shard = piped(
            &folder,
            &[&["-", "--shard", "2/2"], output].concat(),
            &picture,
        );
        assert_eq!(shard.status.code(), Some(2), "{shard:?}");
        assert!(stderr(&shard).contains("--shard: "), "{shard:?}");
    }
    let twice = piped(&folder, &["-", "--from-file", "-"], &picture);
    assert_eq!(twice.status.code(), Some(2), "{twice:?}");
}

#[test]
fn a_list_from_stdin() {
    let folder = Folder::new();
    let output = piped(&folder, &["--from-file", "-", "-o", "large"], b"in.png\n");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(folder.load("large/in_x4.png").width(), 24);
}

fn lines(text: &str) -> Vec<Value> {
    let line = |line| serde_json::from_str(line).unwrap();
    text.lines().map(line).collect()
}

#[test]
fn json_has_a_line_for_each_picture() {
    let folder = Folder::new();
    folder.write("bad.png", b"no picture");
    folder.draw("other.png", 2, 3);
    fs::create_dir(folder.path("large")).unwrap();
    folder.draw("large/other_x4.png", 1, 1);
    let args = [
        "in.png",
        "bad.png",
        "other.png",
        "-o",
        "large",
        "--json",
        "--seed",
        "9",
    ];
    let run = folder.run(&[&["upscale"], &FAST[..], &args].concat());
    assert_eq!(run.code, 8, "{run:?}");
    let mut lines = lines(&run.stdout);
    lines.sort_by_key(|line| line["input"].to_string());
    let [bad, done, skipped] = &lines[..] else {
        panic!("{run:?}");
    };
    assert_eq!(bad["input"], "bad.png");
    assert_eq!(bad["status"], "failed");
    assert_eq!(bad["error"]["code"], 3);
    let message = bad["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("bad.png: is not an image"), "{message}");

    assert_eq!(done["input"], "in.png");
    assert_eq!(done["output"], "large/in_x4.png");
    assert_eq!(done["status"], "done");
    assert_eq!((&done["width"], &done["height"]), (&24.into(), &16.into()));
    assert!(done["seconds"].as_f64().unwrap() >= 0.0);
    assert!(done["device"].as_str().unwrap().starts_with("CPU"));
    assert_eq!(done["precision"], "f32");
    assert_eq!(done["sampler"], "ddpm");
    assert_eq!((&done["steps"], &done["seed"]), (&2.into(), &9.into()));
    assert_eq!(done["error"], Value::Null);

    assert_eq!(skipped["input"], "other.png");
    assert_eq!(skipped["status"], "skipped");
}

#[test]
fn json_of_one_picture() {
    let folder = Folder::new();
    folder.draw_with_alpha("clear.png", 4, 4);
    let run = folder.upscale(&["clear.png", "-f", "jpg", "--json"]);
    let [line] = &lines(&run.stdout)[..] else {
        panic!("{run:?}");
    };
    let note = line["notes"][0].as_str().unwrap();
    assert!(note.contains("no opacity"), "{note}");
    // A failure is told twice: to the script and to its reader.
    let run = folder.run(&["upscale", "no.png", "--json", "-d", "cpu"]);
    assert_eq!(run.code, 3);
    let [line] = &lines(&run.stdout)[..] else {
        panic!("{run:?}");
    };
    assert_eq!(line["error"]["code"], 3);
    assert!(run.stderr.starts_with("error: no.png: "), "{run:?}");
}

/// What goes through pipes is kept in files, which need a place.
#[cfg(unix)]
#[test]
fn a_folder_of_temporary_files_that_is_not_there_is_told() {
    let folder = Folder::new();
    let picture = fs::read(folder.path("in.png")).unwrap();
    for (args, code, told) in [
        (
            ["in.png", "-o", "-"],
            4,
            "standard output: the result cannot be kept in ",
        ),
        (
            ["-", "-o", "out.png"],
            3,
            "standard input: cannot be kept in ",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_srdiff"))
            .current_dir(folder.path(""))
            .env("TMPDIR", "/nowhere")
            .arg("upscale")
            .args(FAST)
            .args(args)
            .write_stdin(picture.clone())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(output.stdout.is_empty());
        let reason = "/nowhere (No such file or directory (os error 2)); make room there, or name another folder in TMPDIR\n";
        let told = format!("error: {told}{reason}");
        assert!(stderr(&output).ends_with(&told), "{output:?}");
    }
}
