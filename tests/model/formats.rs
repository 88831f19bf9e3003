//! Number formats, weight normalisation and the attention's gate.

use super::tiny::{LABEL, Tiny, all_options, settings};
use half::{bf16, f16};
use safetensors::Dtype;
use srdiff::graph::{Parameters, Shape};
use srdiff::model::Weights;
use std::borrow::Cow;
use std::path::Path;

const NAME: &str = "rrdb.conv_first.weight";

/// Zero, subnormals, values that round, the largest of f16.
const VALUES: [f32; 8] = [0.0, -0.0, 1.0, -1.5, 0.1, 6e-8, 3.000_1, 65504.0];

fn values() -> Vec<f32> {
    VALUES.iter().copied().cycle().take(4 * 3 * 9).collect()
}

#[test]
fn every_format_is_read_as_f32() {
    let shape = [4, 3, 3, 3];
    let f16s: Vec<f16> = values().iter().map(|&v| f16::from_f32(v)).collect();
    let bf16s: Vec<bf16> = values().iter().map(|&v| bf16::from_f32(v)).collect();
    let cases: [(Dtype, Vec<u8>, Vec<f32>); 3] = [
        (
            Dtype::F32,
            values().iter().flat_map(|v| v.to_le_bytes()).collect(),
            values(),
        ),
        (
            Dtype::F16,
            f16s.iter().flat_map(|v| v.to_le_bytes()).collect(),
            f16s.iter().map(|v| v.to_f32()).collect(),
        ),
        (
            Dtype::BF16,
            bf16s.iter().flat_map(|v| v.to_le_bytes()).collect(),
            bf16s.iter().map(|v| v.to_f32()).collect(),
        ),
    ];
    for (dtype, bytes, expected) in cases {
        let mut tiny = Tiny::new(&settings());
        tiny.put_bytes(NAME, dtype, &shape, bytes);
        let model = tiny.open().expect("a whole model");
        let tensor = model.weights().tensor(NAME).unwrap();
        assert_eq!(tensor.shape, shape);
        let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|v| v.to_bits()).collect() };
        assert_eq!(bits(&tensor.values), bits(&expected), "{dtype:?}");
    }
    assert_ne!(f16s[4].to_f32(), bf16s[4].to_f32(), "the formats differ");
}

/// What the file holds as f32 at whole multiples of 4 bytes, and every writer
/// puts it there, is used where it is mapped.
#[test]
fn f32_tensors_are_borrowed_from_the_map() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-x4.safetensors");
    let weights = Weights::open_with_prefix(path, "weights.").unwrap();
    for name in weights.names() {
        let values = weights.tensor(name).unwrap().values;
        assert!(matches!(values, Cow::Borrowed(_)), "{name} was copied");
    }
    assert!(weights.names().count() > 50);
}

#[test]
fn a_tensor_at_an_odd_place_in_the_file_is_read_too() {
    // One f16 before it moves the f32 tensor off its alignment.
    let mut tiny = Tiny::new(&settings());
    let plain = tiny
        .open()
        .unwrap()
        .weights()
        .tensor(NAME)
        .unwrap()
        .values
        .into_owned();
    let gate = f16::from_f32(0.5).to_le_bytes().to_vec();
    for name in tiny.tensors.keys().cloned().collect::<Vec<_>>() {
        if name != NAME {
            let count: usize = tiny.shape(&name).iter().product();
            let bytes = gate.repeat(count);
            tiny.put_bytes(&name, Dtype::F16, &tiny.shape(&name), bytes);
        }
    }
    let model = tiny.open().unwrap();
    assert_eq!(*model.weights().tensor(NAME).unwrap().values, plain);
}

#[test]
fn weight_norm_is_g_v_over_the_norm_of_v() {
    let name = "denoise_fn.downs.0.0.block1.block.1.weight";
    let mut tiny = Tiny::new(&settings());
    let (shape, v) = (tiny.shape(name), tiny.values(name));
    tiny.remove(name);
    let g: Vec<f32> = (0..shape[0]).map(|o| 0.5 + o as f32).collect();
    tiny.put(&format!("{name}_g"), &[shape[0], 1, 1, 1], &g);
    tiny.put(&format!("{name}_v"), &shape, &v);
    let model = tiny.open().expect("a whole model");
    let folded = model.weights().tensor(name).unwrap();
    assert_eq!(folded.shape, shape);
    assert_eq!(model.weights().shape(name), Some(shape.as_slice()));
    let slice = v.len() / g.len();
    for (index, &found) in folded.values.iter().enumerate() {
        let row = &v[index / slice * slice..][..slice];
        let norm = row
            .iter()
            .map(|&v| f64::from(v).powi(2))
            .sum::<f64>()
            .sqrt();
        let expected = f64::from(g[index / slice]) * f64::from(v[index]) / norm;
        let error = (f64::from(found) - expected).abs();
        assert!(error <= f64::from(f32::EPSILON) * expected.abs());
        let unscaled = f64::from(v[index]) / norm;
        if unscaled.abs() > 1e-3 && index / slice != 0 {
            assert!((f64::from(found) - unscaled).abs() > 1e-4, "g is applied");
        }
    }
}

#[test]
fn the_attention_gate_is_folded_into_its_output() {
    let tiny = Tiny::new(&all_options());
    let name = |part: &str| format!("denoise_fn.mid_attn.fn.fn.to_out.{part}");
    let gate = 0.75;
    let mut gated = tiny.clone();
    gated.put("denoise_fn.mid_attn.fn.g", &[1], &[gate]);
    let model = gated.open().expect("a whole model");
    for part in ["weight", "bias"].map(name) {
        let scaled: Vec<f32> = tiny.values(&part).iter().map(|v| v * gate).collect();
        let elements = Shape::vector(scaled.len());
        assert_eq!(*model.parameter(&part, elements).unwrap(), scaled);
        let more = Shape::vector(scaled.len() + 1);
        let error = model.parameter(&part, more).unwrap_err().to_string();
        assert!(
            error.contains(&part) && error.contains("has shape"),
            "{error}"
        );
    }

    let plain = Weights::from_bytes(Tiny::new(&settings()).bytes(), LABEL).unwrap();
    let error = plain.parameter(&name("weight"), Shape::vector(1));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("denoise_fn.mid_attn.fn.g"), "{error}");
}

#[test]
fn an_unknown_tensor_is_named() {
    let model = Tiny::new(&settings()).open().unwrap();
    let error = model.weights().tensor("nothing").unwrap_err().to_string();
    assert!(
        error.starts_with("tiny.safetensors: tensor `nothing` is missing"),
        "{error}"
    );
    assert_eq!(model.weights().shape("nothing"), None);
}
