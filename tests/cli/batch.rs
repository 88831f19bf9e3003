//! Many pictures: which are meant, where results go, what is refused.

use super::folder::{FAST, Folder};
use std::fs;

/// A folder `photos` with `a.png`, `b.jpg`, `deep/c.png`, and files that are
/// not to be found.
pub fn photos() -> Folder {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("photos/deep/.hidden")).unwrap();
    for name in [
        "a.png",
        "b.jpg",
        "deep/c.png",
        ".d.png",
        "deep/.hidden/e.png",
    ] {
        folder.draw(&format!("photos/{name}"), 4, 3);
    }
    folder.write("photos/notes.txt", b"no picture");
    folder
}

/// The files below a folder, without it.
pub fn below(folder: &Folder, name: &str) -> Vec<String> {
    let start = format!("{name}/");
    let names = folder.names();
    let files = names.iter().filter(|name| folder.path(name).is_file());
    files
        .filter_map(|name| Some(name.strip_prefix(&start)?.to_owned()))
        .collect()
}

/// [`Folder::run`] of `upscale` with [`FAST`] options, which ends with `code`.
fn run(folder: &Folder, args: &[&str], code: i32) -> super::folder::Run {
    let run = folder.run(&[&["upscale"], &FAST[..], args].concat());
    assert_eq!(run.code, code, "{args:?}: {run:?}");
    run
}

#[test]
fn a_folder_without_its_subfolders() {
    let folder = photos();
    let run = folder.upscale(&["photos", "-o", "large"]);
    assert_eq!(below(&folder, "large"), ["a_x4.png", "b_x4.png"]);
    assert!(run.stderr.contains("\n2 done; "), "{run:?}");
    assert_eq!(folder.load("large/a_x4.png").width(), 16);
}

#[test]
fn subfolders_are_mirrored() {
    let folder = photos();
    folder.upscale(&["-r", "photos", "-o", "large"]);
    let results = ["a_x4.png", "b_x4.png", "deep/c_x4.png"];
    assert_eq!(below(&folder, "large"), results);
}

#[test]
fn an_output_folder_inside_the_input_is_not_searched() {
    let folder = photos();
    let results = ["a_x4.png", "b_x4.png", "deep/c_x4.png"];
    for _ in 0..2 {
        folder.upscale(&["-r", "photos", "-o", "photos/deep/../large"]);
        assert_eq!(below(&folder, "photos/large"), results);
    }
}

#[test]
fn results_beside_their_inputs_are_not_upscaled_again() {
    let folder = photos();
    folder.upscale(&["-r", "photos"]);
    let names = folder.names();
    assert!(
        names.contains(&"photos/deep/c_x4.png".to_owned()),
        "{names:?}"
    );
    let again = folder.upscale(&["-r", "photos"]);
    assert_eq!(folder.names(), names);
    assert!(again.stderr.contains("left out 3"), "{again:?}");
    assert!(
        again.stderr.contains("0 done, 3 there already"),
        "{again:?}"
    );
    // As a shell names them, the results included.
    folder.upscale(&["photos/a.png", "photos/a_x4.png", "photos/b.jpg"]);
    assert_eq!(folder.names(), names);
}

/// `--force` would overwrite an input.
#[test]
fn an_input_that_is_another_ones_result_is_not_overwritten() {
    let folder = Folder::new();
    folder.draw("in_x4.png", 5, 5);
    let args = ["in.png", "in_x4.png", "--force"];
    folder.refuses_upscale(&args, 2, &["in_x4.png", "in.png", "overwritten"]);
    folder.upscale(&[&args[..], &["-o", "large"]].concat());
    assert_eq!(below(&folder, "large"), ["in_x4.png", "in_x4_x4.png"]);
}

#[test]
fn what_is_there_is_skipped_and_force_makes_it_again() {
    let folder = photos();
    fs::create_dir(folder.path("large")).unwrap();
    folder.write("large/a_x4.png", b"precious");
    let run = folder.upscale(&["photos", "-o", "large", "--verbose"]);
    assert!(
        run.stderr.contains("large/a_x4.png: is there already\n"),
        "{run:?}"
    );
    assert!(
        run.stderr.contains("\n1 done, 1 there already; "),
        "{run:?}"
    );
    assert_eq!(
        fs::read(folder.path("large/a_x4.png")).unwrap(),
        b"precious"
    );
    folder.upscale(&["photos", "-o", "large", "--force"]);
    assert_eq!(folder.load("large/a_x4.png").width(), 16);
}

