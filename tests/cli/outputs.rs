//! Outputs that cannot be written.

use super::folder::Folder;
use std::fs;

#[test]
fn a_folder_that_does_not_exist() {
    let folder = Folder::new();
    let args = ["in.png", "-o", "no/out.png"];
    folder.refuses_upscale(&args, 4, &["no/out.png: ", "does not exist"]);
}

#[test]
fn a_file_in_the_place_of_a_folder() {
    let folder = Folder::new();
    for output in ["tiny.safetensors/out.png", "tiny.safetensors/deep/out.png"] {
        let parts = [&format!("{output}: "), "tiny.safetensors is a file"];
        folder.refuses_upscale(&["in.png", "-o", output], 4, &parts);
    }
}

#[cfg(unix)]
#[test]
fn pipes_lead_to_the_standard_streams() {
    let folder = Folder::new();
    // As a shell names what `<(...)` gives.
    for input in ["/dev/null", "/dev/fd/0"] {
        let parts = [input, ": is not a regular file", "srdiff - <"];
        folder.refuses_upscale(&[input], 3, &parts);
    }
    for output in ["/dev/stdout", "/dev/null"] {
        let parts = [output, "or - for standard output"];
        folder.refuses_upscale(&["in.png", "-o", output], 4, &parts);
    }
}

#[test]
fn a_folder_as_the_output() {
    let folder = Folder::new();
    fs::create_dir(folder.path("out.png")).unwrap();
    for (output, result) in [
        ("out.png", "out.png/in_x4.png"),
        ("new/", "new/in_x4.png"),
        ("new/deep/", "new/deep/in_x4.png"),
    ] {
        folder.upscale(&["in.png", "-o", output]);
        assert_eq!(folder.load(result).width(), 24);
        folder.refuses_upscale(&["in.png", "-o", output], 4, &["exists already"]);
    }
    fs::create_dir(folder.path("in_x4.png")).unwrap();
    folder.refuses_upscale(&["in.png", "--force"], 4, &["in_x4.png: is a folder"]);
}

#[test]
fn an_extension_that_is_not_written() {
    let folder = Folder::new();
    for (name, reason) in [
        (
            "out.bmp",
            "its extension .bmp names no format that is written",
        ),
        ("out.GIF", "its extension .GIF names no"),
        ("out", "or in / for a folder"),
        ("out.png.bak", "its extension .bak names no"),
    ] {
        let parts = [name, reason, ".png, .jpg, .jpeg, .webp, .tif, .tiff"];
        folder.refuses_upscale(&["in.png", "-o", name], 4, &parts);
    }
}

#[test]
fn a_size_that_the_format_cannot_hold() {
    let folder = Folder::new();
    folder.draw("long.png", 4096, 1);
    let args = ["long.png", "-o", "out.webp"];
    folder.refuses_upscale(&args, 4, &["out.webp: ", "16384x4", "PNG"]);
}

#[test]
fn an_existing_file_is_overwritten_by_force_alone() {
    let folder = Folder::new();
    folder.write("in_x4.png", b"precious");
    folder.refuses_upscale(
        &["in.png"],
        4,
        &["in_x4.png: ", "exists already", "--force"],
    );
    folder.upscale(&["in.png", "--force"]);
    assert_eq!(folder.load("in_x4.png").width(), 24);
}

#[test]
fn the_input_is_never_overwritten() {
    let folder = Folder::new();
    let itself = folder.path("in.png").display().to_string();
    for output in ["in.png", "./in.png", &itself] {
        for force in [&[][..], &["--force"]] {
            let args = [&["in.png", "-o", output], force].concat();
            folder.refuses_upscale(&args, 4, &["is an input"]);
        }
    }
}

#[cfg(unix)]
#[test]
fn the_input_is_never_overwritten_through_a_link() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("in.png", folder.path("soft.png")).unwrap();
    fs::hard_link(folder.path("in.png"), folder.path("hard.png")).unwrap();
    for (input, output) in [
        ("in.png", "soft.png"),
        ("soft.png", "in.png"),
        ("in.png", "hard.png"),
        ("hard.png", "soft.png"),
    ] {
        let args = [input, "--force", "-o", output];
        folder.refuses_upscale(&args, 4, &[output, "is an input"]);
    }
}

#[test]
fn a_quality_for_a_lossless_format() {
    let folder = Folder::new();
    for name in ["out.png", "out.webp", "out.tif"] {
        let args = ["in.png", "-o", name, "--quality", "80"];
        folder.refuses_upscale(&args, 2, &["--quality: ", "lossless", ".jpg"]);
    }
    folder.upscale(&["in.png", "-o", "out.jpg", "--quality", "80"]);
}

#[cfg(unix)]
#[test]
fn a_name_that_is_too_long() {
    let folder = Folder::new();
    let name = format!("{}.png", "n".repeat(300));
    let args = ["in.png", "-o", &name];
    folder.refuses_upscale(&args, 4, &[&name, "too long", "give a shorter name"]);
    // The default is longer than the input.
    let name = format!("{}.png", "n".repeat(250));
    folder.draw(&name, 4, 4);
    folder.refuses_upscale(
        &[&name],
        4,
        &["_x4.png: cannot be written", "give a shorter name"],
    );
}

/// The limit on the size of files would end the process by a signal, in the
/// midst of writing.
#[cfg(target_os = "linux")]
#[test]
fn a_result_larger_than_files_may_be_leaves_nothing() {
    use std::process::Command;

    let folder = Folder::new();
    folder.draw("large.png", 64, 64);
    let before = folder.names();
    let binary = env!("CARGO_BIN_EXE_srdiff");
    let fast = super::folder::FAST.join(" ");
    let command = format!("ulimit -f 1; exec {binary} upscale large.png {fast} -o out.tif");
    let output = Command::new("sh")
        .current_dir(folder.path(""))
        .args(["-c", &command])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("the largest size of a file is limited"),
        "{message}"
    );
    assert_eq!(folder.names(), before);
}

#[test]
fn tiff_is_written() {
    let folder = Folder::new();
    folder.upscale(&["in.png", "-o", "out.TIF"]);
    let bytes = fs::read(folder.path("out.TIF")).unwrap();
    let result = image::load_from_memory(&bytes).unwrap();
    assert_eq!((result.width(), result.height()), (24, 16));
}

#[test]
fn a_result_that_turns_out_bad_leaves_nothing() {
    use super::support_models::ModelFile;

    let folder = Folder::new();
    folder.draw("large.png", 64, 64);
    // Adds far too much to the enlarged image.
    let mut wild = ModelFile::of("tiny-x4");
    let config = wild.metadata.get_mut("config").unwrap();
    let mut settings: serde_json::Value = serde_json::from_str(config).unwrap();
    settings["res_rescale"] = 0.05.into();
    *config = settings.to_string();
    folder.write("wild.safetensors", &wild.to_bytes());
    for output in ["out.png", "out.tif", "out.jpg", "out.webp"] {
        let args = ["large.png", "--model", "wild.safetensors", "-o", output];
        let fast = [
            "upscale", "--device", "cpu", "--steps", "2", "--seed", "1", "--quiet",
        ];
        folder.refuses(&[&fast[..], &args].concat(), 1, &["does not match"]);
    }
}
