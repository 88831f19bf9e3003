//! Runs in folders that hold the results of earlier ones.

use super::batch::{below, photos};
use super::folder::Folder;
use std::fs;

/// A folder `many` with `a.png` and `b.png`.
fn many() -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.path("many")).unwrap();
    folder.draw("many/a.png", 4, 3);
    folder.draw("many/b.png", 3, 4);
    folder
}

/// By their numbers, whether they stand before or after the name, in place of it, or
/// have become longer.
#[test]
fn numbered_results_are_not_upscaled_again() {
    for (name, results) in [
        ("{stem}_{index}.{ext}", ["a_1.png", "b_2.png"]),
        ("{index}-{stem}.{ext}", ["1-a.png", "2-b.png"]),
        ("{index}.{ext}", ["1.png", "2.png"]),
    ] {
        let folder = many();
        for _ in 0..3 {
            folder.upscale(&["many", "--name", name]);
        }
        let mut expected = [&["a.png", "b.png"], &results[..]].concat();
        expected.sort_unstable();
        assert_eq!(below(&folder, "many"), expected, "{name}");
        // As a shell names them.
        let all: Vec<String> = expected.iter().map(|n| format!("many/{n}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        folder.upscale(&[&all[..], &["--name", name]].concat());
        assert_eq!(below(&folder, "many"), expected, "{name}");
    }
    let folder = many();
    let name = "{stem}_{index}.{ext}";
    folder.upscale(&["many", "--name", name]);
    for index in 0..8 {
        folder.draw(&format!("many/c{index}.png"), 2, 2);
    }
    let run = folder.upscale(&["many", "--name", name]);
    assert!(run.stderr.contains("left out 2 "), "{run:?}");
    assert_eq!(below(&folder, "many").len(), 10 + 2 + 10);
}

/// Those with a name that only looks so are upscaled.
#[test]
fn numbered_images_are_no_results_of_others() {
    let folder = many();
    folder.draw("many/2.png", 3, 3);
    folder.upscale(&["many", "--name", "{index}.{ext}", "-o", "large"]);
    assert_eq!(below(&folder, "large"), ["1.png", "2.png", "3.png"]);
}

#[test]
fn results_of_other_options_are_not_upscaled() {
    let folder = many();
    let usual = ["many", "--seed", "1"];
    folder.upscale(&usual);
    let run = folder.upscale(&["many", "-s", "2"]);
    assert!(run.stderr.contains("left out 2 "), "{run:?}");
    assert!(run.stderr.contains("\n2 done; "), "{run:?}");
    folder.upscale(&["many", "-s", "9x", "--samples", "2", "-f", "jpg"]);
    folder.upscale(&["many/*.png", "--name", "{stem}-{seed}.{ext}"]);
    let run = folder.upscale(&["many", "--name", "{stem}-{seed}.{ext}", "--seed", "5"]);
    assert!(run.stderr.contains("left out 10 "), "{run:?}");
    let names = below(&folder, "many");
    assert_eq!(names.len(), 2 * (1 + 2 + 2 + 2), "{names:?}");
    // What is named is meant.
    folder.upscale(&["many/a.png", "many/a_x2.png"]);
    assert!(folder.path("many/a_x2_x4.png").is_file());
    // Of no image that is there.
    folder.draw("many/d_x4.png", 3, 3);
    folder.upscale(&["many"]);
    assert!(folder.path("many/d_x4_x4.png").is_file());
}

/// What a name tells of the extension and the folder has to be theirs.
#[test]
fn images_of_other_extensions_and_folders_are_no_results() {
    let folder = many();
    folder.draw("many/big_a.png", 3, 3);
    folder.draw("many/a-2.png", 3, 3);
    for name in ["{folder}_{stem}.{ext}", "{stem}-{from}.{ext}"] {
        for (left_out, done) in [("", "4 done"), ("left out 4 ", "4 there already")] {
            let run = folder.upscale(&["many", "--name", name]);
            assert!(run.stderr.contains(left_out), "{name}: {run:?}");
            assert!(run.stderr.contains(done), "{name}: {run:?}");
        }
        for image in ["a", "b", "big_a", "a-2"] {
            for result in [format!("many_{image}.png"), format!("{image}-png.png")] {
                fs::remove_file(folder.path("many").join(result)).ok();
            }
        }
    }
}

#[test]
fn the_output_folder_is_left_out_of_patterns_and_lists() {
    let folder = photos();
    let pattern = ["photos/**/*.png", "-o", "photos/large"];
    folder.upscale(&pattern);
    let run = folder.upscale(&[&pattern[..], &["-s", "2"]].concat());
    assert!(run.stderr.contains("left out 2 "), "{run:?}");
    let results = ["a_x2.png", "a_x4.png", "deep/c_x2.png", "deep/c_x4.png"];
    assert_eq!(below(&folder, "photos/large"), results);
    folder.write(
        "list",
        b"photos/a.png\nphotos/b.jpg\nphotos/large/a_x2.png\n",
    );
    let list = ["--from-file", "list", "-o", "photos/large"];
    let run = folder.upscale(&list);
    assert!(run.stderr.contains("left out 1 "), "{run:?}");
    assert!(folder.path("photos/large/b_x4.png").is_file());
    // What is all there is meant.
    folder.upscale(&["photos/large/a_x2.*", "-o", "photos/large"]);
    assert!(folder.path("photos/large/a_x2_x4.png").is_file());
    let run = folder.upscale(&["photos/l?rge/b_x4.png", "-o", "photos/large"]);
    assert!(run.stderr.contains("\n1 done"), "{run:?}");
    folder.write("list", b"photos/large/a_x4.png\n");
    folder.upscale(&list);
    assert!(folder.path("photos/large/a_x4_x4.png").is_file());
}

/// Also if the results go to where they are.
#[test]
fn images_of_lists_are_upscaled() {
    let folder = many();
    folder.write("list", b"in.png\nmany/a.png\n");
    let list = ["--from-file", "list", "-o", "."];
    let run = folder.upscale(&list);
    assert!(run.stderr.contains("\n2 done"), "{run:?}");
    assert!(folder.path("a_x4.png").is_file());
    // As `find` lists them.
    folder.write("list", b"in.png\nin_x4.png\na_x4.png\nmany/a.png\n");
    let run = folder.upscale(&list);
    assert!(run.stderr.contains("left out 2 "), "{run:?}");
    assert!(run.stderr.contains("2 there already"), "{run:?}");
    let parts = ["in_x4.png is an input"];
    folder.refuses_upscale(&[&list[..], &["--force"]].concat(), 2, &parts);
}

#[test]
fn results_that_differ_in_extension_are_resumed() {
    let folder = Folder::new();
    fs::create_dir(folder.path("many")).unwrap();
    folder.draw("many/a.jpg", 4, 3);
    folder.draw("many/b.jpg", 3, 4);
    let args = ["many", "--name", "{stem}.{ext}"];
    folder.upscale(&args);
    let names = below(&folder, "many");
    assert_eq!(names, ["a.jpg", "a.png", "b.jpg", "b.png"]);
    fs::remove_file(folder.path("many/b.png")).unwrap();
    let run = folder.upscale(&args);
    assert!(run.stderr.contains("\n1 done, 1 there already"), "{run:?}");
    assert_eq!(below(&folder, "many"), names);
    // It may as well be an image of its own.
    let note = "note: many/a.png: is taken for the result of many/a.jpg";
    assert!(run.stderr.contains(note), "{run:?}");
    let force = [&args[..], &["--force"]].concat();
    let parts = [
        "many/a.png",
        "would be overwritten by the result of many/a.jpg",
    ];
    folder.refuses_upscale(&force, 2, &parts);
}

#[test]
fn force_makes_results_beside_their_inputs_again() {
    let folder = many();
    folder.upscale(&["many"]);
    folder.write("many/a_x4.png", b"an older result");
    let run = folder.upscale(&["many", "--force"]);
    assert!(run.stderr.contains("\n2 done; "), "{run:?}");
    assert!(run.stderr.contains("many/a_x4.png: "), "{run:?}");
    assert_eq!(folder.load("many/a_x4.png").width(), 16);
    assert_eq!(below(&folder, "many").len(), 4);
    let named = ["many", "--name", "{stem}_large.{ext}", "--force"];
    folder.upscale(&named);
    let run = folder.upscale(&named);
    assert!(run.stderr.contains("many/a_large.png: "), "{run:?}");
}

/// Where a name is a number or of its folder, a result may be an image as well.
#[test]
fn force_replaces_no_image_that_may_be_no_result() {
    for (name, image) in [
        ("{stem}_{index}.{ext}", "a_1.png"),
        ("{stem}_{steps}.{ext}", "a_2.png"),
        ("{stem}_{scale}.{ext}", "a_4.png"),
        ("{folder}_{stem}.{ext}", "many_a.png"),
    ] {
        let folder = many();
        folder.draw(&format!("many/{image}"), 3, 3);
        let (shown, args) = (format!("many/{image}"), ["many", "--name", name, "--force"]);
        folder.refuses_upscale(&args, 2, &["--force: ", &shown, "is an input"]);
    }
}

/// Also where a link leads there.
#[cfg(unix)]
#[test]
fn force_replaces_no_input() {
    let folder = many();
    std::os::unix::fs::symlink("b.png", folder.path("many/a_x4.png")).unwrap();
    let parts = ["a_x4.png: is an input"];
    folder.refuses_upscale(&["many", "--force"], 4, &parts);
    folder.upscale(&["many", "--force", "-s", "2"]);
}

/// Whether two names are one is for the file system to say.
#[test]
fn names_that_differ_in_case_lose_no_result() {
    let folder = Folder::new();
    for name in ["x/A.png", "y/a.png"] {
        fs::create_dir(folder.path(&name[..1])).unwrap();
        folder.draw(name, 4, 3);
    }
    let args = ["x/A.png", "y/a.png", "-o", "out"];
    if folder.path("IN.PNG").exists() {
        folder.refuses_upscale(&args, 4, &["x/A.png and y/a.png"]);
    } else {
        folder.upscale(&args);
        assert_eq!(below(&folder, "out"), ["A_x4.png", "a_x4.png"]);
    }
}
