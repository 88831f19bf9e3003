//! Files that are not a whole model: one clear error that names the tensor.

use super::tiny::{LABEL, Tiny, settings};
use half::{bf16, f16};
use safetensors::Dtype;
use srdiff::model::{Model, ModelError, ModelProblem, Weights};
use std::path::Path;

const CONV: &str = "denoise_fn.mid_block1.block1.block.1.weight";

/// The message must start with the file, and hold each of `parts`.
fn assert_says(error: &ModelError, parts: &[&str]) {
    let message = error.to_string();
    assert!(message.starts_with(&format!("{LABEL}: ")), "{message}");
    assert!(!message.contains('\n'), "{message}");
    for part in parts {
        assert!(message.contains(part), "{message} does not say: {part}");
    }
}

#[test]
fn the_unchanged_model_is_whole() {
    let model = Tiny::new(&settings()).open().expect("nothing is wrong");
    assert_eq!(*model.settings(), settings());
}

#[test]
fn a_missing_tensor() {
    let mut tiny = Tiny::new(&settings());
    tiny.remove(CONV);
    let error = tiny.problem();
    assert!(matches!(&error.problem, ModelProblem::Missing(name) if name == CONV));
    assert_says(&error, &[CONV, "is missing", "incomplete"]);
}

#[test]
fn every_tensor_is_missed() {
    let whole = Tiny::new(&settings());
    for name in whole.tensors.keys() {
        let mut tiny = whole.clone();
        tiny.remove(name);
        let message = tiny.problem().to_string();
        // Without the tensor that a size is read from, others fit no more.
        let named = message.contains('`') && message.contains(".");
        assert!(named, "without {name}: {message}");
    }
}

#[test]
fn an_extra_tensor() {
    let mut tiny = Tiny::new(&settings());
    tiny.put("denoise_fn.left_over", &[2], &[0.0; 2]);
    let error = tiny.problem();
    assert!(matches!(error.problem, ModelProblem::Extra(_)));
    assert_says(&error, &["`denoise_fn.left_over`", "does not belong"]);
}

#[test]
fn a_wrong_shape() {
    let mut tiny = Tiny::new(&settings());
    tiny.reshape(CONV, &[8, 8, 3, 1]);
    let error = tiny.problem();
    assert!(matches!(error.problem, ModelProblem::Shape { .. }));
    assert_says(&error, &[CONV, "[8, 8, 3, 1]", "[8, 8, 3, 3]"]);
}

#[test]
fn numbers_that_are_not_finite() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
            let mut tiny = Tiny::new(&settings());
            let mut values = tiny.values(CONV);
            values[17] = bad;
            values[40] = bad;
            let bytes = values
                .iter()
                .flat_map(|&v| match dtype {
                    Dtype::F16 => f16::from_f32(v).to_le_bytes().to_vec(),
                    Dtype::BF16 => bf16::from_f32(v).to_le_bytes().to_vec(),
                    _ => v.to_le_bytes().to_vec(),
                })
                .collect();
            let shape = tiny.shape(CONV);
            tiny.put_bytes(CONV, dtype, &shape, bytes);
            let error = tiny.problem();
            assert_says(&error, &[CONV, &format!("holds {bad} at element 17")]);
            assert!(matches!(
                error.problem,
                ModelProblem::NotFinite { index: 17, .. }
            ));
        }
    }
}

#[test]
fn a_number_format_that_weights_do_not_have() {
    for (dtype, size, name) in [(Dtype::I32, 4, "I32"), (Dtype::F64, 8, "F64")] {
        let mut tiny = Tiny::new(&settings());
        let shape = tiny.shape(CONV);
        let count: usize = shape.iter().product();
        tiny.put_bytes(CONV, dtype, &shape, vec![0; size * count]);
        let error = tiny.problem();
        assert!(matches!(error.problem, ModelProblem::Type { .. }));
        assert_says(&error, &[CONV, name, "f32, f16 or bf16"]);
    }
}

