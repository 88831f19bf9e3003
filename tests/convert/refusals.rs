//! What is refused, and in which words.

use std::fs;

use srdiff::model::{
    FloatType,
    convert::{ConvertOptions, convert},
};

use crate::files::{
    Folder, checkpoint, golden, golden_checkpoint, golden_options, le_bytes, patch,
};
use crate::pickles::{F64, dict, legacy, state_dict, vector};

fn published() -> Vec<u8> {
    fs::read(golden_checkpoint("srdiff-legacy.ckpt")).unwrap()
}

/// The published form with the first element of a tensor changed.
fn with_first_element(name: &str, value: f32) -> Vec<u8> {
    let golden = golden();
    let mut values = golden.tensor(name).unwrap().values.into_owned();
    let old = le_bytes(&values);
    values[0] = value;
    patch(&published(), &old, &le_bytes(&values))
}

#[track_caller]
fn says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "no `{part}` in: {error}");
    }
    assert!(!error.contains('\n'), "more than one line: {error}");
}

#[test]
fn an_encoder_alone_is_no_model() {
    let bytes = fs::read(golden_checkpoint("rrdb-only-legacy.ckpt")).unwrap();
    let error = Folder::new().error(&bytes, &golden_options());
    says(
        &error,
        &["in.ckpt", "RRDB encoder's pretraining", "denoise_fn"],
    );
}

#[test]
fn a_model_with_group_norms_needs_their_number() {
    let folder = Folder::new();
    let error = folder.error(&published(), &ConvertOptions::default());
    says(&error, &["in.ckpt", "`groups`", "`gn_groups`"]);
    let options = ConvertOptions {
        groups: Some(3),
        ..ConvertOptions::default()
    };
    let error = folder.error(&published(), &options);
    says(&error, &["`groups` 3: ", "does not divide"]);
}

#[test]
fn groups_for_a_model_without_norms_are_refused() {
    let bytes = fs::read(checkpoint("trainer.ckpt")).unwrap();
    let error = Folder::new().error(&bytes, &golden_options());
    says(&error, &["`groups` 4: ", "no group norms"]);
}

#[test]
fn an_unknown_schedule_names_the_option() {
    let betas: Vec<u8> = {
        let line = |i: f64| 2e-4 + i * ((0.03 - 2e-4) / 19.0);
        (3..6).flat_map(|i| line(i as f64).to_le_bytes()).collect()
    };
    let mut bent = betas.clone();
    bent[8..16].copy_from_slice(&0.01f64.to_le_bytes());
    let bytes = patch(
        &fs::read(checkpoint("trainer.ckpt")).unwrap(),
        &betas,
        &bent,
    );
    let folder = Folder::new();
    let error = folder.error(&bytes, &ConvertOptions::default());
    says(&error, &["`betas` (20 of them)", "`schedule`"]);
    let options = ConvertOptions {
        schedule: Some(srdiff::diffusion::BetaSchedule::Cosine { s: 0.008 }),
        ..ConvertOptions::default()
    };
    folder.convert_bytes(&bytes, &options).unwrap();
}

#[test]
fn timesteps_that_betas_contradict_are_refused() {
    let options = ConvertOptions {
        timesteps: Some(50),
        ..golden_options()
    };
    let error = Folder::new().error(&published(), &options);
    says(&error, &["50", "100", "`timesteps`"]);
}

#[test]
fn what_is_no_number_is_refused_by_name() {
    let name = "rrdb.conv_first.weight";
    for value in [f32::NAN, f32::INFINITY] {
        let bytes = with_first_element(name, value);
        let error = Folder::new().error(&bytes, &golden_options());
        says(&error, &["in.ckpt", name, "element 0"]);
    }
}

#[test]
fn what_f16_cannot_hold_is_refused_by_name() {
    let name = "rrdb.conv_first.weight";
    let bytes = with_first_element(name, 1e6);
    let folder = Folder::new();
    let options = ConvertOptions {
        float_type: Some(FloatType::F16),
        ..golden_options()
    };
    says(&folder.error(&bytes, &options), &[name, "1e6", "f16"]);
    folder.convert_bytes(&bytes, &golden_options()).unwrap();
}

/// There is no wider format than f32 to advise.
#[test]
fn what_f32_cannot_hold_is_refused_by_name() {
    let mut items = state_dict(&golden(), |v| v);
    let name = "rrdb.conv_first.bias";
    for (key, item) in &mut items {
        if key == name {
            *item = vector(&[1e299; 8], F64);
        }
    }
    let error = Folder::new().error(&legacy(&dict(items)), &golden_options());
    says(&error, &[name, "1e299", "f32", "damaged"]);
    assert!(!error.contains("wider"), "{error}");
}

#[test]
fn a_missing_and_an_extra_tensor_are_named() {
    // One letter more or less makes a tensor another.
    let name = b"rrdb.trunk_conv.bias";
    let bytes = patch(&published(), name, b"rrdb.trunk_conv.bios");
    let error = Folder::new().error(&bytes, &golden_options());
    says(&error, &["`rrdb.trunk_conv.bios`", "does not belong"]);
    // Under another prefix it is no tensor of the model.
    let bytes = patch(&published(), name, b"ema.trunk_conv.biasX");
    let error = Folder::new().error(&bytes, &golden_options());
    says(&error, &["`rrdb.trunk_conv.bias`", "is missing"]);
}

