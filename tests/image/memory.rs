//! How much memory images take while they are read.

use super::files::Folder;
use srdiff::image::{
    Border, Colors, DecodeOptions, EncodeOptions, OutputFormat, Picture, Samples, Strip, decode,
    save_rows,
};
use std::path::Path;
use std::process::{Command, Output};

const WIDTH: usize = 8000;
const HEIGHT: usize = 4000;

/// The file that this program is to read when it runs anew.
const FILE: &str = "SRDIFF_TEST_FILE_TO_READ";

/// What may be needed beside the pixels that are kept: some rows, and what
/// stays free for everything small.
const BESIDE: u64 = 64 << 20;

/// Writes an image whose rows are all the same.
fn write(path: &Path, format: OutputFormat, wide: bool, alpha: bool) {
    const ROWS: usize = 100;
    let samples = |count: usize, level: Option<u8>| -> Samples {
        let level = |index: usize| level.unwrap_or((index % (3 * WIDTH) / 100) as u8);
        match wide {
            false => (0..count).map(level).collect::<Vec<u8>>().into(),
            true => (0..count)
                .map(|index| u16::from(level(index)) * 257)
                .collect::<Vec<u16>>()
                .into(),
        }
    };
    let head = Picture {
        alpha: alpha.then(|| samples(0, None)),
        ..Picture::with_samples(1, 1, samples(3, None)).without_pixels([WIDTH, HEIGHT])
    };
    let mut strips = (0..HEIGHT).step_by(ROWS).map(|y| Strip {
        y,
        rows: ROWS,
        rgb: samples(3 * WIDTH * ROWS, None),
        alpha: alpha.then(|| samples(WIDTH * ROWS, Some(255))),
    });
    let options = EncodeOptions::default();
    save_rows(&head, path, format, &options, false, &mut strips).unwrap();
}

/// Reads a file in a process of its own that has so many bytes of addresses.
fn read_within(path: &Path, bytes: Option<u64>) -> Output {
    let limit = bytes.map_or("unlimited".to_owned(), |bytes| (bytes >> 10).to_string());
    let command = format!(r#"ulimit -v {limit}; exec "$0" --exact memory::read_anew --nocapture"#);
    let output = Command::new("sh")
        .args(["-c", &command])
        .arg(std::env::current_exe().unwrap())
        .env(FILE, path)
        // Those of other threads are large and mostly empty.
        .env("MALLOC_ARENA_MAX", "1")
        .output();
    output.unwrap()
}

/// Not a test of its own: what [`read_within`] runs.
#[test]
fn read_anew() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    match decode(Path::new(&path), &DecodeOptions::default()) {
        Ok(decoded) => {
            look_at(&decoded.picture);
            let Picture { rgb, alpha, .. } = decoded.picture;
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = |name| status.lines().find(|line| line.starts_with(name)).unwrap();
            let last = match &rgb {
                Samples::U8(rgb) => rgb[rgb.len() - 1],
                Samples::U16(rgb) => (rgb[rgb.len() - 1] / 257) as u8,
            };
            let peaks = ["VmPeak:", "VmHWM:"].map(line);
            println!("{last} {} {}", alpha.is_none(), peaks.join("\n"));
        }
        Err(error) => println!("refused: {error}"),
    }
}

/// Takes all of its pixels, as upscaling does: whether it has colours, and rows of tiles.
fn look_at(picture: &Picture) {
    const ROWS: usize = 64;
    picture.is_neutral();
    let colors = Colors::new(picture, Border::Reflected).unwrap();
    for y in (0..picture.height).step_by(ROWS) {
        colors
            .window([0, y as isize], [picture.width, ROWS])
            .unwrap();
    }
}

/// What a line of `/proc/self/status` says, in bytes.
fn stated(output: &Output, name: &str) -> u64 {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains(name));
    let line = line.unwrap_or_else(|| panic!("{output:?}"));
    let kib = line.split_whitespace().rev().nth(1).unwrap();
    kib.parse::<u64>().unwrap() << 10
}

/// What a process does that reads a small image.
fn start_up(folder: &Folder) -> Output {
    let path = folder.path("small.png");
    let small = Picture::new(1, 1, vec![7; 3]);
    let options = EncodeOptions::default();
    small
        .save(&path, OutputFormat::Png, &options, false)
        .unwrap();
    read_within(&path, None)
}

#[test]
fn an_image_is_read_into_the_memory_that_it_keeps() {
    let folder = Folder::new();
    let start_up = stated(&start_up(&folder), "VmPeak");
    for (name, wide, alpha) in [
        ("opaque.png", false, true),
        ("wide.png", true, false),
        ("plain.tif", false, false),
        ("opaque.tif", false, true),
        ("wide.tif", true, false),
    ] {
        let path = folder.path(name);
        write(&path, OutputFormat::from_path(&path).unwrap(), wide, alpha);
        let kept = (3 * WIDTH * HEIGHT) as u64 * if wide { 2 } else { 1 };
        let output = read_within(&path, Some(start_up + kept + BESIDE));
        let text = String::from_utf8_lossy(&output.stdout);
        let expected = format!("{} true VmPeak", (3 * WIDTH - 1) / 100);
        assert!(text.contains(&expected), "{name}: {output:?}");
        // Half of it is not enough, which is an error and not the end.
        let output = read_within(&path, Some(start_up + kept / 2));
        let text = String::from_utf8_lossy(&output.stdout);
        let expected = format!("refused: {}: takes more memory than", path.display());
        assert!(
            output.status.success() && text.contains(&expected),
            "{name}: {output:?}"
        );
    }
}

/// What is in memory at a time: some rows as they are stored and as they are read, and
/// some megabytes that were not let go yet.
const AT_A_TIME: u64 = 28 << 20;

#[test]
fn an_image_that_is_kept_in_a_file_takes_memory_for_some_of_its_rows() {
    let folder = Folder::new();
    let start_up = stated(&start_up(&folder), "VmHWM");
    for (name, wide, alpha, kept) in [
        ("opaque.png", false, true, 3),
        ("wide.png", true, false, 6),
        ("plain.tif", false, false, 3),
        ("wide.tif", true, false, 6),
        ("plain.jpg", false, false, 3),
    ] {
        let path = folder.path(name);
        write(&path, OutputFormat::from_path(&path).unwrap(), wide, alpha);
        let most = stated(&read_within(&path, None), "VmHWM") - start_up;
        println!("{name}: {} MiB", most >> 20);
        assert!(most < AT_A_TIME, "{name}: {} MiB", most >> 20);
        // Else it would say nothing.
        assert!(3 * AT_A_TIME < (kept * WIDTH * HEIGHT) as u64);
    }
}
