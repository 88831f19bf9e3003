//! Model files that cannot be used.

use super::folder::Folder;
use super::support::{adapters, choice_of};
use super::support_models::ModelFile;
use std::fs;

/// Runs with a model file of these bytes, which must be refused.
fn refuses(bytes: &[u8], code: i32, parts: &[&str]) {
    let folder = Folder::new();
    folder.write("bad.safetensors", bytes);
    let args = [
        "upscale",
        "in.png",
        "-d",
        "cpu",
        "-n",
        "1",
        "-m",
        "bad.safetensors",
    ];
    folder.refuses(&args, code, parts);
}

#[test]
fn a_missing_file() {
    let folder = Folder::new();
    let args = ["upscale", "in.png", "--model", "no.safetensors"];
    folder.refuses(&args, 5, &["no.safetensors: ", "cannot be read"]);
}

#[test]
fn truncated_weights() {
    let bytes = ModelFile::of("tiny-x4").to_bytes();
    for length in [0, 4, 100, bytes.len() / 2, bytes.len() - 1] {
        refuses(&bytes[..length], 5, &["bad.safetensors: "]);
    }
}

#[test]
fn corrupted_weights() {
    let mut bytes = ModelFile::of("tiny-x4").to_bytes();
    bytes[8..18].fill(b'#');
    refuses(
        &bytes,
        5,
        &["bad.safetensors: ", "is not a whole safetensors file"],
    );
    refuses(b"PK\x03\x04 not weights at all", 5, &["bad.safetensors: "]);
}

#[test]
fn a_tensor_of_the_wrong_shape() {
    let mut model = ModelFile::of("tiny-x4");
    let name = "denoise_fn.final_conv.0.block.1.bias";
    let (shape, values) = model.tensor(name);
    shape[0] += 1;
    values.push(0.0);
    refuses(
        &model.to_bytes(),
        5,
        &["bad.safetensors: ", name, "[9]", "[8]"],
    );
}

#[test]
fn a_tensor_too_few_and_one_too_many() {
    let mut model = ModelFile::of("tiny-x4");
    let name = "denoise_fn.mid_block1.block1.block.1.weight";
    let tensor = model.tensors.remove(name).unwrap();
    refuses(&model.to_bytes(), 5, &[name, "missing"]);
    model.tensors.insert(name.to_owned(), tensor.clone());
    model.tensors.insert("stowaway.weight".to_owned(), tensor);
    refuses(
        &model.to_bytes(),
        5,
        &["stowaway.weight", "does not belong"],
    );
}

#[test]
fn weights_that_are_not_finite() {
    for value in [f32::NAN, f32::INFINITY] {
        let mut model = ModelFile::of("tiny-x4");
        let name = "rrdb.RRDB_trunk.1.RDB2.conv3.weight";
        model.tensor(name).1[17] = value;
        refuses(&model.to_bytes(), 5, &[name, "element 17"]);
    }
}

