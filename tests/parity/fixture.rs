//! A file of golden tensors.

use super::support;
use libtest_mimic::Failed;
use srdiff::model::{Settings, Weights};
use std::path::{Path, PathBuf};

/// Every fixture in the folder, by name.
///
/// # Panics
/// When there is none: a parity test without fixtures proves nothing.
pub fn paths() -> Vec<PathBuf> {
    let folder = support::fixtures();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|ending| ending == "safetensors")
        })
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{}: no fixtures", folder.display());
    paths
}

pub struct Fixture {
    pub settings: Settings,
    /// The model's tensors.
    pub weights: Weights,
    golden: Weights,
}

impl Fixture {
    pub fn open(path: &Path) -> Result<Self, Failed> {
        let weights = Weights::open_with_prefix(path, "weights.")?;
        Ok(Self {
            settings: weights.settings()?,
            weights,
            golden: Weights::open(path)?,
        })
    }

    /// A golden tensor.
    pub fn golden(&self, name: &str) -> Result<Vec<f32>, Failed> {
        Ok(self.golden.tensor(name)?.values.into_owned())
    }

    /// Names of the golden tensors that start with `prefix`, without it.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        let names = self
            .golden
            .names()
            .filter_map(|name| name.strip_prefix(prefix));
        names.map(str::to_owned).collect()
    }

    /// LR height and width.
    pub fn lr_size(&self) -> (usize, usize) {
        let shape = self.golden.shape("io.lr").expect("io.lr");
        (shape[2], shape[3])
    }

    /// The LR picture as the executors take it.
    pub fn lr_pixels(&self) -> Result<Vec<u32>, Failed> {
        let lr = self.golden("io.lr")?;
        let (height, width) = self.lr_size();
        let plane = height * width;
        let byte = |v: f32| ((v + 1.0) * 127.5).round() as u32;
        Ok((0..plane)
            .map(|p| {
                let [r, g, b] = [0, 1, 2].map(|c| byte(lr[c * plane + p]));
                r | g << 8 | b << 16 | 255 << 24
            })
            .collect())
    }
}
