//! `train`: from photos to a model file.

use super::folder::{Folder, Run};
use srdiff::model::{Model, Weights};
use std::fs;
use std::path::Path;

/// A folder with `photos`.
pub fn with_photos() -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.path("photos")).unwrap();
    folder.draw("photos/a.png", 40, 32);
    folder.draw("photos/b.png", 32, 48);
    folder
}

/// A small new model on the CPU.
const NEW: [(&str, &str); 10] = [
    ("-o", "new.safetensors"),
    ("--new", ""),
    ("--hidden", "8"),
    ("--mults", "1,2"),
    ("--features", "8"),
    ("--blocks", "2"),
    ("--patch", "32"),
    ("--batch", "2"),
    ("--device", "cpu"),
    ("--log", "1"),
];

/// The arguments of [`NEW`] and more, of which those of the same name take their
/// places.
pub fn arguments<'a>(more: &[(&'a str, &'a str)]) -> Vec<&'a str> {
    let mut options = NEW.to_vec();
    for &(name, value) in more {
        match options.iter().position(|(known, _)| *known == name) {
            Some(at) => options[at].1 = value,
            None => options.push((name, value)),
        }
    }
    let words = options.into_iter().flat_map(|(name, value)| [name, value]);
    let words = words.filter(|word| !word.is_empty());
    ["train", "photos"].into_iter().chain(words).collect()
}

/// Trains the model of [`NEW`] for a step or more.
pub fn trained(folder: &Folder, more: &[(&str, &str)]) -> Run {
    let run = folder.run(&arguments(more));
    assert_eq!(run.code, 0, "{more:?}: {run:?}");
    run
}

/// Trains until step 2 is told, then has a shell send signals to `$1`; the exit code
/// and what was said.
#[cfg(unix)]
pub fn stopped(
    folder: &Folder,
    start: &str,
    args: &[&str],
    signals: &str,
) -> (Option<i32>, String) {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    let script = format!("{start} exec \"$0\" \"$@\"");
    let mut child = Command::new("sh")
        .current_dir(folder.path(""))
        .args(["-c", &script, env!("CARGO_BIN_EXE_srdiff")])
        .args(args)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("step 2,") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended early");
    }
    let id = child.id().to_string();
    let kill = Command::new("sh").args(["-c", signals, "", &id]).status();
    assert!(kill.unwrap().success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    (child.wait().unwrap().code(), rest)
}

