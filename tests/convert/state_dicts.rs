//! Checkpoints' tensors in files of other kinds, and with heads of other scales.

use std::fs;

use half::f16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use srdiff::{
    diffusion::BetaSchedule,
    model::{
        Settings,
        convert::{CheckpointForm, ConvertOptions, ScheduleSource},
        expected_tensors,
    },
};

use crate::files::{Folder, compare, expected, golden, golden_checkpoint, golden_options};
use crate::pickles::{Item, dict, legacy, tensor};

type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

fn safetensors_file(tensors: &[Stored]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes);
        (name, view.unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// The tensors of a model under a prefix, in another number format, with a
/// schedule in f64.
fn state_dict(prefix: &str, dtype: Dtype, bytes: fn(f32) -> Vec<u8>) -> Vec<Stored> {
    let weights = expected("trainer.");
    let mut tensors: Vec<Stored> = Vec::new();
    for name in weights.names() {
        let tensor = weights.tensor(name).unwrap();
        let bytes = tensor.values.iter().flat_map(|&v| bytes(v)).collect();
        tensors.push((format!("{prefix}{name}"), dtype, tensor.shape, bytes));
    }
    let schedule = BetaSchedule::Linear {
        start: 1e-4,
        end: 0.02,
    };
    let schedule = srdiff::diffusion::Schedule::new(&schedule, 50).unwrap();
    let betas = schedule.betas().iter().flat_map(|v| v.to_le_bytes());
    let name = format!("{prefix}betas");
    tensors.push((name, Dtype::F64, vec![50], betas.collect()));
    tensors
}

#[test]
fn a_state_dict_as_safetensors_is_read_as_one_in_a_pickle() {
    let folder = Folder::new();
    let convert = |tensors: &[Stored]| {
        let options = ConvertOptions {
            overwrite: true,
            ..ConvertOptions::default()
        };
        folder.convert_bytes(&safetensors_file(tensors), &options)
    };
    let f64s = state_dict("model.module.", Dtype::F64, |v| {
        f64::from(v).to_le_bytes().to_vec()
    });
    let (model, report) = convert(&f64s).unwrap();
    compare(model.weights(), &expected("trainer."), 0.0).unwrap();
    assert_eq!(report.form, CheckpointForm::Safetensors);
    assert_eq!(report.section, "model.module");
    assert_eq!(report.dropped, ["betas"]);
    assert_eq!(report.schedule_source, ScheduleSource::Recognised);
    assert_eq!(report.settings.schedule, BetaSchedule::LINEAR);
    assert_eq!(report.settings.timesteps, 50);

    // Without a number format in the options, they keep theirs.
    let f16s = state_dict("", Dtype::F16, |v| f16::from_f32(v).to_le_bytes().to_vec());
    let (model, _) = convert(&f16s).unwrap();
    compare(model.weights(), &expected("trainer."), 1e-3).unwrap();
    let bytes = fs::read(folder.path("out.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert!(file.iter().all(|(_, tensor)| tensor.dtype() == Dtype::F16));

    let mut others = f16s;
    for (name, ..) in &mut others {
        *name = name.replace("denoise_fn", "generator");
    }
    let error = convert(&others).unwrap_err();
    assert!(error.contains("has no SRDiff model"), "{error}");
}

/// Weight normalisation of PyTorch's newer form, and NaN, which no model has.
#[test]
fn what_a_state_dict_as_safetensors_may_hold() {
    let mut tensors = state_dict("", Dtype::F32, |v| v.to_le_bytes().to_vec());
    let at = tensors
        .iter()
        .position(|(name, ..)| name == "rrdb.conv_first.weight");
    let (name, dtype, shape, bytes) = tensors.remove(at.unwrap());
    let norm = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>().sqrt();
    let values: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    let norms = values.chunks_exact(values.len() / shape[0]).map(norm);
    let norms = norms.flat_map(f32::to_le_bytes).collect();
    let layer = name.strip_suffix("weight").unwrap();
    let original = |n: usize| format!("{layer}parametrizations.weight.original{n}");
    tensors.push((original(0), dtype, vec![shape[0], 1, 1, 1], norms));
    tensors.push((original(1), dtype, shape, bytes));
    let folder = Folder::new();
    let options = ConvertOptions::default();
    let (model, report) = folder
        .convert_bytes(&safetensors_file(&tensors), &options)
        .unwrap();
    compare(model.weights(), &expected("trainer."), 1e-6).unwrap();
    assert_eq!(report.folded, 1);

    let (name, .., bytes) = &mut tensors[0];
    bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let name = name.clone();
    let error = Folder::new().error(&safetensors_file(&tensors), &options);
    assert!(error.contains(&name), "{error}");
}

/// It is no PyTorch checkpoint, but nobody meant it to be one.
#[test]
fn a_damaged_safetensors_file_is_called_so() {
    let folder = Folder::new();
    folder
        .convert(&golden_checkpoint("srdiff-zip.ckpt"), &golden_options())
        .unwrap();
    let whole = fs::read(folder.path("out.safetensors")).unwrap();
    let options = ConvertOptions::default();
    let error = Folder::new().error(&whole[..whole.len() / 2], &options);
    assert!(error.contains("is not a whole safetensors file"), "{error}");

    let input = folder.path("cut.safetensors");
    fs::write(&input, &whole[..5]).unwrap();
    let overwrite = ConvertOptions {
        overwrite: true,
        ..options
    };
    let error = folder.convert(&input, &overwrite).unwrap_err();
    assert!(error.contains("is not a whole safetensors file"), "{error}");

    // A checkpoint is one whatever its name.
    fs::copy(golden_checkpoint("srdiff-legacy.ckpt"), &input).unwrap();
    let options = ConvertOptions {
        overwrite: true,
        ..golden_options()
    };
    let (model, _) = folder.convert(&input, &options).unwrap();
    compare(model.weights(), &golden(), 0.0).unwrap();
}

/// The published code makes two enlarging layers for the encoder's own head at
/// every scale but 8x, where there are three.
#[test]
fn an_encoder_s_head_of_another_scale_is_left_out() {
    for (scale, layers, is_kept) in [(2, 2, false), (4, 2, true), (8, 3, true), (16, 2, false)] {
        let settings = Settings {
            hidden: 4,
            mults: vec![1, 2],
            scale,
            ..expected_settings()
        };
        let mut items: Vec<(String, Item)> = Vec::new();
        for (name, shape) in expected_tensors(&settings) {
            let values: Vec<f32> = (0..shape.iter().product())
                .map(|i: usize| (i as f32 * 0.7).sin())
                .collect();
            if !name.starts_with("rrdb.upconv") {
                items.push((name, tensor(&shape, &values)));
            }
        }
        let channels = settings.rrdb_features;
        for layer in 1..=layers {
            let weight = [channels, channels, 3, 3];
            let zeros = vec![0.0; weight.iter().product()];
            let name = |end| format!("rrdb.upconv{layer}.{end}");
            items.push((name("weight"), tensor(&weight, &zeros)));
            items.push((name("bias"), tensor(&[channels], &zeros[..channels])));
        }
        let folder = Folder::new();
        let options = ConvertOptions::default();
        let converted = folder.convert_bytes(&legacy(&dict(items)), &options);
        let (model, report) = converted.unwrap_or_else(|error| panic!("{scale}x: {error}"));
        assert_eq!(model.settings().scale, scale);
        assert_eq!(model.settings().has_sr_head, is_kept, "{scale}x");
        assert_eq!(report.drops_head, !is_kept, "{scale}x");
        let notes = report.notes();
        let is_noted = notes.iter().any(|note| note.contains("head"));
        assert_eq!(is_noted, !is_kept, "{notes:?}");
    }
}

/// The settings of the model that `trainer.ckpt` holds.
fn expected_settings() -> Settings {
    let folder = Folder::new();
    let input = crate::files::checkpoint("trainer.ckpt");
    let (_, report) = folder.convert(&input, &ConvertOptions::default()).unwrap();
    Settings {
        has_sr_head: true,
        groups: None,
        attention: None,
        up_input: false,
        ..report.settings
    }
}
