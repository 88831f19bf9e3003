//! The checksum of a model file: no flipped byte gives another model.

use super::tiny::{Tiny, all_options, settings};
use srdiff::model::convert::{CheckpointForm, ConvertOptions, ConvertReport, convert};
use srdiff::model::{Model, Settings, Weights};
use std::fs;
use tempfile::TempDir;

/// A model file with a checksum, made by a conversion of one without.
fn converted(settings: &Settings, options: &ConvertOptions) -> (Vec<u8>, ConvertReport) {
    let folder = TempDir::new().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, Tiny::new(settings).bytes()).unwrap();
    let report = convert(&input, &output, options).unwrap();
    (fs::read(output).unwrap(), report)
}

fn open(bytes: &[u8]) -> Result<Model, String> {
    Weights::from_bytes(bytes.to_vec(), "model.safetensors")
        .and_then(Model::from_weights)
        .map_err(|error| error.to_string())
}

/// Whether both have the same settings and tensors, to the bit, and notes.
fn same(a: &Model, b: &Model) -> bool {
    let tensors = |model: &Model| {
        let weights = model.weights();
        let tensor = |name: &str| {
            let tensor = weights.tensor(name).unwrap();
            let bits: Vec<u32> = tensor.values.iter().map(|v| v.to_bits()).collect();
            (name.to_owned(), tensor.shape, bits)
        };
        weights.names().map(tensor).collect::<Vec<_>>()
    };
    a.settings() == b.settings()
        && (a.license(), a.training()) == (b.license(), b.training())
        && tensors(a) == tensors(b)
}

#[test]
fn no_flipped_byte_gives_another_model() {
    let options = ConvertOptions {
        license: Some("CC0-1.0".to_owned()),
        training: Some("none at all".to_owned()),
        ..ConvertOptions::default()
    };
    let (whole, _) = converted(&all_options(), &options);
    let model = open(&whole).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    // All of the header and the first bytes of the data, and places all over.
    let places = (0..header + 8).chain((0..whole.len()).step_by(whole.len() / 200));
    let (mut refused, mut unverified, mut silent) = (0, 0, Vec::new());
    for place in places {
        for mask in [0x01, 0x04, 0x20, 0x80] {
            let mut bytes = whole.clone();
            bytes[place] ^= mask;
            match open(&bytes) {
                Err(_) => refused += 1,
                // The checksum's own key, or white space after the header.
                Ok(other) if same(&model, &other) => unverified += 1,
                Ok(_) => silent.push((place, mask)),
            }
        }
    }
    assert!(silent.is_empty(), "other models: {silent:?}");
    assert!(
        refused > 800 && unverified < refused / 10,
        "{refused}, {unverified}"
    );
}

/// Without its checksum, the same file hides most flips among its data: the
/// test above can fail.
#[test]
fn flips_go_unnoticed_without_a_checksum() {
    let whole = Tiny::new(&settings()).bytes();
    let model = open(&whole).unwrap();
    assert_eq!(model.checksum(), None);
    let mut bytes = whole.clone();
    let last = bytes.len() - 4;
    bytes[last] ^= 1;
    assert!(!same(&model, &open(&bytes).unwrap()));
}

#[test]
fn a_damaged_file_is_named_with_both_checksums() {
    let (mut bytes, _) = converted(&settings(), &ConvertOptions::default());
    let checksum = open(&bytes).unwrap().checksum().unwrap().to_owned();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let error = open(&bytes).unwrap_err();
    let start = format!(
        "model.safetensors: is damaged: its checksum is {}...",
        &checksum[..19]
    );
    assert!(error.starts_with(&start), "{error}");
    assert!(error.ends_with("fetch or convert it again"), "{error}");
    assert_eq!(error.matches("sha256:").count(), 2, "{error}");
}

/// As its documentation says, so that other programs can compute it.
#[test]
fn the_checksum_is_sha256_of_the_sorted_header_and_the_data() {
    use sha2::{Digest, Sha256};
    let (bytes, _) = converted(&settings(), &ConvertOptions::default());
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (header, data) = bytes[8..].split_at(header);
    let mut json: serde_json::Value = serde_json::from_slice(header).unwrap();
    let metadata = json["__metadata__"].as_object_mut().unwrap();
    let stated = metadata.remove("checksum").unwrap();
    let digest = Sha256::new()
        .chain_update(json.to_string())
        .chain_update(data)
        .finalize();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(stated, format!("sha256:{hex}"));
}

#[test]
fn the_starter_model_has_a_checksum() {
    let checksum = Model::starter().checksum().map(str::len);
    assert_eq!(checksum, Some("sha256:".len() + 64));
}

#[test]
fn a_model_file_is_converted_without_a_change_but_for_the_checksum() {
    let (bytes, report) = converted(&all_options(), &ConvertOptions::default());
    assert_eq!(report.form, CheckpointForm::Safetensors);
    assert!(report.notes().is_empty(), "{:?}", report.notes());
    let model = open(&bytes).unwrap();
    assert!(same(&model, &Tiny::new(&all_options()).open().unwrap()));
    // Again: the same file.
    let folder = TempDir::new().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, &bytes).unwrap();
    convert(&input, &output, &ConvertOptions::default()).unwrap();
    assert!(fs::read(&output).unwrap() == bytes);
}

#[test]
fn a_model_file_is_converted_to_another_number_format() {
    let options = ConvertOptions {
        float_type: Some(srdiff::model::FloatType::F16),
        ..ConvertOptions::default()
    };
    let (half, _) = converted(&settings(), &options);
    let (whole, _) = converted(&settings(), &ConvertOptions::default());
    let name = "rrdb.conv_first.weight";
    let values = |bytes: &[u8]| {
        open(bytes)
            .unwrap()
            .weights()
            .tensor(name)
            .unwrap()
            .values
            .into_owned()
    };
    let rounded: Vec<f32> = values(&whole)
        .iter()
        .map(|&v| half::f16::from_f32(v).to_f32())
        .collect();
    assert_eq!(values(&half), rounded);
    assert!(half.len() < whole.len());
}

#[test]
fn settings_of_a_model_file_are_not_options() {
    let folder = TempDir::new().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    let run = |tiny: &Tiny, timesteps| {
        fs::write(&input, tiny.bytes()).unwrap();
        let options = ConvertOptions {
            timesteps: Some(timesteps),
            overwrite: true,
            ..ConvertOptions::default()
        };
        convert(&input, &output, &options).map_err(|error| error.to_string())
    };
    let mut tiny = Tiny::new(&settings());
    let error = run(&tiny, 20).unwrap_err();
    assert!(
        error.starts_with("`timesteps` 20: the model file states"),
        "{error}"
    );
    // A file of tensors alone needs them.
    tiny.config = None;
    assert_eq!(run(&tiny, 20).unwrap().settings.timesteps, 20);
    assert_eq!(Model::open(&output).unwrap().settings().timesteps, 20);
}
