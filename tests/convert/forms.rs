//! Every form of checkpoint gives the weights it was made of.

use std::{
    fs,
    io::{Cursor, Read, Write},
};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use srdiff::{
    diffusion::BetaSchedule,
    model::{
        Attention, FloatType, Weights,
        convert::{CheckpointForm, ConvertOptions, ScheduleSource},
    },
};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::files::{
    Folder, checkpoint, compare, expected, golden, golden_checkpoint, golden_options, patch,
};

const COSINE: BetaSchedule = BetaSchedule::Cosine { s: 0.008 };

#[test]
fn the_published_form_gives_the_golden_weights() {
    let folder = Folder::new();
    let input = golden_checkpoint("srdiff-legacy.ckpt");
    let (model, report) = folder.convert(&input, &golden_options()).unwrap();
    compare(model.weights(), &golden(), 0.0).unwrap();

    assert_eq!(report.form, CheckpointForm::Legacy);
    assert_eq!(report.section, "state_dict/model");
    assert_eq!(report.other_sections, [""; 0]);
    assert_eq!(report.dropped, ["alphas_cumprod", "betas"]);
    assert_eq!(report.folded, 0);
    assert_eq!(report.schedule_source, ScheduleSource::Recognised);
    assert_eq!(report.notes(), [""; 0]);
    assert_eq!(report.tensors, golden().names().count());
    let elements = |name| golden().tensor(name).unwrap().values.len() as u64;
    assert_eq!(
        report.parameters,
        golden().names().map(elements).sum::<u64>()
    );
    let size = fs::metadata(folder.path("out.safetensors")).unwrap().len();
    assert_eq!(report.file_size, size);

    let settings = model.settings();
    assert_eq!(&report.settings, settings);
    assert_eq!((settings.hidden, settings.scale), (8, 4));
    assert_eq!(settings.groups, Some(4));
    assert_eq!((settings.timesteps, &settings.schedule), (100, &COSINE));
    assert_eq!((settings.res_rescale, settings.lr_up_divisor), (2.0, 256.0));
    assert_eq!(model.license(), None);
    let source = model.weights().metadata("source");
    assert_eq!(source, Some("srdiff-legacy.ckpt"));
}

#[test]
fn the_zip_form_gives_the_golden_weights() {
    let folder = Folder::new();
    let input = golden_checkpoint("srdiff-zip.ckpt");
    let (model, report) = folder.convert(&input, &golden_options()).unwrap();
    compare(model.weights(), &golden(), 0.0).unwrap();
    assert_eq!(report.form, CheckpointForm::Zip);
    assert_eq!(report.section, "state_dict/model");
}

#[test]
fn a_deflated_zip_gives_the_golden_weights() {
    let bytes = fs::read(golden_checkpoint("srdiff-zip.ckpt")).unwrap();
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut packed = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).unwrap();
        packed.start_file(&*entry.name().unwrap(), options).unwrap();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        packed.write_all(&data).unwrap();
    }
    let packed = packed.finish().unwrap().into_inner();
    let (model, _) = Folder::new()
        .convert_bytes(&packed, &golden_options())
        .unwrap();
    compare(model.weights(), &golden(), 0.0).unwrap();
}

#[test]
fn flat_names_with_a_prefix_in_f16_give_the_golden_weights_rounded() {
    let folder = Folder::new();
    let input = golden_checkpoint("srdiff-flat-f16.pt");
    let (model, report) = folder.convert(&input, &golden_options()).unwrap();
    compare_rounded(model.weights(), |v| f16::from_f32(v).to_f32());
    assert_eq!(report.section, "model");
    // Its betas are rounded too.
    assert_eq!(report.schedule_source, ScheduleSource::Recognised);
    assert_eq!(report.settings.schedule, COSINE);
}