#[test]
fn a_bad_picture_does_not_stop_the_others() {
    let folder = photos();
    folder.write("photos/a0.png", b"no picture at all");
    // Its header is whole, so that only decoding tells.
    folder.draw("whole.png", 64, 64);
    let bytes = fs::read(folder.path("whole.png")).unwrap();
    folder.write("photos/aa.png", &bytes[..bytes.len() / 2]);
    let run = run(&folder, &["photos", "absent.png", "-o", "large"], 8);
    assert_eq!(below(&folder, "large"), ["a_x4.png", "b_x4.png"]);
    for part in [
        "error: photos/a0.png: is not an image",
        "error: photos/aa.png: is truncated",
        "error: absent.png: there is no such file",
        "\n2 done, 3 failed; ",
        "error: 3 of 5 images failed",
    ] {
        assert!(run.stderr.contains(part), "no {part}: {run:?}");
    }
}

#[test]
fn an_output_that_cannot_be_written_does_not_stop_the_others() {
    let folder = photos();
    fs::create_dir_all(folder.path("large/a_x4.png")).unwrap();
    let run = run(&folder, &["photos", "-o", "large"], 8);
    assert!(
        run.stderr.contains("large/a_x4.png: is a folder"),
        "{run:?}"
    );
    assert_eq!(below(&folder, "large"), ["b_x4.png"]);
}

#[test]
fn patterns_are_expanded() {
    let folder = photos();
    folder.upscale(&["photos/**/*.png", "-o", "large"]);
    assert_eq!(below(&folder, "large"), ["a_x4.png", "deep/c_x4.png"]);
    folder.upscale(&["photos/?.jpg", "-o", "other"]);
    assert_eq!(below(&folder, "other"), ["b_x4.png"]);
    folder.refuses_upscale(&["no/*.png"], 3, &["no/*.png: matches no files"]);
    // A file may be called like a pattern.
    folder.draw("[a].png", 2, 2);
    folder.upscale(&["[a].png"]);
    assert_eq!(folder.load("[a]_x4.png").width(), 8);
}

#[test]
fn lists_name_files() {
    let folder = photos();
    folder.write("list", b"photos/a.png\r\n\nphotos/deep/c.png\n");
    folder.upscale(&["--from-file", "list", "-o", "large"]);
    assert_eq!(below(&folder, "large"), ["a_x4.png", "c_x4.png"]);
    folder.write("marked", b"\xef\xbb\xbfphotos/a.png\n");
    folder.upscale(&["--from-file", "marked", "-o", "marked.out"]);
    assert_eq!(below(&folder, "marked.out"), ["a_x4.png"]);
    // As Windows PowerShell's `>` writes it.
    let units = "\u{feff}photos/a.png\r\nphotos/b.jpg\r\n".encode_utf16();
    let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    folder.write("wide", &bytes);
    folder.upscale(&["--from-file", "wide", "-o", "wide.out"]);
    assert_eq!(below(&folder, "wide.out"), ["a_x4.png", "b_x4.png"]);
    folder.write("zeros", b"photos/b.jpg\0photos/deep/c.png\0");
    folder.upscale(&["photos/a.png", "--from-file", "zeros", "-o", "other"]);
    assert_eq!(
        below(&folder, "other"),
        ["a_x4.png", "b_x4.png", "c_x4.png"]
    );
    folder.write("empty", b"\n");
    folder.refuses_upscale(
        &["--from-file", "empty"],
        3,
        &["--from-file empty: names no files"],
    );
    folder.refuses_upscale(
        &["--from-file", "no"],
        3,
        &["--from-file no: cannot be read"],
    );
}

#[test]
fn two_inputs_with_one_output_are_refused() {
    let folder = photos();
    folder.draw("photos/a.jpg", 4, 3);
    folder.refuses_upscale(
        &["-r", "photos", "-o", "large"],
        4,
        &["photos/a.jpg and photos/a.png", "large/a_x4.png", "--name"],
    );
    let name = "{stem}_{from}.{ext}";
    folder.upscale(&["-r", "photos", "-o", "large", "--name", name]);
    let results = ["a_jpg.png", "a_png.png", "b_jpg.png", "deep/c_png.png"];
    assert_eq!(below(&folder, "large"), results);
}

