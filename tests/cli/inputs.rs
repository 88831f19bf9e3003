//! Inputs that cannot be enlarged.

use super::folder::Folder;
use srdiff::upscale::CpuSummary;
use std::fs;

#[test]
fn a_missing_file() {
    let folder = Folder::new();
    folder.refuses_upscale(&["no.png"], 3, &["no.png: ", "no such file"]);
}

#[test]
fn a_folder() {
    let folder = Folder::new();
    fs::create_dir(folder.path("pictures.png")).unwrap();
    folder.refuses_upscale(&["pictures.png"], 3, &["pictures.png: ", "is a folder"]);
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
    folder.refuses_upscale(&["text.png"], 3, &["text.png: ", "is not a picture"]);
}

#[test]
fn an_empty_file() {
    let folder = Folder::new();
    folder.write("empty.png", b"");
    folder.refuses_upscale(&["empty.png"], 3, &["empty.png: ", "empty"]);
}

#[test]
fn an_unsupported_format() {
    let folder = Folder::new();
    let gif = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\
                ,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";
    folder.write("moving.gif", gif);
    folder.refuses_upscale(&["moving.gif"], 3, &["moving.gif: ", "GIF", "PNG"]);
    // The content decides, not the name.
    folder.write("moving.png", gif);
    folder.refuses_upscale(&["moving.png"], 3, &["moving.png: ", "GIF"]);
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
    let mib = limit_mib(296);
    let limit = ["large.png", "--memory-limit", &mib];
    folder.refuses_upscale(
        &limit,
        6,
        &[
            "large.png: the image is 6000x4000",
            " may be used",
            "GiB on CPU (",
            "the largest image of this shape that fits is ",
        ],
    );
    let nothing = ["in.png", "--memory-limit", "0"];
    folder.refuses_upscale(&nothing, 6, &["no image of this shape fits"]);
}

#[test]
fn the_size_that_is_offered_instead_fits() {
    let folder = Folder::new();
    folder.draw("large.png", 96, 64);
    let mib = limit_mib(4);
    let limited = ["--memory-limit", &mib];
    let args = [
        &["upscale", "large.png"],
        &super::folder::FAST[..],
        &limited,
    ]
    .concat();
    let run = folder.run(&args);
    assert_eq!(run.code, 6, "{run:?}");
    let size = run.stderr.trim().rsplit(' ').next().unwrap();
    let (width, height) = size.split_once('x').unwrap();
    folder.draw("fits.png", width.parse().unwrap(), height.parse().unwrap());
    folder.upscale(&[&["fits.png"], &limited[..]].concat());
}
