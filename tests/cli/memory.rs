//! Systems with little memory. A limit on the addresses of the process stands in
//! for them: an allocation beyond it is refused.

use super::folder::{FAST, Folder, Run};
use image::ImageBuffer;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs the binary with so many KiB.
fn within(folder: &Folder, kib: usize, args: &[&str]) -> Run {
    let output = Command::new("sh")
        .current_dir(folder.path(""))
        .args([
            "-c",
            &format!("ulimit -c 0; ulimit -v {kib}; exec \"$@\""),
            "sh",
        ])
        .arg(env!("CARGO_BIN_EXE_srdiff"))
        .args(args)
        .output()
        .unwrap();
    output.into()
}

/// Small enough for refusals while it reads, before the first step and after it.
const STEP: usize = 5_000;

/// Of images. The least whose colours are refused as what is large; in little memory,
/// the time goes into small tiles.
const SIZE: [u32; 2] = [182, 121];

/// The least in which the program starts and reads a model.
fn start_up(folder: &Folder) -> usize {
    let starts = |kib: &usize| within(folder, *kib, &["info", "tiny.safetensors"]).code == 0;
    (1..100).map(|n| n * STEP).find(starts).unwrap()
}

/// Whatever allocation it is that the system refuses: it is told which image it
/// was for, and nothing is left.
#[test]
fn an_image_that_memory_is_refused_for_is_an_error() {
    let folder = Folder::new();
    let [width, height] = SIZE;
    folder.draw_with_alpha("large.png", width, height);
    folder.draw("large.tif", width, height);
    folder.draw("large.jpg", width, height);
    folder.write("turned.jpg", &turned(&folder.path("large.jpg")));
    let pixel = |x: u32, y: u32| image::Rgb([x * 37, y * 590, x + y].map(|v| v as u16));
    let deep = ImageBuffer::<image::Rgb<u16>, _>::from_fn(width, height.div_ceil(2), pixel);
    deep.save(folder.path("deep.png")).unwrap();
    let start_up = start_up(&folder);
    for (input, output) in [
        ("large.png", "out.png"),
        ("large.tif", "out.webp"),
        ("turned.jpg", "turned.tif"),
        ("deep.png", "deep_x4.png"),
    ] {
        let args = [&["upscale", input], &FAST[..], &["-o", output]].concat();
        let mut refusals = HashSet::new();
        let enough = (1..100).find(|steps| {
            let kib = start_up + steps * STEP;
            let before = folder.names();
            let run = within(&folder, kib, &args);
            if run.code == 0 {
                return true;
            }
            assert_eq!(run.code, 6, "{input} in {kib} KiB: {run:?}");
            let line = run.stderr.lines().last().unwrap_or_default();
            let told = [input, output].map(|name| format!("error: {name}: "));
            assert!(
                told.iter().any(|told| line.starts_with(told)),
                "{input} in {kib} KiB: {run:?}"
            );
            assert_eq!(folder.names(), before, "{input} in {kib} KiB");
            refusals.insert(line.to_owned());
            false
        });
        // While it is read, and in tiles of any size.
        assert!(enough.is_some() && refusals.len() > 1, "{refusals:?}");
        let side = if input == "turned.jpg" { height } else { width };
        assert_eq!(folder.load(output).width(), 4 * side);
    }
}

/// A JPEG file that asks to be turned by a quarter.
fn turned(jpeg: &Path) -> Vec<u8> {
    let bytes = fs::read(jpeg).unwrap();
    let exif =
        b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    [&bytes[..2], exif, &bytes[2..]].concat()
}