/// Whatever order the forms of a name sort in. Scripts wait for each.
#[test]
fn an_image_that_is_named_in_several_forms_is_upscaled_once() {
    let folder = photos();
    let forms = ["photos/a.png", "./photos/a.png", "photos/../photos/a.png"];
    let rotated = |by: usize| {
        let mut forms = forms;
        forms.rotate_left(by);
        forms
    };
    for (forms, output) in [0, 1, 2].map(rotated).iter().zip(["x", "y", "z"]) {
        let list = forms.map(|form| form.to_owned() + "\n").concat();
        folder.write("list", list.as_bytes());
        let args = [
            "--from-file",
            "list",
            "photos/b.jpg",
            "-o",
            output,
            "--json",
        ];
        let run = folder.upscale(&args);
        assert_eq!(below(&folder, output), ["a_x4.png", "b_x4.png"]);
        assert!(
            run.stderr.contains("left out 2 that were named before"),
            "{run:?}"
        );
        let mut states: Vec<(String, String)> = Vec::new();
        for line in run.stdout.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            states.push((text("input"), text("status")));
        }
        let expected = [
            (forms[0], "done"),
            (forms[1], "skipped"),
            (forms[2], "skipped"),
        ];
        for (form, status) in expected {
            let count = states.iter().filter(|(input, _)| input == form).count();
            let is_told = states.contains(&(form.to_owned(), status.to_owned()));
            assert!(count == 1 && is_told, "{form}: {states:?}");
        }
    }
}

#[test]
fn templates_name_results() {
    let folder = photos();
    let name = "{folder}/{index}-{stem}-{scale}-{sampler}-{steps}-{seed}.{ext}";
    let options = ["--seed", "3", "--sampler", "ddim", "-f", "jpg"];
    let args = ["-r", "photos", "-o", "large", "--name", name];
    folder.upscale(&[&args[..], &options].concat());
    let results = [
        "deep/deep/3-c-4-ddim-2-3.jpg",
        "photos/1-a-4-ddim-2-3.jpg",
        "photos/2-b-4-ddim-2-3.jpg",
    ];
    assert_eq!(below(&folder, "large"), results);
    let bytes = fs::read(folder.path("large").join(results[1])).unwrap();
    assert!(bytes.starts_with(b"\xff\xd8\xff"));
    let wrong = folder.run(&["upscale", "in.png", "--name", "{size}.png"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("there is no {size}"), "{wrong:?}");
    let args = ["in.png", "-o", "out.png", "--name", "{stem}.png"];
    folder.refuses_upscale(&args, 2, &["--name: "]);
    let itself = ["photos", "--name", "{stem}.{ext}"];
    folder.refuses_upscale(&itself, 4, &["a.png", "is an input"]);
}

#[test]
fn formats_and_names_agree() {
    let folder = photos();
    folder.upscale(&["photos", "-f", "webp"]);
    let bytes = fs::read(folder.path("photos/b_x4.webp")).unwrap();
    assert!(bytes.starts_with(b"RIFF"));
    let args = ["in.png", "-f", "jpg", "-o", "out.png"];
    folder.refuses_upscale(&args, 2, &["--format jpg", "out.png"]);
    folder.upscale(&["in.png", "-f", "JPEG", "-o", "out.jpg"]);
    folder.upscale(&["in.png", "-f", "jpg", "-o", "out.jfif"]);
    folder.upscale(&["in.png", "-f", "png", "-o", "out.1"]);
    for (format, name) in [
        ("png", "out.gif"),
        ("jpg", "out.AVIF"),
        ("png", "out.jfif"),
        ("tif", "out.heic"),
    ] {
        let args = ["in.png", "-f", format, "-o", name];
        folder.refuses_upscale(&args, 2, &["--format", name]);
    }
    let args = ["photos", "-o", "large", "--quality", "50"];
    folder.refuses_upscale(&args, 2, &["--quality: "]);
}

#[test]
fn one_file_for_many_results_is_refused() {
    let folder = photos();
    let parts = ["large.png: is the name of one file", "-o large/"];
    folder.refuses_upscale(&["photos", "-o", "large.png"], 2, &parts);
    let parts = ["tiny.safetensors: is the name of one file"];
    folder.refuses_upscale(&["photos", "-o", "tiny.safetensors"], 2, &parts);
    let inside = ["photos", "-o", "tiny.safetensors/large/"];
    folder.refuses_upscale(&inside, 4, &["tiny.safetensors"]);
    folder.refuses_upscale(&["photos", "-o", "-"], 2, &["-o -: "]);
}

/// Disjoint and complete, also while results appear beside the inputs.
#[test]
fn shards_share_the_work() {
    let folder = Folder::new();
    fs::create_dir(folder.path("many")).unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        folder.draw(&format!("many/{name}.png"), 2, 2);
    }
    let mut before = Vec::new();
    for (shard, made) in [("1/2", "ace"), ("2/2", "bd")] {
        let run = folder.upscale(&["many", "--shard", shard]);
        let expected = format!("{} done; ", made.len());
        assert!(run.stderr.contains(&expected), "{run:?}");
        before.extend(made.chars().map(|name| format!("many/{name}_x4.png")));
        before.sort();
        let names = folder.names();
        let results: Vec<_> = names.into_iter().filter(|n| n.contains("_x4")).collect();
        assert_eq!(results, before);
    }
    let run = folder.upscale(&["many", "-o", "large", "--shard", "99/99"]);
    assert!(below(&folder, "large").is_empty());
    let note = "note: part 99 of 99 (--shard) is empty; images in all: 10";
    assert!(run.stderr.contains(note), "{run:?}");
    let run = folder.upscale(&["in.png", "-o", "out.png", "--shard", "2/2"]);
    assert!(
        run.stderr.contains("part 2 of 2 (--shard) is empty"),
        "{run:?}"
    );
    folder.refuses_upscale(&["in.png", "-o", "-", "--shard", "2/2"], 2, &["--shard: "]);
    for wrong in ["0/2", "3/2", "2"] {
        assert_eq!(folder.run(&["upscale", "many", "--shard", wrong]).code, 2);
    }
}

