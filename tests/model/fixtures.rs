//! The fixtures' weights, among them every kind of model.

use super::support::fixtures;
use safetensors::SafeTensors;
use srdiff::model::{Attention, Model, Settings, Weights, expected_tensors};
use std::collections::BTreeMap;
use std::path::PathBuf;

const PREFIX: &str = "weights.";

fn files() -> Vec<PathBuf> {
    let folder = fixtures();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no fixtures in {}", folder.display());
    files
}

fn own(name: &str) -> Settings {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let weights = Weights::open_with_prefix(folder.join(name), PREFIX).expect(name);
    weights.settings().expect(name)
}

#[test]
fn every_fixture_is_a_whole_model() {
    for path in files() {
        println!("fixture {}", path.display());
        let weights = Weights::open_with_prefix(&path, PREFIX).expect("a whole file");
        let settings = weights.settings().expect("settings");
        weights.validate(&settings).expect("the settings' tensors");
        let expected: BTreeMap<String, Vec<usize>> =
            expected_tensors(&settings).into_iter().collect();
        let found: BTreeMap<String, Vec<usize>> = weights
            .names()
            .map(|name| (name.to_owned(), weights.shape(name).unwrap().to_vec()))
            .collect();
        assert_eq!(found, expected, "{}", path.display());
        let tensor = weights.tensor("denoise_fn.mlp.0.bias").unwrap();
        assert_eq!(tensor.values.len(), tensor.shape.iter().product::<usize>());
        Model::from_weights(weights).expect("a model");
    }
}

#[test]
fn without_the_prefix_a_fixture_is_no_model() {
    for path in files() {
        let error = Model::open(&path).unwrap_err().to_string();
        assert!(
            error.contains("`denoise_fn.mlp.0.weight` is missing"),
            "{error}"
        );
        let error = Weights::open_with_prefix(&path, "wights.").unwrap_err();
        assert!(error.to_string().contains("`wights.`"), "{error}");
    }
}

#[test]
fn settings_are_read_from_tensors_and_metadata() {
    let plain = own("tiny-x4.safetensors");
    assert_eq!((plain.hidden, plain.scale), (8, 4));
    assert_eq!(plain.mults, [1, 2, 2, 4]);
    assert_eq!((plain.rrdb_features, plain.rrdb_blocks), (8, 2));
    assert_eq!(plain.rrdb_growth, 4);
    assert_eq!((plain.groups, plain.attention), (None, None));
    assert!(!plain.up_input);
    assert_eq!((plain.timesteps, plain.res_rescale), (100, 2.0));
    assert_eq!((plain.levels(), plain.size_multiple()), (4, 8));
    assert_eq!(plain.conditioning_maps(), 1);

    assert_eq!(own("tiny-gn-x4.safetensors").groups, Some(4));
    assert_eq!(own("tiny-x8.safetensors").scale, 8);
    let options = own("tiny-options-x2.safetensors");
    assert_eq!(options.scale, 2);
    assert!(options.up_input);
    let attention = options.attention.expect("a model with attention");
    assert_eq!(attention.heads, 4);
    assert_eq!(
        attention,
        Attention {
            heads: 4,
            ..attention
        }
    );
}

#[test]
fn weight_normalisation_is_folded() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let path = folder.join("tiny-options-x2.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let raw = SafeTensors::deserialize(&bytes).unwrap();
    let weights = Weights::open_with_prefix(&path, PREFIX).unwrap();
    let read = |name: &str| -> Vec<f64> {
        let data = raw.tensor(name).unwrap().data().to_vec();
        let values = data.chunks_exact(4);
        values
            .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())))
            .collect()
    };
    let mut folded = 0;
    for name in raw.names() {
        let Some(stem) = name.strip_suffix("weight_g") else {
            continue;
        };
        let (g, v) = (read(name), read(&format!("{stem}weight_v")));
        let plain = format!("{}weight", stem.strip_prefix(PREFIX).unwrap());
        let tensor = weights.tensor(&plain).expect("under its plain name");
        let slice = v.len() / g.len();
        for (o, v) in v.chunks_exact(slice).enumerate() {
            let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
            for (i, v) in v.iter().enumerate() {
                let (found, expected) = (tensor.values[o * slice + i], g[o] * v / norm);
                let error = (f64::from(found) - expected).abs();
                assert!(
                    error <= f64::from(f32::EPSILON) * expected.abs(),
                    "{plain}[{o}, {i}]: {found}, not {expected}"
                );
            }
        }
        folded += 1;
    }
    assert!(folded > 10, "only {folded} convolutions are normalised");
}
