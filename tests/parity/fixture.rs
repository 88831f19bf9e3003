//! A file of golden tensors, and which of them a run has used.

use super::{compare, support};
use libtest_mimic::Failed;
use srdiff::model::{Settings, Weights};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the names of the model's own tensors start with.
const WEIGHTS: &str = "weights.";

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
    pub weights: Arc<Weights>,
    golden: Weights,
    /// Golden tensors that were fed to the model, or compared and agreed.
    used: RefCell<BTreeSet<String>>,
}

impl Fixture {
    pub fn open(path: &Path) -> Result<Self, Failed> {
        let weights = Weights::open_with_prefix(path, WEIGHTS)?;
        Ok(Self {
            settings: weights.settings()?,
            weights: Arc::new(weights),
            golden: Weights::open(path)?,
            used: RefCell::default(),
        })
    }

    fn golden(&self, name: &str) -> Result<Vec<f32>, Failed> {
        Ok(self.golden.tensor(name)?.values.into_owned())
    }

    /// A golden tensor to feed to the model.
    pub fn input(&self, name: &str) -> Result<Vec<f32>, Failed> {
        let values = self.golden(name)?;
        self.used.borrow_mut().insert(name.to_owned());
        Ok(values)
    }

    /// Holds `found` against a golden tensor, from whose values `bound` makes
    /// the largest error that is allowed.
    pub fn check(
        &self,
        name: &str,
        found: &[f32],
        bound: impl Fn(&[f32]) -> f64,
    ) -> Result<(), Failed> {
        let expected = self.golden(name)?;
        compare(name, found, &expected, bound(&expected))?;
        self.used.borrow_mut().insert(name.to_owned());
        Ok(())
    }

    /// Fails when a golden tensor was neither fed nor compared.
    pub fn check_all_used(&self) -> Result<(), Failed> {
        let used = self.used.borrow();
        let left: Vec<&str> = self
            .golden
            .names()
            .filter(|name| !name.starts_with(WEIGHTS) && !used.contains(*name))
            .collect();
        match &left[..] {
            [] => Ok(()),
            _ => Err(format!("neither fed nor compared: {}", left.join(", ")).into()),
        }
    }

    /// Names of the golden tensors that start with `prefix`, without it; fails
    /// when there is none, since nothing would be compared.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>, Failed> {
        let names = self.golden.names();
        let names: Vec<String> = names
            .filter_map(|name| name.strip_prefix(prefix))
            .map(str::to_owned)
            .collect();
        match names.is_empty() {
            true => Err(format!("the fixture has no {prefix}*").into()),
            false => Ok(names),
        }
    }

    /// Number of elements of a golden tensor.
    pub fn len(&self, name: &str) -> usize {
        self.golden.shape(name).expect(name).iter().product()
    }

    /// LR height and width.
    pub fn lr_size(&self) -> (usize, usize) {
        let shape = self.golden.shape("io.lr").expect("io.lr");
        (shape[2], shape[3])
    }

    /// The LR image as the executors take it: bytes / 255.
    pub fn lr_planes(&self) -> Result<Vec<f32>, Failed> {
        let byte = |v: f32| ((v + 1.0) * 127.5).round() * (1.0 / 255.0);
        Ok(self.input("io.lr")?.into_iter().map(byte).collect())
    }
}