#[test]
fn a_model_is_made_that_upscales() {
    let folder = with_photos();
    folder.draw("in.png", 8, 8);
    folder.write("photos/c.jpg", b"no image");
    let options = [("--steps", "3"), ("--seed", "5"), ("--float-type", "f16")];
    let run = trained(&folder, &options);
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    assert!(
        run.stdout.starts_with("new.safetensors: 3 steps in "),
        "{run:?}"
    );
    for part in [
        "note: photos/c.jpg: skipped: is not an image",
        "2 images, ",
        "seed 5",
        "step 3, denoiser ",
    ] {
        assert!(run.stderr.contains(part), "no {part}: {run:?}");
    }
    let model = Model::open(folder.path("new.safetensors")).unwrap();
    let training = model.training().unwrap();
    for part in [
        "2 images of photos",
        "joint, 3 steps of 2 patches of 32x32",
        "loss of",
    ] {
        assert!(training.contains(part), "no {part}: {training}");
    }
    assert!(folder.path("new.checkpoint").is_file());
    // The next stage, on a model that was trained before; its licence is kept.
    let next = [
        "train",
        "photos",
        "-o",
        "next.safetensors",
        "-m",
        "new.safetensors",
    ];
    let next = [
        &next[..],
        &["--patch=32", "-b1", "-n1", "-d=cpu", "--license", "CC0-1.0"],
    ];
    let run = folder.run(&next.concat());
    assert_eq!(run.code, 0, "{run:?}");
    let model = Model::open(folder.path("next.safetensors")).unwrap();
    assert_eq!(model.license(), Some("CC0-1.0"));
    assert!(model.training().unwrap().starts_with(training));
    assert!(model.training().unwrap().contains("; then srdiff"));
    let upscale = ["upscale", "in.png", "-m", "next.safetensors", "-d", "cpu"];
    let run = folder.run(&[&upscale[..], &["--allow-mismatch", "-n2"]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(folder.load("in_x4.png").width(), 32);
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let folder = with_photos();
    folder.draw("photos/in.png", 40, 40);
    let refuses = |more: &[(&str, &str)], code, parts: &[&str]| {
        let steps = [("--steps", "2")];
        folder.refuses(&arguments(&[&steps[..], more].concat()), code, parts);
    };
    for (name, value, code, parts) in [
        ("--patch", "34", 2, &["--patch 34", "multiple of 4"][..]),
        ("--patch", "0", 2, &["--patch 0"]),
        ("--hidden", "10", 2, &["--hidden 10"]),
        ("--mults", "2,2", 2, &["--mults [2, 2]"]),
        ("--scale", "3", 2, &["--scale 3"]),
        ("--patch", "64", 3, &["none of 3 images", "64x64"]),
        ("--validate", "none", 3, &["error: none: there is no such"]),
        (
            "--resume",
            "",
            3,
            &["new.checkpoint: there is no", "--resume"],
        ),
        ("--checkpoint", "new.safetensors", 2, &["--checkpoint new"]),
        ("-o", "photos", 4, &["photos: "]),
        ("-o", "none/new.safetensors", 4, &["none"]),
        ("--device", "nonsense", 7, &["nonsense"]),
    ] {
        refuses(&[(name, value)], code, parts);
    }
    let nowhere = ["train", "none", "-o", "x.safetensors", "-n1", "-d=cpu"];
    folder.refuses(&nowhere, 3, &["none: there is no such file or folder"]);
    // clap's own: an end is needed, a size is of a new model, ranges are ranges.
    for wrong in [
        &[][..],
        &["-n1", "--hidden", "8"],
        &["-n1", "--jpeg", "90..30"],
        &["-n1", "--average", "1"],
        &["-n1", "--batch", "13"],
        &["--minutes", "0"],
    ] {
        let args = [&["train", "photos", "-o", "x.safetensors"], wrong].concat();
        let run = folder.unchanged(|| folder.run(&args));
        assert_eq!(run.code, 2, "{wrong:?}: {run:?}");
    }
}

#[test]
fn what_is_there_is_not_overwritten() {
    let folder = with_photos();
    let options = [("--steps", "1")];
    trained(&folder, &options);
    let refuses = |parts: &[&str]| folder.refuses(&arguments(&options), 4, parts);
    refuses(&["new.safetensors: exists already"]);
    fs::remove_file(folder.path("new.safetensors")).unwrap();
    refuses(&["new.checkpoint: is there already", "--resume", "--force"]);
    trained(&folder, &[("--steps", "1"), ("--force", "")]);
}

fn tensors(folder: &Folder, name: &str) -> Vec<Vec<f32>> {
    let weights = Weights::open(folder.path(name)).unwrap();
    let tensor = |name| weights.tensor(name).unwrap().values.into_owned();
    weights.names().map(tensor).collect()
}

#[test]
fn a_training_goes_on_to_the_same_model() {
    let folder = with_photos();
    let constant = ("--decay", "constant");
    trained(&folder, &[constant, ("--seed", "3"), ("--steps", "4")]);
    let whole = tensors(&folder, "new.safetensors");
    let half = [constant, ("--seed", "3"), ("--steps", "2"), ("--force", "")];
    trained(&folder, &half);
    // The seed is known from the checkpoint.
    let rest = [constant, ("--steps", "4"), ("--resume", "")];
    let run = trained(&folder, &rest);
    let told = "seed 3; going on after step 2";
    assert!(run.stderr.contains(told), "{run:?}");
    assert!(tensors(&folder, "new.safetensors") == whole);
    // Other batches or another model would be another training.
    for (name, value, part) in [
        ("--batch", "1", "was made with --batch 2, not 1"),
        ("--seed", "4", "--seed 3, not 4"),
        ("--stage", "encoder", "--stage joint, not encoder"),
        ("--jpeg", "30..90", "--jpeg off, not 30..90"),
        ("--full-size", "", "made with no --full-size"),
        ("--loss", "l2", "made with --loss l1, not l2"),
        ("--blocks", "3", "a model of other sizes"),
    ] {
        let args = [&rest[..], &[(name, value)]].concat();
        folder.refuses(&arguments(&args), 2, &["new.checkpoint: ", part]);
    }
}

#[test]
fn a_damaged_checkpoint_is_not_gone_on_from() {
    let folder = with_photos();
    trained(&folder, &[("--steps", "1")]);
    let whole = fs::read(folder.path("new.checkpoint")).unwrap();
    let model = fs::read(folder.path("new.safetensors")).unwrap();
    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let key = whole.windows(10).position(|part| part == b"\"checksum\"");
    let mut unnamed = whole.clone();
    unnamed[key.unwrap() + 1] = b'k';
    for (bytes, parts) in [
        (&flipped[..], ["is damaged; ", "or begin anew"]),
        (&unnamed[..], ["is damaged; ", "or begin anew"]),
        (&whole[..last], ["is no whole checkpoint", "or begin anew"]),
        (&[][..], ["cannot be read (it is empty)", "give the file"]),
        (&model[..], ["is not a checkpoint", "give the file"]),
    ] {
        folder.write("new.checkpoint", bytes);
        let resumed = arguments(&[("--steps", "2"), ("--resume", "")]);
        let parts = [&["error: new.checkpoint: "], &parts[..]].concat();
        folder.refuses(&resumed, 5, &parts);
    }
    folder.write("new.checkpoint", &whole);
    trained(&folder, &[("--steps", "2"), ("--resume", "")]);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_after_the_step_and_it_goes_on() {
    let folder = with_photos();
    let endless = arguments(&[("--steps", "100000"), ("--force", "")]);
    for (signal, code) in [("kill -INT $1", 130), ("kill -TERM $1", 143)] {
        let (ended, rest) = stopped(&folder, "", &endless, signal);
        assert_eq!(ended, Some(code), "{rest}");
        let told = rest.lines().last().unwrap();
        let step = told
            .strip_prefix("error: stopped after step ")
            .and_then(|rest| rest.strip_suffix("; --resume goes on"));
        let step: u64 = step.and_then(|step| step.parse().ok()).expect(told);
        assert!(step >= 2, "{told}");
        let more = (step + 1).to_string();
        let run = trained(&folder, &[("--steps", &more), ("--resume", "")]);
        assert!(
            run.stderr.contains(&format!("going on after step {step}")),
            "{run:?}"
        );
    }
}

#[test]
fn lines_of_json_events_and_measurements_tell_how_it_goes() {
    let folder = with_photos();
    fs::create_dir(folder.path("held")).unwrap();
    folder.draw("held/x.png", 40, 40);
    folder.write("held/y.png", b"no image");
    let options = [
        ("--steps", "3"),
        ("--every", "2"),
        ("--json", ""),
        ("--validate", "held"),
        ("--events", "curves"),
    ];
    let run = trained(&folder, &options);
    let lines: Vec<serde_json::Value> = (run.stdout.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let steps: Vec<u64> = (lines.iter())
        .filter(|line| line["event"].is_null())
        .map(|line| line["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [1, 2, 3]);
    let last = lines.iter().rfind(|line| line["event"].is_null()).unwrap();
    for key in [
        "loss_denoiser",
        "loss_encoder",
        "norm",
        "rate",
        "images_per_second",
        "waiting",
    ] {
        assert!(last[key].is_number(), "{key}: {last}");
    }
    let measured: Vec<&serde_json::Value> = (lines.iter())
        .filter(|line| line["event"] == "validation")
        .collect();
    assert_eq!(measured.len(), 2, "{run:?}");
    assert!(
        measured
            .iter()
            .all(|line| line["psnr_y"].as_f64() > Some(3.0))
    );
    assert!(run.stderr.contains("note: held/y.png: skipped"), "{run:?}");
    // LR, bicubic, result and HR, with white around.
    let shown = folder.load("new.validation.png");
    assert_eq!((shown.width(), shown.height()), (4 * 48 + 8, 56));
    let model = Model::open(folder.path("new.safetensors")).unwrap();
    assert!(model.training().unwrap().contains("on 1 images of held"));
    let events = fs::read_dir(folder.path("curves")).unwrap().next();
    let events = fs::read(events.unwrap().unwrap().path()).unwrap();
    for name in ["loss/encoder", "learning rate", "validation/psnr_y", "IHDR"] {
        let found = events
            .windows(name.len())
            .any(|part| part == name.as_bytes());
        assert!(found, "{name}");
    }
}

/// What a model is measured with is not learnt from, nor is the image that shows it.
#[test]
fn a_folder_to_measure_with_may_lie_among_the_photos() {
    let folder = with_photos();
    fs::create_dir(folder.path("photos/held")).unwrap();
    folder.draw("photos/held/x.png", 40, 40);
    let options = [
        ("-o", "photos/new.safetensors"),
        ("--validate", "photos/held"),
        ("--seed", "1"),
    ];
    let run = trained(&folder, &[&options[..], &[("--steps", "1")]].concat());
    assert!(run.stderr.contains("2 images, "), "{run:?}");
    assert!(run.stderr.contains("note: 1 of the photos"), "{run:?}");
    assert!(folder.path("photos/new.validation.png").is_file());
    let more = [("--steps", "2"), ("--resume", "")];
    trained(&folder, &[&options[..], &more].concat());
    let all = [("--validate", "."), ("--steps", "1")];
    folder.refuses(&arguments(&all), 2, &["--validate .: holds all"]);
}

#[test]
fn no_photo_is_replaced() {
    let folder = with_photos();
    fs::create_dir(folder.path("held")).unwrap();
    folder.draw("held/x.png", 40, 40);
    for (option, photo) in [
        ("-o", "photos/a.png"),
        ("--checkpoint", "photos/../photos/b.png"),
        ("-o", "held/x.png"),
    ] {
        let before = fs::read(folder.path(photo)).unwrap();
        let options = [
            (option, photo),
            ("--steps", "1"),
            ("--validate", "held"),
            ("--force", ""),
        ];
        folder.refuses(&arguments(&options), 4, &[photo]);
        assert!(fs::read(folder.path(photo)).unwrap() == before, "{photo}");
    }
    let same = [("--checkpoint", "./new.safetensors"), ("--steps", "1")];
    folder.refuses(&arguments(&same), 2, &["is the model file, too"]);
}

#[test]
fn a_training_that_diverges_spoils_nothing() {
    let folder = with_photos();
    let options = [("--rate", "1e30"), ("--seed", "1")];
    let args = arguments(&[&options[..], &[("--steps", "99")]].concat());
    let run = folder.run(&args);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("were not finite"), "{run:?}");
    assert!(!folder.path("new.safetensors").exists(), "{run:?}");
    assert!(!folder.path("new.checkpoint").exists(), "{run:?}");
}

/// What cannot be measured or shown does not end a training.
#[test]
fn a_training_outlives_its_pictures() {
    let folder = with_photos();
    fs::create_dir(folder.path("held")).unwrap();
    folder.draw("held/x.png", 40, 40);
    fs::create_dir(folder.path("new.validation.png")).unwrap();
    let run = trained(&folder, &[("--steps", "2"), ("--validate", "held")]);
    assert!(
        run.stderr
            .contains("note: not measured: new.validation.png"),
        "{run:?}"
    );
    assert!(Path::is_file(&folder.path("new.safetensors")));
}