#[test]
fn half_a_weight_normalisation() {
    let normalised = |g: bool, v: bool, plain: bool, shape: &[usize]| {
        let mut tiny = Tiny::new(&settings());
        let values = tiny.values(CONV);
        if !plain {
            tiny.remove(CONV);
        }
        if g {
            let ones = vec![1.0; shape.iter().product()];
            tiny.put(&format!("{CONV}_g"), shape, &ones);
        }
        if v {
            tiny.put(&format!("{CONV}_v"), &[8, 8, 3, 3], &values);
        }
        tiny
    };
    let magnitudes = [8, 1, 1, 1];
    normalised(true, true, false, &magnitudes)
        .open()
        .expect("a whole normalisation");
    let cases = [
        (
            normalised(true, false, false, &magnitudes),
            "weight_g` has no `weight_v`",
        ),
        (
            normalised(false, true, false, &magnitudes),
            "weight_v` has no `weight_g`",
        ),
        (
            normalised(true, true, true, &magnitudes),
            "both plain and normalised",
        ),
        (
            normalised(true, true, false, &[8]),
            "does not have the shape",
        ),
        (
            normalised(true, true, false, &[4, 1, 1, 1]),
            "does not have the shape",
        ),
        (
            normalised(true, true, false, &[8, 8, 1, 1]),
            "does not have the shape",
        ),
    ];
    for (tiny, reason) in cases {
        let error = tiny.problem();
        assert!(matches!(error.problem, ModelProblem::WeightNorm { .. }));
        assert_says(&error, &[CONV, reason, "weight normalisation is a pair"]);
    }
}

#[test]
fn a_direction_of_zeros_is_not_finite() {
    let mut tiny = Tiny::new(&settings());
    let mut v = tiny.values(CONV);
    v[2 * 72..3 * 72].fill(0.0);
    tiny.remove(CONV);
    tiny.put(&format!("{CONV}_g"), &[8, 1, 1, 1], &[1.0; 8]);
    tiny.put(&format!("{CONV}_v"), &[8, 8, 3, 3], &v);
    assert_says(&tiny.problem(), &[CONV, "holds NaN at element 144"]);
}

fn format_error(bytes: Vec<u8>) -> String {
    let error = Weights::from_bytes(bytes, LABEL).expect_err("no file");
    assert!(matches!(error.problem, ModelProblem::Format(_)), "{error}");
    assert_says(&error, &["is not a whole safetensors file"]);
    error.to_string()
}

#[test]
fn bytes_that_are_no_safetensors_file() {
    let whole = Tiny::new(&settings()).bytes();
    for length in [0, 1, 7, 8, 9, 200, whole.len() / 2, whole.len() - 1] {
        format_error(whole[..length].to_vec());
    }
    let mut longer = whole.clone();
    longer.push(0);
    format_error(longer);
    for length in [0, 1, u64::MAX, u64::MAX - 7, 1 << 40, whole.len() as u64] {
        let mut garbage = whole.clone();
        garbage[..8].copy_from_slice(&length.to_le_bytes());
        format_error(garbage);
    }
    format_error(b"this is a text file, not a model\n".to_vec());

    let with_header = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    };
    for header in [
        "[]",
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,4]}}"#,
        r#"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#,
    ] {
        format_error(with_header(header, 4));
    }
    let good = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    Weights::from_bytes(with_header(good, 4), LABEL).expect("a whole file");
}

#[test]
fn random_damage_never_panics() {
    use rand::{RngExt, SeedableRng, rngs::SmallRng};
    let whole = Tiny::new(&settings()).bytes();
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize + 8;
    let mut refused = 0;
    for seed in 0..500 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut bytes = whole.clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..header);
            bytes[at] = rng.random();
        }
        let model = Weights::from_bytes(bytes, LABEL).and_then(Model::from_weights);
        refused += u32::from(model.is_err());
    }
    assert!(refused > 450, "{refused} of 500 refused");
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.safetensors");
    std::fs::write(&empty, b"").unwrap();
    let missing = folder.path().join("missing.safetensors");
    let read = |path: &Path, reason: &str| {
        let error = Model::open(path).unwrap_err();
        assert!(matches!(error.problem, ModelProblem::Read(_)), "{error}");
        let message = error.to_string();
        let start = format!("{}: cannot be read (", path.display());
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains(reason), "{message}");
    };
    read(&empty, "it is empty");
    read(&missing, "os error 2");
    read(folder.path(), "it is a directory");

    let truncated = folder.path().join("truncated.safetensors");
    let whole = Tiny::new(&settings()).bytes();
    std::fs::write(&truncated, &whole[..whole.len() - 4]).unwrap();
    let error = Model::open(&truncated).unwrap_err();
    assert!(matches!(error.problem, ModelProblem::Format(_)), "{error}");
    assert!(error.to_string().contains("truncated.safetensors"));
    std::fs::write(&truncated, &whole).unwrap();
    Model::open(&truncated).expect("the whole file");
}

#[test]
fn a_prefix_that_no_tensor_has() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), Tiny::new(&settings()).bytes()).unwrap();
    let error = Weights::open_with_prefix(file.path(), "model.").unwrap_err();
    assert!(matches!(&error.problem, ModelProblem::Prefix(prefix) if prefix == "model."));
    assert!(error.to_string().contains("`model.`"), "{error}");
}
