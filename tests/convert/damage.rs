//! Damaged checkpoints: always an error or a model, never a panic.

use std::fs;

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use srdiff::model::convert::ConvertOptions;

use crate::files::{Folder, checkpoint, golden_checkpoint, golden_options};

#[test]
fn a_file_cut_short_anywhere_is_an_error() {
    let options = golden_options();
    for (path, options) in [
        (golden_checkpoint("srdiff-legacy.ckpt"), &options),
        (golden_checkpoint("srdiff-zip.ckpt"), &options),
        (golden_checkpoint("srdiff-flat-f16.pt"), &options),
        (checkpoint("trainer.ckpt"), &ConvertOptions::default()),
    ] {
        let whole = fs::read(&path).unwrap();
        let folder = Folder::new();
        let step = whole.len() / 150;
        let lengths = (0..whole.len()).step_by(step);
        let ends = (0..80).chain(whole.len() - 80..whole.len());
        for length in lengths.chain(ends) {
            folder.error(&whole[..length], options);
        }
        folder.convert_bytes(&whole, options).unwrap();
    }
}

#[test]
fn changed_bytes_never_panic() {
    let mut rng = SmallRng::seed_from_u64(7);
    for name in ["trainer.ckpt", "views.pt"] {
        let whole = fs::read(checkpoint(name)).unwrap();
        let folder = Folder::new();
        let options = ConvertOptions {
            overwrite: true,
            ..ConvertOptions::default()
        };
        // Where the structure is: pickles and the archive's directory, not
        // the numbers.
        let (start, end) = (whole.len() / 2, whole.len());
        let structure = match name {
            "trainer.ckpt" => 0..start,
            _ => start..end,
        };
        let (mut errors, mut models) = (0, 0);
        for round in 0..600 {
            let mut bytes = whole.clone();
            for _ in 0..rng.random_range(1..=3) {
                let range = if round % 4 == 0 {
                    0..end
                } else {
                    structure.clone()
                };
                bytes[rng.random_range(range)] = rng.random();
            }
            match folder.convert_bytes(&bytes, &options) {
                Ok(_) => models += 1,
                Err(error) => {
                    assert!(
                        !error.contains(char::is_control),
                        "more than one line: {error:?}"
                    );
                    errors += 1;
                }
            }
        }
        println!("{name}: {errors} errors, {models} models");
        assert!(errors > 100, "{name}: {errors} errors, {models} models");
    }
}
