//! Folders of images to train on.

use image::RgbImage;
use srdiff::diffusion::{Process, Sampler};
use srdiff::model::{Model, Settings};
use srdiff::train::data::{
    BatchOptions, Batches, Degradation, PhotoOptions, Photos, Skipped, find_images,
};
use srdiff::train::{Distillation, NewModel, Stage};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A temporary folder of images.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A folder with images of different sizes.
    pub fn with_images() -> Self {
        let folder = Self::new();
        folder.draw("a.png", 61, 45);
        folder.draw("b.jpg", 48, 80);
        folder.draw("c.png", 40, 40);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// Draws waves and edges, others for every name.
    pub fn draw(&self, name: &str, width: u32, height: u32) {
        let kind = name.bytes().map(u32::from).sum::<u32>() % 7;
        picture(kind, width, height).save(self.path(name)).unwrap();
    }
}

/// An image with waves of several lengths, and edges.
pub fn picture(kind: u32, width: u32, height: u32) -> RgbImage {
    let k = f64::from(kind + 1);
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        let wave = (x * (0.9 + 0.13 * k)).sin() + (y * (0.5 + 0.21 * k) + x * 0.3).cos();
        let edge = if (x + k * y / 3.0) as u32 % 11 < 5 {
            0.8
        } else {
            -0.8
        };
        let value = |phase: f64| 128.0 + 40.0 * (wave + edge) + 20.0 * (y / 9.0 + phase).sin();
        image::Rgb([value(0.0), value(k), value(2.0 * k)].map(|v| v as u8))
    })
}

/// A small new model.
pub fn new_model(scale: usize) -> NewModel {
    NewModel {
        hidden: 8,
        mults: vec![1, 2],
        features: 8,
        blocks: 2,
        scale,
        groups: None,
    }
}

pub fn model(scale: usize, seed: u64) -> Model {
    new_model(scale).make(seed).unwrap()
}

/// The photos of a folder, and what was skipped.
pub fn load(folder: &Folder, options: PhotoOptions) -> (Photos, Vec<Skipped>) {
    let paths = find_images(&[folder.root().to_owned()]).unwrap();
    Photos::load(&paths, options, &|| ControlFlow::Continue(())).unwrap()
}

/// How the tests read images.
pub fn options(scale: usize, least_side: usize) -> PhotoOptions {
    PhotoOptions {
        scale,
        least_side,
        halve: true,
        memory: u64::MAX,
    }
}

/// What the tests distil.
pub const DISTILLATION: Distillation = Distillation {
    student: Process {
        sampler: Sampler::Ddpm,
        steps: 2,
    },
    teacher: Process {
        sampler: Sampler::Ddim { eta: 0.0 },
        steps: 6,
    },
};

/// Batches of `batch` patches with an LR side of `lr_side`.
pub fn batches(
    folder: &Folder,
    settings: &Settings,
    sizes: (Stage, usize, usize),
    degradation: Degradation,
    memory: u64,
) -> Batches {
    let distillation = (sizes.0 == Stage::Distill).then_some(DISTILLATION);
    batches_of(folder, settings, sizes, degradation, memory, distillation)
}

/// As [`batches`], for what is to be distilled.
pub fn batches_of(
    folder: &Folder,
    settings: &Settings,
    (stage, batch, lr_side): (Stage, usize, usize),
    degradation: Degradation,
    memory: u64,
    distillation: Option<Distillation>,
) -> Batches {
    let options = PhotoOptions {
        memory,
        ..options(settings.scale, lr_side * settings.scale)
    };
    let (photos, skipped) = load(folder, options);
    assert_eq!(skipped, []);
    let options = BatchOptions {
        stage,
        batch,
        lr_side,
        degradation,
        drawings: 0.0,
        seed: 11,
        distillation,
    };
    Batches::new(photos, settings, options).unwrap()
}