#[test]
fn weights_are_stored_in_the_format_asked_for() {
    type Round = fn(f32) -> f32;
    let formats: [(FloatType, Dtype, Round); 3] = [
        (FloatType::F32, Dtype::F32, |v| v),
        (FloatType::F16, Dtype::F16, |v| f16::from_f32(v).to_f32()),
        (FloatType::Bf16, Dtype::BF16, |v| bf16::from_f32(v).to_f32()),
    ];
    for (float_type, dtype, round) in formats {
        let folder = Folder::new();
        let options = ConvertOptions {
            float_type: Some(float_type),
            ..golden_options()
        };
        let input = golden_checkpoint("srdiff-legacy.ckpt");
        let (model, _) = folder.convert(&input, &options).unwrap();
        compare_rounded(model.weights(), round);
        let bytes = fs::read(folder.path("out.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert!(file.iter().all(|(_, tensor)| tensor.dtype() == dtype));
    }
}

/// DistributedDataParallel's prefix, weight normalisation, module versions,
/// optimizer state, a NumPy scalar, a linear schedule in f64.
#[test]
fn a_trainer_s_own_checkpoint_is_read() {
    let folder = Folder::new();
    let input = checkpoint("trainer.ckpt");
    let (model, report) = folder.convert(&input, &ConvertOptions::default()).unwrap();
    // PyTorch computes the norm in f32.
    compare(model.weights(), &expected("trainer."), 1e-6).unwrap();
    assert_eq!(report.section, "state_dict/model/module");
    assert_eq!(report.folded, 33);
    assert_eq!(report.dropped, ["betas", "posterior_mean_coef1"]);
    assert_eq!(report.schedule_source, ScheduleSource::Recognised);
    assert_eq!(model.settings().timesteps, 20);
    let linear = BetaSchedule::Linear {
        start: 2e-4,
        end: 0.03,
    };
    assert_eq!(model.settings().schedule, linear);
}

/// Transposed and shifted views of one storage, parameters, f64 and bf16, the
/// newer weight normalisation, attention; averaged weights beside others,
/// storages of every kind, no schedule.
#[test]
fn views_and_averaged_weights_are_read() {
    let folder = Folder::new();
    let input = checkpoint("views.pt");
    let (model, report) = folder.convert(&input, &ConvertOptions::default()).unwrap();
    compare(model.weights(), &expected("views."), 1e-6).unwrap();
    assert_eq!(report.section, "ema");
    assert_eq!(report.other_sections, ["model"]);
    assert_eq!(report.dropped, [""; 0]);
    assert_eq!(report.schedule_source, ScheduleSource::Assumed);
    let settings = model.settings();
    assert_eq!((settings.timesteps, &settings.schedule), (100, &COSINE));
    let heads = |heads, head_dim| Some(Attention { heads, head_dim });
    assert_eq!(settings.attention, heads(4, 4));
    assert!(settings.up_input);
    let [schedule, attention, sections] = &report.notes()[..] else {
        panic!("{:?}", report.notes());
    };
    assert!(schedule.contains("no `betas`") && schedule.contains("`schedule`"));
    assert!(attention.contains("4 heads") && attention.contains("`attention_heads`"));
    assert!(sections.contains("`ema` was taken") && sections.contains("`model`"));

    let options = ConvertOptions {
        attention_heads: Some(2),
        overwrite: true,
        ..ConvertOptions::default()
    };
    let (model, report) = folder.convert(&input, &options).unwrap();
    assert_eq!(model.settings().attention, heads(2, 8));
    assert_eq!(report.notes().len(), 2);
}

#[test]
fn options_reach_the_model_file() {
    let folder = Folder::new();
    let options = ConvertOptions {
        res_rescale: Some(1.5),
        lr_up_divisor: Some(255.0),
        license: Some("CC-BY-4.0".to_owned()),
        training: Some("a few steps".to_owned()),
        source: Some("somewhere".to_owned()),
        schedule: Some(BetaSchedule::Cosine { s: 0.01 }),
        timesteps: Some(100),
        ..golden_options()
    };
    let input = golden_checkpoint("srdiff-legacy.ckpt");
    let (model, report) = folder.convert(&input, &options).unwrap();
    let settings = model.settings();
    assert_eq!((settings.res_rescale, settings.lr_up_divisor), (1.5, 255.0));
    assert_eq!(settings.schedule, BetaSchedule::Cosine { s: 0.01 });
    assert_eq!(model.license(), Some("CC-BY-4.0"));
    assert_eq!(model.training(), Some("a few steps"));
    assert_eq!(model.weights().metadata("source"), Some("somewhere"));
    assert_eq!(report.schedule_source, ScheduleSource::GivenAgainstBetas);
    assert!(report.notes()[0].contains("`betas`"));
}

#[test]
fn one_checkpoint_always_gives_one_file() {
    let folder = Folder::new();
    let options = ConvertOptions {
        license: Some("MIT".to_owned()),
        training: Some("none".to_owned()),
        overwrite: true,
        ..golden_options()
    };
    let convert = || {
        let input = golden_checkpoint("srdiff-zip.ckpt");
        folder.convert(&input, &options).unwrap();
        fs::read(folder.path("out.safetensors")).unwrap()
    };
    let first = convert();
    for _ in 0..8 {
        assert!(convert() == first, "another file the second time");
    }
}

#[test]
fn the_comparison_sees_one_changed_element() {
    let folder = Folder::new();
    let input = golden_checkpoint("srdiff-legacy.ckpt");
    folder.convert(&input, &golden_options()).unwrap();
    let bytes = fs::read(folder.path("out.safetensors")).unwrap();
    // Without a checksum, or the file would not open.
    let mut bytes = patch(&bytes, b"\"checksum\"", b"\"unstated\"");
    let last = bytes.len() - 4;
    bytes[last] ^= 1;
    let changed = Weights::from_bytes(bytes, "changed").unwrap();
    compare(&changed, &golden(), 0.0).unwrap_err();
}

#[track_caller]
fn compare_rounded(found: &Weights, round: impl Fn(f32) -> f32) {
    let golden = golden();
    assert!(found.names().eq(golden.names()));
    for name in golden.names() {
        let (found, golden) = (found.tensor(name).unwrap(), golden.tensor(name).unwrap());
        assert_eq!(found.shape, golden.shape, "{name}");
        for (i, (&f, &g)) in found.values.iter().zip(&*golden.values).enumerate() {
            assert_eq!(f.to_bits(), round(g).to_bits(), "{name}[{i}]: {f} for {g}");
        }
    }
}