#[test]
fn other_files_are_refused_for_what_they_are() {
    let folder = Folder::new();
    let options = golden_options();
    let model = fs::read(checkpoint("expected.safetensors")).unwrap();
    // Tensors under several prefixes, which are no model by themselves.
    says(&folder.error(&model, &options), &["in.ckpt: ", "tensor"]);
    let text = b"not a checkpoint at all";
    says(
        &folder.error(text, &options),
        &["is not a PyTorch checkpoint"],
    );
    says(&folder.error(b"", &options), &["it is empty"]);
    says(&folder.error(b"PK\x03\x04", &options), &["zip archive"]);

    let output = folder.path("out");
    let error = convert(folder.0.path(), &output, &options).unwrap_err();
    says(&error.to_string(), &["it is a directory"]);
    let error = convert(&folder.path("absent"), &output, &options).unwrap_err();
    says(
        &error.to_string(),
        &["absent", "cannot be read", "check the path"],
    );
}

#[test]
fn an_existing_output_is_kept_unless_it_is_to_be_overwritten() {
    let folder = Folder::new();
    let input = golden_checkpoint("srdiff-zip.ckpt");
    let output = folder.path("out.safetensors");
    fs::write(&output, "precious").unwrap();
    let error = convert(&input, &output, &golden_options()).unwrap_err();
    says(
        &error.to_string(),
        &["out.safetensors", "exists", "`overwrite`"],
    );
    assert_eq!(fs::read(&output).unwrap(), b"precious");

    // Also with `overwrite`, as long as there is nothing to replace it with.
    let overwrite = ConvertOptions {
        overwrite: true,
        ..ConvertOptions::default()
    };
    convert(&input, &output, &overwrite).unwrap_err();
    assert_eq!(fs::read(&output).unwrap(), b"precious");
    assert_eq!(folder.list(), ["out.safetensors"]);

    let overwrite = ConvertOptions {
        overwrite: true,
        ..golden_options()
    };
    folder.convert(&input, &overwrite).unwrap();
    assert_eq!(folder.list(), ["out.safetensors"]);
}

#[test]
fn an_output_that_cannot_be_is_refused() {
    let folder = Folder::new();
    let options = ConvertOptions {
        overwrite: true,
        ..golden_options()
    };
    let input = folder.path("in.ckpt");
    fs::write(&input, published()).unwrap();

    let again = folder.0.path().join(".").join("in.ckpt");
    let error = convert(&input, &again, &options).unwrap_err();
    says(&error.to_string(), &["the checkpoint itself"]);
    assert_eq!(fs::read(&input).unwrap(), published());

    let error = convert(&input, folder.0.path(), &options).unwrap_err();
    says(
        &error.to_string(),
        &["cannot be written", "it is a directory"],
    );
    let error = convert(&input, &folder.path("no/such/out"), &options).unwrap_err();
    says(
        &error.to_string(),
        &["no/such/out", "there is no such folder"],
    );
    assert_eq!(folder.list(), ["in.ckpt"]);
}

/// Before the input is read, which here is not even there.
#[test]
fn an_output_without_a_place_is_refused_before_any_work() {
    let folder = Folder::new();
    let output = folder.path("no/such/out");
    let error = convert(&folder.path("absent"), &output, &golden_options()).unwrap_err();
    says(&error.to_string(), &["out: ", "there is no such folder"]);
}

/// A replaced file keeps its permissions and its place behind a link.
#[cfg(unix)]
#[test]
fn a_link_is_followed_and_permissions_are_kept() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new();
    let input = golden_checkpoint("srdiff-zip.ckpt");
    let (real, link) = (folder.path("real"), folder.path("out.safetensors"));
    fs::write(&real, "old").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real", &link).unwrap();
    let overwrite = ConvertOptions {
        overwrite: true,
        ..golden_options()
    };
    convert(&input, &link, &overwrite).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::metadata(&real).unwrap().len() > 1000);
    let mode = fs::metadata(&real).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);

    fs::remove_file(&real).unwrap();
    let error = convert(&input, &link, &overwrite).unwrap_err();
    says(&error.to_string(), &["a link that leads nowhere"]);
}

/// Two names of one file are one file.
#[cfg(unix)]
#[test]
fn the_checkpoint_under_another_name_is_not_replaced() {
    let folder = Folder::new();
    let (input, other) = (folder.path("in.ckpt"), folder.path("other.ckpt"));
    fs::write(&input, published()).unwrap();
    fs::hard_link(&input, &other).unwrap();
    let overwrite = ConvertOptions {
        overwrite: true,
        ..golden_options()
    };
    let error = convert(&input, &other, &overwrite).unwrap_err();
    says(&error.to_string(), &["the checkpoint itself"]);
}

#[cfg(unix)]
#[test]
fn the_output_is_readable_like_any_other_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let plain = folder.path("plain");
    fs::write(&plain, "").unwrap();
    let input = golden_checkpoint("srdiff-zip.ckpt");
    folder.convert(&input, &golden_options()).unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(folder.path("out.safetensors")), mode(plain));
}
