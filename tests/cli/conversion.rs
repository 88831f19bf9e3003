//! `srdiff convert` and `srdiff info`.

use super::folder::Folder;
use super::options::check_names;
use std::fs;
use std::path::Path;

/// A folder that holds a checkpoint under its own name.
fn with_checkpoint(name: &str) -> Folder {
    let folder = Folder::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints");
    folder.write(name, &fs::read(fixtures.join(name)).unwrap());
    folder
}

#[test]
fn a_checkpoint_becomes_a_model_that_runs() {
    for name in [
        "srdiff-legacy.ckpt",
        "srdiff-zip.ckpt",
        "srdiff-flat-f16.pt",
    ] {
        let folder = with_checkpoint(name);
        let options = ["--groups", "4", "--license", "CC0-1.0"];
        let run = folder.run(&[&["convert", name, "model.safetensors"], &options[..]].concat());
        assert_eq!(run.code, 0, "{name}: {run:?}");
        assert!(run.stdout.starts_with("model.safetensors: "), "{run:?}");
        let info = folder.run(&["info", "model.safetensors"]);
        assert_eq!(info.code, 0, "{name}: {info:?}");
        let source = format!("source      {name}\n");
        for part in [
            &source,
            "residual    times 2\n",
            "model.safetensors\n",
            "group norm of 4",
            "timesteps",
            "CC0-1.0",
        ] {
            assert!(info.stdout.contains(part), "no {part}: {info:?}");
        }
        let run = folder.run(&[
            "upscale",
            "in.png",
            "-m",
            "model.safetensors",
            "-d",
            "cpu",
            "-n",
            "1",
            "-o",
            "out.png",
            // Its weights are random.
            "--allow-mismatch",
        ]);
        assert_eq!(run.code, 0, "{name}: {run:?}");
    }
}

#[test]
fn conversions_that_are_refused() {
    let folder = with_checkpoint("srdiff-zip.ckpt");
    let refuses = |args: &[&str], code, parts: &[&str]| {
        folder.refuses(&[&["convert"], args].concat(), code, parts);
    };
    let given = ["srdiff-zip.ckpt", "out.safetensors"];
    refuses(&given, 2, &["srdiff-zip.ckpt: ", "--groups"]);
    refuses(
        &["no.ckpt", "out.safetensors"],
        5,
        &["no.ckpt: ", "cannot be read"],
    );
    refuses(&["in.png", "out.safetensors"], 5, &["in.png: ", "PyTorch"]);
    let groups = ["--groups", "4"];
    let existing = ["srdiff-zip.ckpt", "tiny.safetensors"];
    refuses(
        &[existing, groups].concat(),
        4,
        &["tiny.safetensors: ", "--force"],
    );
    let itself = ["srdiff-zip.ckpt", "srdiff-zip.ckpt"];
    refuses(
        &[&itself, &groups[..], &["--force"]].concat(),
        4,
        &["srdiff-zip.ckpt: ", "itself"],
    );
    let nowhere = ["srdiff-zip.ckpt", "no/out.safetensors"];
    refuses(&[nowhere, groups].concat(), 4, &["no/out.safetensors: "]);
    let bytes = fs::read(folder.path("srdiff-zip.ckpt")).unwrap();
    folder.write("half.ckpt", &bytes[..bytes.len() / 2]);
    refuses(
        &["half.ckpt", "out.safetensors", "--groups", "4"],
        5,
        &["half.ckpt: "],
    );
}

/// What is wrong with an option is not blamed on the checkpoint.
#[test]
fn options_that_cannot_be() {
    let folder = with_checkpoint("srdiff-zip.ckpt");
    for (options, named) in [
        (&["--timesteps", "0"][..], "--timesteps 0: "),
        (&["--timesteps", "5000"], "--timesteps 5000: "),
        (&["--schedule", "cosine:nan"], "--schedule cosine:NaN: "),
        (&["--schedule", "linear:2:3"], "--schedule linear:2:3: "),
        (&["--groups", "0"], "--groups 0: "),
        (&["--groups", "7"], "--groups 7: "),
        (&["--attention-heads", "0"], "--attention-heads 0: "),
        (&["--res-rescale=-1"], "--res-rescale -1.0: "),
        (&["--lr-up-divisor", "1e39"], "--lr-up-divisor 1e39: "),
    ] {
        let mut args = vec!["convert", "srdiff-zip.ckpt", "out.safetensors"];
        args.extend(options);
        if options[0] != "--groups" {
            args.extend(["--groups", "4"]);
        }
        let start = format!("error: {named}");
        folder.refuses(&args, 2, &[&start]);
    }
}

/// Notes name the command's options, too.
#[test]
fn what_was_assumed_is_noted() {
    let folder = Folder::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoints");
    folder.write("views.pt", &fs::read(data.join("views.pt")).unwrap());
    let run = folder.run(&["convert", "views.pt", "out.safetensors"]);
    assert_eq!(run.code, 0, "{run:?}");
    for part in [
        "was assumed; --schedule and --timesteps say otherwise\n",
        "were assumed; --attention-heads says otherwise\n",
    ] {
        assert!(run.stderr.contains(part), "no {part}: {run:?}");
    }
    check_names("convert", &run.stderr);
}

#[test]
fn texts_that_are_empty_are_not_listed() {
    let folder = with_checkpoint("srdiff-zip.ckpt");
    let args = ["convert", "srdiff-zip.ckpt", "model.safetensors"];
    let options = ["--groups", "4", "--license", "", "--training", ""];
    let run = folder.run(&[&args[..], &options].concat());
    assert_eq!(run.code, 0, "{run:?}");
    let info = folder.run(&["info", "model.safetensors"]).stdout;
    assert!(info.contains("source"), "{info}");
    assert!(
        !info.contains("licence") && !info.contains("training"),
        "{info}"
    );
}

#[test]
fn the_built_in_model_is_described() {
    let run = Folder::new().run(&["info"]);
    assert_eq!(run.code, 0, "{run:?}");
    for part in ["built-in", "scale       4x", "100 timesteps", "licence"] {
        assert!(run.stdout.contains(part), "no {part}: {run:?}");
    }
    Folder::new().refuses(&["info", "in.png"], 5, &["in.png: "]);
}
