//! Inputs that cannot be enlarged.

use super::folder::Folder;
use srdiff::upscale::CpuSummary;
use std::fs;
use std::path::Path;

#[test]
fn a_missing_file() {
    let folder = Folder::new();
    folder.refuses_upscale(&["no.png"], 3, &["no.png: ", "no such file"]);
}

#[test]
fn a_folder() {
    let folder = Folder::new();
    fs::create_dir(folder.path("pictures.png")).unwrap();
    folder.refuses_upscale(
        &["pictures.png"],
        3,
        &["pictures.png: ", "is a folder that holds no images"],
    );
}

#[test]
fn a_truncated_png() {
    let folder = Folder::new();
    folder.draw("whole.png", 64, 64);
    let bytes = fs::read(folder.path("whole.png")).unwrap();
    for length in [20, bytes.len() / 2, bytes.len() - 20] {
        folder.write("half.png", &bytes[..length]);
        folder.refuses_upscale(&["half.png"], 3, &["half.png: ", "truncated"]);
    }
}

#[test]
fn a_truncated_jpeg() {
    let folder = Folder::new();
    folder.draw("whole.jpg", 64, 64);
    let bytes = fs::read(folder.path("whole.jpg")).unwrap();
    folder.write("half.jpg", &bytes[..bytes.len() / 2]);
    folder.refuses_upscale(&["half.jpg"], 3, &["half.jpg: ", "truncated"]);
}

#[test]
fn text_under_the_name_of_a_picture() {
    let folder = Folder::new();
    folder.write("text.png", b"This is no picture, only its name says so.\n");
    folder.refuses_upscale(&["text.png"], 3, &["text.png: ", "is not an image"]);
}

#[test]
fn an_empty_file() {
    let folder = Folder::new();
    folder.write("empty.png", b"");
    folder.refuses_upscale(&["empty.png"], 3, &["empty.png: ", "empty"]);
}

#[cfg(not(feature = "avif"))]
#[test]
fn an_unsupported_format() {
    let folder = Folder::new();
    let avif = b"\0\0\0\x1cftypavif\0\0\0\0mif1miaf";
    // The content decides, not the name.
    for name in ["still.avif", "still.png"] {
        folder.write(name, avif);
        folder.refuses_upscale(&[name], 3, &[name, "is an AVIF image", "PNG"]);
    }
}

#[test]
fn gif_and_pnm_are_read() {
    let folder = Folder::new();
    for name in ["a.gif", "b.ppm", "c.pgm"] {
        folder.draw(name, 4, 4);
        folder.upscale(&[name, "-o", "out.png", "--force"]);
        assert_eq!(folder.load("out.png").width(), 16, "{name}");
    }
}

#[test]
fn images_of_other_formats_in_folders_are_told() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("photos/below")).unwrap();
    let empty = ["photos"];
    for name in ["a.HEIC", "below/b.heic", "c.psd", "notes.txt", "._d.heic"] {
        folder.write(&format!("photos/{name}"), b"anything");
    }
    let what = "2 files of formats that are not read (.heic, .psd)";
    let parts = ["photos: ", "holds no images but ", what, "--recursive"];
    folder.refuses_upscale(&empty, 3, &parts);
    folder.draw("photos/e.png", 3, 3);
    let told = |args: &[&str]| folder.upscale(args).stderr;
    let stderr = told(&["photos", "-o", "out"]);
    assert!(
        stderr.contains(&format!("note: photos: {what} were left out\n")),
        "{stderr}"
    );
    let stderr = told(&["photos", "-r", "-o", "out"]);
    assert!(
        stderr.contains("note: photos: 3 files of formats"),
        "{stderr}"
    );
    fs::remove_file(folder.path("photos/c.psd")).unwrap();
    let stderr = told(&["photos", "-o", "out"]);
    let one = "note: photos: 1 file of a format that is not read (.heic) was left out\n";
    assert!(stderr.contains(one), "{stderr}");
}

/// A small file that the tests of the library know.
fn known(folder: &Folder, name: &str) {
    let path = Path::new("tests/data/pictures").join(name);
    folder.write(name, &fs::read(path).unwrap());
}

#[test]
fn notes_say_how_a_file_was_read() {
    let folder = Folder::new();
    known(&folder, "tiff_multipage.tif");
    let run = folder.upscale(&["tiff_multipage.tif"]);
    assert!(
        run.stderr
            .ends_with("\nnote: page 1 of 3; the others are left out\n"),
        "{run:?}"
    );
    let run = folder.upscale(&["tiff_multipage.tif", "--force", "--quiet"]);
    assert_eq!(run.stderr, "");
}

#[test]
fn a_damaged_picture_is_read_if_that_is_wanted() {
    let folder = Folder::new();
    known(&folder, "webp_exif_cut.webp");
    let input = "webp_exif_cut.webp";
    folder.refuses_upscale(
        &[input],
        3,
        &["truncated", ", or read what is there with --tolerant"],
    );
    let run = folder.upscale(&[input, "--tolerant"]);
    assert!(
        run.stderr.contains("\nnote: read as far as possible: "),
        "{run:?}"
    );
}

#[test]
fn the_number_of_pixels_is_limited() {
    let folder = Folder::new();
    let limited = |n| ["in.png", "--max-pixels", n];
    let parts = ["6x4", "at most 23 pixels", "--max-pixels"];
    folder.refuses_upscale(&limited("23"), 3, &parts);
    folder.upscale(&limited("24"));
}

