//! Checkpoints and what they should convert to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use srdiff::model::{
    Model, Weights,
    convert::{ConvertOptions, ConvertReport, convert},
};
use tempfile::TempDir;

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// A checkpoint that holds the weights of `fixtures/tiny-gn-x4.safetensors`.
pub fn golden_checkpoint(name: &str) -> PathBuf {
    tests().join("fixtures/checkpoints").join(name)
}

/// A checkpoint made by `data/checkpoints.py`.
pub fn checkpoint(name: &str) -> PathBuf {
    tests().join("data/checkpoints").join(name)
}

/// The weights that the golden checkpoints hold.
pub fn golden() -> Weights {
    let path = tests().join("fixtures/tiny-gn-x4.safetensors");
    Weights::open_with_prefix(path, "weights.").unwrap()
}

/// The weights that a checkpoint made by `data/checkpoints.py` holds.
pub fn expected(prefix: &str) -> Weights {
    Weights::open_with_prefix(checkpoint("expected.safetensors"), prefix).unwrap()
}

/// The options that the golden checkpoints need.
pub fn golden_options() -> ConvertOptions {
    ConvertOptions {
        groups: Some(4),
        ..ConvertOptions::default()
    }
}

/// A folder for one test's files.
pub struct Folder(pub TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Names of the files in it, sorted.
    pub fn list(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Converts a file to `out.safetensors`; the error as text.
    pub fn convert(
        &self,
        input: &Path,
        options: &ConvertOptions,
    ) -> Result<(Model, ConvertReport), String> {
        let output = self.path("out.safetensors");
        let report = convert(input, &output, options).map_err(|error| error.to_string())?;
        Ok((Model::open(output).unwrap(), report))
    }

    /// As [`Folder::convert`] for a checkpoint of these bytes.
    pub fn convert_bytes(
        &self,
        bytes: &[u8],
        options: &ConvertOptions,
    ) -> Result<(Model, ConvertReport), String> {
        let input = self.path("in.ckpt");
        fs::write(&input, bytes).unwrap();
        self.convert(&input, options)
    }

    /// The error that a checkpoint of these bytes gives, after which there is
    /// nothing in the folder but the checkpoint.
    #[track_caller]
    pub fn error(&self, bytes: &[u8], options: &ConvertOptions) -> String {
        let error = self.convert_bytes(bytes, options).unwrap_err();
        assert_eq!(self.list(), ["in.ckpt"], "left behind after: {error}");
        error
    }
}

/// Says where two sets of weights differ by more than `tolerance` of a
/// tensor's largest value.
pub fn compare(found: &Weights, expected: &Weights, tolerance: f32) -> Result<(), String> {
    if !found.names().eq(expected.names()) {
        return Err("the names differ".to_owned());
    }
    for name in expected.names() {
        let (found, expected) = (found.tensor(name).unwrap(), expected.tensor(name).unwrap());
        if found.shape != expected.shape {
            return Err(format!(
                "{name}: {:?} for {:?}",
                found.shape, expected.shape
            ));
        }
        let largest = expected.values.iter().fold(0f32, |max, v| max.max(v.abs()));
        for (i, (f, e)) in found.values.iter().zip(&*expected.values).enumerate() {
            let same = f.to_bits() == e.to_bits() || (f - e).abs() <= tolerance * largest;
            if !same {
                return Err(format!("{name}[{i}]: {f} for {e}"));
            }
        }
    }
    Ok(())
}

/// `bytes` with the one place that holds `old` changed to `new`.
#[track_caller]
pub fn patch(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let places: Vec<usize> = (0..=bytes.len() - old.len())
        .filter(|&at| bytes[at..].starts_with(old))
        .collect();
    let [at] = places[..] else {
        panic!("{} places hold the bytes to change", places.len());
    };
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

pub fn le_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}