/// Whatever is read, computed and written at once, results are the same.
#[test]
fn threads_do_not_change_results() {
    let folder = Folder::new();
    fs::create_dir(folder.path("many")).unwrap();
    for index in 0..7 {
        folder.draw(&format!("many/{index}.png"), 3 + index % 3, 4);
    }
    let seeded = ["many", "--seed", "5"];
    folder.upscale(&[&seeded[..], &["-o", "a"]].concat());
    folder.upscale(&[&seeded[..], &["-o", "b", "-j", "3:1:2"]].concat());
    for name in below(&folder, "a") {
        let bytes = |of: &str| fs::read(folder.path(of).join(&name)).unwrap();
        assert!(bytes("a") == bytes("b"), "{name}");
    }
    assert_eq!(below(&folder, "b").len(), 7);
    folder.upscale(&["many/3.png", "--seed", "5", "-o", "alone.png"]);
    let alone = fs::read(folder.path("alone.png")).unwrap();
    assert!(alone == fs::read(folder.path("a/3_x4.png")).unwrap());
    for wrong in ["2", "0:0:1", "1:0:0"] {
        assert_eq!(folder.run(&["upscale", "many", "-j", wrong]).code, 2);
    }
}

/// In JSON, each has it.
#[test]
fn what_consistent_cannot_do_is_said_once() {
    let folder = photos();
    let run = folder.upscale(&["photos", "-r", "--consistent", "-s", "2", "--json"]);
    assert_eq!(
        run.stderr.matches("note: --consistent").count(),
        1,
        "{run:?}"
    );
    assert_eq!(run.stdout.matches("--consistent").count(), 3, "{run:?}");
    let run = folder.upscale(&["photos", "--consistent", "--scale", "4", "--verbose"]);
    assert!(!run.stderr.contains("note: --consistent"), "{run:?}");
}

#[test]
fn options_that_are_wrong_for_all_are_refused_at_once() {
    let folder = photos();
    let args = [
        "upscale",
        "photos",
        "-m",
        "tiny.safetensors",
        "-d",
        "cpu",
        "-n",
        "101",
        "-o",
        "large",
    ];
    folder.refuses(&args, 2, &["--steps 101: "]);
    folder.refuses_upscale(
        &["photos", "-o", "large", "--dump-plan"],
        2,
        &["--dump-plan"],
    );
}
