//! How much memory images take while they are read.

use super::files::Folder;
use srdiff::image::{
    DecodeOptions, EncodeOptions, OutputFormat, Picture, Samples, Strip, decode, save_rows,
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
            let Picture { rgb, alpha, .. } = decoded.picture;
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let peak = status.lines().find(|line| line.starts_with("VmPeak:"));
            let last = match &rgb {
                Samples::U8(rgb) => rgb[rgb.len() - 1],
                Samples::U16(rgb) => (rgb[rgb.len() - 1] / 257) as u8,
            };
            println!("{last} {} {}", alpha.is_none(), peak.unwrap());
        }
        Err(error) => println!("refused: {error}"),
    }
}

/// The most addresses that a process which read a small image had.
fn start_up(folder: &Folder) -> u64 {
    let path = folder.path("small.png");
    let small = Picture::new(1, 1, vec![7; 3]);
    let options = EncodeOptions::default();
    small
        .save(&path, OutputFormat::Png, &options, false)
        .unwrap();
    let output = read_within(&path, None);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("VmPeak")).unwrap();
    let kib = line.split_whitespace().rev().nth(1).unwrap();
    kib.parse::<u64>().unwrap() << 10
}

#[test]
fn an_image_is_read_into_the_memory_that_it_keeps() {
    let folder = Folder::new();
    let start_up = start_up(&folder);
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