/// Names and notes of a file come from anywhere; none may act on a terminal.
#[test]
fn text_of_a_file_does_not_act_on_the_terminal() {
    let evil = "\u{1b}]0;x\u{7}\u{202e}\r\n";
    let harmless = r"\u{1b}]0;x\u{7}\u{202e}\r\n";
    let mut model = ModelFile::of("tiny-x4");
    for key in ["license", "training"] {
        model.metadata.insert(key.to_owned(), evil.to_owned());
    }
    let folder = Folder::new();
    folder.write("noted.safetensors", &model.to_bytes());
    let run = folder.run(&["info", "noted.safetensors"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stdout.matches(harmless).count(), 2, "{run:?}");
    assert!(!run.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']));

    let tensor = model.tensor("rrdb.conv_first.bias").clone();
    model.tensors.insert(evil.to_owned(), tensor);
    refuses(&model.to_bytes(), 5, &[harmless, "does not belong"]);
    model.tensors.remove(evil);
    let config = model.metadata.get_mut("config").unwrap();
    *config = config.replace("cosine", r"\u001b]0;x\u0007");
    refuses(&model.to_bytes(), 5, &["beta_schedule", r"\u{1b}]0;x\u{7}"]);
}

/// Every weight is finite, but the sums are not.
#[test]
fn weights_that_produce_nan() {
    let mut model = ModelFile::of("tiny-x4");
    model.tensor("rrdb.conv_first.weight").1.fill(3e38);
    let parts = ["in.png: ", "produced NaN", "f32", "the model is damaged"];
    refuses_after_work(&model.to_bytes(), &["-d", "cpu"], &parts);
}

/// f16 is too small for this model, f32 is not: the message says what to ask for.
#[test]
fn weights_that_exceed_f16() {
    let mut model = ModelFile::of("tiny-x4");
    model.tensor("rrdb.conv_first.weight").1.fill(1e6);
    for adapter in adapters().iter().filter(|adapter| adapter.f16) {
        let device = choice_of(adapter);
        let options = ["-d", &device, "-p", "f16"];
        let parts = ["in.png: ", "produced NaN", "in f16", "--precision f32"];
        refuses_after_work(&model.to_bytes(), &options, &parts);
    }
}

/// As [`refuses`] with exit code 1, where the device has been named already.
fn refuses_after_work(bytes: &[u8], options: &[&str], parts: &[&str]) {
    let folder = Folder::new();
    folder.write("bad.safetensors", bytes);
    let fast = ["-n", "1", "-m", "bad.safetensors", "--quiet"];
    let args = [&["upscale", "in.png"], &fast[..], options].concat();
    folder.refuses(&args, 1, parts);
}

#[test]
fn settings_that_cannot_be_honoured() {
    let mut model = ModelFile::of("tiny-x4").tamed();
    let config = model.metadata.get_mut("config").unwrap();
    *config = config.replace(r#""clip_input":true"#, r#""clip_input":false"#);
    // Estimates are clamped, so the residual is within bounds by itself.
    let folder = Folder::new();
    folder.write("free.safetensors", &model.to_bytes());
    let args = [
        "upscale",
        "in.png",
        "-d",
        "cpu",
        "-n",
        "1",
        "-q",
        "-m",
        "free.safetensors",
    ];
    assert_eq!(folder.run(&args).code, 0);

    let config = model.metadata.get_mut("config").unwrap();
    *config = config.replace('}', r#", "clip_denoised": false}"#);
    refuses(
        &model.to_bytes(),
        5,
        &["bad.safetensors: ", "clip_input", "clip_denoised"],
    );
    folder.write("bad.safetensors", &model.to_bytes());
    let options = ["-m", "bad.safetensors"];
    for args in [
        &["info", "bad.safetensors"][..],
        &["convert", "bad.safetensors", "out.safetensors"],
        &[&["plan", "8x8", "--json"], &options[..]].concat(),
    ] {
        folder.refuses(args, 5, &["bad.safetensors: ", "clip_input"]);
    }
}

#[test]
fn a_checksum_is_shown_and_verified() {
    let folder = Folder::new();
    let run = folder.run(&["info", "tiny.safetensors"]);
    assert!(run.stdout.contains("no checksum"), "{run:?}");
    let run = folder.run(&["convert", "tiny.safetensors", "new.safetensors"]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = folder.run(&["info", "new.safetensors"]);
    assert!(run.stdout.contains("checksum    sha256:"), "{run:?}");
    let mut bytes = fs::read(folder.path("new.safetensors")).unwrap();
    let place = bytes.len() - 2;
    bytes[place] ^= 1;
    folder.write("new.safetensors", &bytes);
    let damaged = ["new.safetensors: is damaged", "fetch or convert it again"];
    folder.refuses(&["info", "new.safetensors"], 5, &damaged);
    folder.refuses(&["upscale", "in.png", "-m", "new.safetensors"], 5, &damaged);
    folder.refuses(
        &["convert", "new.safetensors", "again.safetensors"],
        5,
        &damaged,
    );
}
