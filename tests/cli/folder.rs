//! A folder to run the binary in, and what came of it.

use super::options::check_names;
use super::support_models::ModelFile;
use assert_cmd::Command;
use image::{DynamicImage, RgbImage, RgbaImage};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// A temporary folder, the binary's working directory, and one for its caches.
/// It holds a small 4x model, `tiny.safetensors`, and a picture of 6x4 pixels,
/// `in.png`.
pub struct Folder(TempDir, TempDir);

/// What a run of the binary came to.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            // May be an image.
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Options that make a run short.
pub const FAST: [&str; 6] = [
    "--device",
    "cpu",
    "--model",
    "tiny.safetensors",
    "--steps",
    "2",
];

impl Folder {
    pub fn new() -> Self {
        let folder = Self(TempDir::new().unwrap(), TempDir::new().unwrap());
        folder.write(
            "tiny.safetensors",
            &ModelFile::of("tiny-x4").tamed().to_bytes(),
        );
        folder.draw("in.png", 6, 4);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Where the binary keeps what it found out about devices. Not there yet.
    pub fn cache(&self) -> PathBuf {
        self.1.path().join("cache")
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Draws a picture that is nowhere constant.
    pub fn draw(&self, name: &str, width: u32, height: u32) {
        let pixel = |x: u32, y: u32| image::Rgb([x * 37, y * 59, (x + y) * 23].map(|v| v as u8));
        let picture = RgbImage::from_fn(width, height, pixel);
        picture.save(self.path(name)).unwrap();
    }

    /// The same with an opacity that varies.
    pub fn draw_with_alpha(&self, name: &str, width: u32, height: u32) {
        let pixel = |x: u32, y: u32| image::Rgba([x * 37, y * 59, 7, x * 40].map(|v| v as u8));
        let picture = RgbaImage::from_fn(width, height, pixel);
        picture.save(self.path(name)).unwrap();
    }

    pub fn load(&self, name: &str) -> DynamicImage {
        image::open(self.path(name)).unwrap()
    }

    /// Runs the binary in the folder.
    pub fn run(&self, args: &[&str]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_srdiff"))
            .current_dir(self.0.path())
            .env("SRDIFF_CACHE_DIR", self.cache())
            .args(args)
            .output()
            .unwrap();
        output.into()
    }

    /// Runs `upscale` with [`FAST`] options and more; it must succeed.
    pub fn upscale(&self, args: &[&str]) -> Run {
        let run = self.run(&[&["upscale"], &FAST[..], args].concat());
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        run
    }

    /// Runs the binary, which must refuse: with this exit code, one line on
    /// stderr that holds all of `parts` and no option that there is not, nothing
    /// on stdout, and no file of the folder made, changed or removed.
    pub fn refuses(&self, args: &[&str], code: i32, parts: &[&str]) {
        let run = self.unchanged(|| self.run(args));
        assert_eq!(run.code, code, "{args:?}: {run:?}");
        assert_eq!(run.stdout, "", "{args:?}");
        let line = run.stderr.strip_suffix('\n').unwrap_or_default();
        assert!(
            line.starts_with("error: ") && !line.contains('\n'),
            "{args:?}: {run:?}"
        );
        for part in parts {
            assert!(line.contains(part), "{args:?}: no '{part}' in: {line}");
        }
        check_names(args[0], line);
    }

    /// Does something that makes, changes and removes no file of the folder.
    pub fn unchanged<T>(&self, act: impl FnOnce() -> T) -> T {
        let before = self.contents();
        let result = act();
        assert!(before == self.contents(), "the folder was changed");
        result
    }

    /// [`refuses`](Self::refuses) of `upscale` with [`FAST`] options and more.
    pub fn refuses_upscale(&self, args: &[&str], code: i32, parts: &[&str]) {
        self.refuses(&[&["upscale"], &FAST[..], args].concat(), code, parts);
    }

    /// Names of all files, sorted.
    pub fn names(&self) -> Vec<String> {
        let name = |path: &PathBuf| path.strip_prefix(self.0.path()).unwrap().to_owned();
        let names = self.contents();
        names
            .keys()
            .map(|path| name(path).display().to_string())
            .collect()
    }

    fn contents(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut contents = BTreeMap::new();
        collect(self.0.path(), &mut contents);
        contents
    }
}

fn collect(folder: &Path, into: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
            into.insert(path, None);
        } else {
            let bytes = fs::read(&path).ok();
            into.insert(path, bytes);
        }
    }
}

#[test]
#[should_panic(expected = "the folder was changed")]
fn a_file_left_behind_is_noticed() {
    let folder = Folder::new();
    folder.unchanged(|| folder.upscale(&["in.png"]));
}

#[test]
#[should_panic(expected = "the folder was changed")]
fn a_changed_file_is_noticed() {
    let folder = Folder::new();
    folder.unchanged(|| folder.write("in.png", b"something else"));
}