#[test]
fn metadata_are_stripped_if_that_is_wanted() {
    let folder = Folder::new();
    known(&folder, "jpeg_exif_dpi.jpg");
    let exif = |args: &[&str]| {
        folder.upscale(&[&["jpeg_exif_dpi.jpg", "--force", "-o", "out.png"], args].concat());
        let bytes = fs::read(folder.path("out.png")).unwrap();
        let has = |name: &[u8]| bytes.windows(4).any(|part| part == name);
        (has(b"eXIf"), has(b"pHYs"))
    };
    assert_eq!(exif(&[]), (true, true));
    assert_eq!(exif(&["--strip"]), (false, false));
}

/// A PNG file with what Stable Diffusion writes into it.
#[test]
fn texts_are_kept_or_told_and_stripped_without_a_word() {
    let folder = Folder::new();
    let bytes = fs::read(folder.path("in.png")).unwrap();
    let chunk = b"tEXtparameters\0a kitten";
    let length = (chunk.len() as u32 - 4).to_be_bytes();
    let sum = crc32(chunk).to_be_bytes();
    let text = [&bytes[..33], &length, chunk, &sum, &bytes[33..]].concat();
    folder.write("text.png", &text);
    let run = |args: &[&str], output: &str| {
        let run = folder.upscale(&[&["text.png", "-o", output], args].concat());
        let bytes = fs::read(folder.path(output)).unwrap();
        let is_kept = bytes.windows(chunk.len()).any(|part| part == chunk);
        (is_kept, run.stderr.matches("(parameters)").count())
    };
    assert_eq!(run(&[], "a.png"), (true, 0));
    assert_eq!(run(&[], "b.webp"), (false, 1));
    assert_eq!(run(&["--strip"], "c.webp"), (false, 0));
    assert_eq!(run(&["--strip"], "d.png"), (false, 0));
}

#[test]
fn control_characters_of_a_name_are_not_sent_to_the_terminal() {
    let folder = Folder::new();
    let name = "red\u{1b}[31m.png";
    folder.refuses_upscale(&[name], 3, &["red\\u{1b}[31m.png: there is no such file"]);
    folder.draw(name, 3, 3);
    let run = folder.upscale(&[name]);
    assert!(
        run.stdout.starts_with("red\\u{1b}[31m_x4.png: 12x12"),
        "{run:?}"
    );
}

/// A PNG file that ends where the pixels of the size it states would begin.
fn png_of_size(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d".to_vec();
    file.extend(&header);
    file.extend(crc32(&header).to_be_bytes());
    file.extend(b"\x00\x00\xff\xffIDAT");
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    let byte = |crc: u32, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), bit);
    !bytes.iter().fold(u32::MAX, byte)
}

#[test]
fn an_absurd_size() {
    let folder = Folder::new();
    folder.write("absurd.png", &png_of_size(100_000, 100_000));
    folder.refuses_upscale(&["absurd.png"], 3, &["absurd.png: ", "100000x100000"]);
    folder.write("absurd.png", &png_of_size(0, 5));
    folder.refuses_upscale(&["absurd.png"], 3, &["absurd.png: "]);
}

/// A limit that leaves `mib` beside the 4 MiB of each thread of the CPU.
fn limit_mib(mib: usize) -> String {
    (4 * CpuSummary::of_this_machine().threads + mib).to_string()
}

/// Refused by its header alone: the file has no pixels to decode.
#[test]
fn a_size_that_does_not_fit_into_memory() {
    let folder = Folder::new();
    folder.write("large.png", &png_of_size(6000, 4000));
    let mib = limit_mib(50);
    folder.refuses_upscale(
        &["large.png", "--memory-limit", &mib],
        6,
        &[
            "large.png: the image is 6000x4000",
            "even in the smallest tiles",
            " may be used; raise --memory-limit",
            " on CPU (",
        ],
    );
}

#[test]
fn an_image_that_does_not_fit_into_memory_is_upscaled_in_tiles() {
    let folder = Folder::new();
    folder.draw("large.png", 96, 64);
    let mib = limit_mib(4);
    folder.upscale(&["large.png", "--memory-limit", &mib]);
    assert_eq!(folder.load("large_x4.png").width(), 384);
    folder.upscale(&["large.png", "--tile", "32", "-o", "tiles.png"]);
    for (name, tile) in [("a.png", &["--tile", "auto"]), ("b.png", &["-t", "0"])] {
        let run = folder.upscale(&[&["large.png", "--json", "-o", name][..], tile].concat());
        let line: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert!(line["tile"].is_null(), "{tile:?}: {line}");
    }
    let parts = ["--tile 16: ", "32 or more"];
    let small = ["large.png", "--tile", "16", "-o", "small.png"];
    folder.refuses_upscale(&small, 2, &parts);
    for (command, about) in [("blend", "in.png"), ("evaluate", "."), ("plan", "9x8")] {
        // Takes it, and goes on to what is wrong.
        let args = [command, about, "--tile", "auto", "--model", "none"];
        let run = folder.run(&args);
        assert!(run.code == 5 && run.stderr.contains("none: "), "{run:?}");
        let run = folder.run(&[command, about, "--tile", "large"]);
        assert!(run.code == 2 && run.stderr.contains("--tile"), "{run:?}");
    }
}
