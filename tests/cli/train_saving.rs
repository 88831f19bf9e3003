//! `train`: what it saves, what it replaces, and what it measures.

use super::folder::Folder;
use super::train::{arguments, trained, with_photos};
use srdiff::model::Model;
use std::fs;

/// What the model file says of its training.
fn training(folder: &Folder, model: &str) -> String {
    let model = Model::open(folder.path(model)).unwrap();
    model.training().unwrap().to_owned()
}

/// Photos, and `held/x.png`.
fn with_held() -> Folder {
    let folder = with_photos();
    fs::create_dir(folder.path("held")).unwrap();
    folder.draw("held/x.png", 40, 40);
    folder
}

/// However often it saves and measures.
#[test]
fn a_training_that_diverges_later_leaves_what_was_good() {
    let folder = with_held();
    trained(&folder, &[("--steps", "5"), ("--seed", "1")]);
    let saved = || ["new.safetensors", "new.checkpoint"].map(|name| fs::read(folder.path(name)));
    let good = saved().map(Result::unwrap);
    let measured = [("--validate", "held"), ("--every", "6"), ("--steps", "99")];
    let measured_last = [("--validate", "held"), ("--every", "6"), ("--steps", "6")];
    let no_numbers = "after step 6, the model gives no numbers; what was saved after step 5";
    for (more, part) in [
        // In the middle of the steps whose gradients are not finite.
        (
            &[("--every", "10"), ("--steps", "99")][..],
            "the last 50 steps",
        ),
        // After the step that spoilt it, whose own gradients were finite.
        (&measured, no_numbers),
        (&measured_last, no_numbers),
        (&[measured[0], ("--steps", "6")], no_numbers),
        (&[("--every", "10"), ("--steps", "99")], "note: not saved"),
        // At the end.
        (&[("--steps", "12")], "up to 12 were not finite"),
    ] {
        let resumed = [("--resume", ""), ("--rate", "1e30")];
        let run = folder.run(&arguments(&[&resumed[..], more].concat()));
        assert_eq!(run.code, 1, "{more:?}: {run:?}");
        assert!(run.stderr.contains(part), "{more:?}: {run:?}");
        assert!(saved().map(Result::unwrap) == good, "{more:?}");
    }
}

#[test]
fn nothing_is_replaced_that_no_training_made() {
    let folder = with_held();
    folder.draw("new.validation.png", 48, 48);
    let validate = [("--validate", "held"), ("--steps", "1")];
    folder.refuses(
        &arguments(&validate),
        4,
        &["new.validation.png: ", "--force"],
    );
    let place = [("--checkpoint", "./new.validation.png")];
    let args = arguments(&[&validate[..], &place].concat());
    folder.refuses(&args, 2, &["is the picture of --validate, too"]);
    let resumed = [("--validate", "held"), ("--steps", "2"), ("--resume", "")];
    trained(&folder, &[("--steps", "1")]);
    folder.refuses(
        &arguments(&resumed),
        4,
        &["new.validation.png: ", "--force"],
    );
    trained(&folder, &[&resumed[..], &[("--force", "")]].concat());
    assert_ne!(folder.load("new.validation.png").width(), 48);
    // Its own, which may be all that a training has left.
    for file in ["new.safetensors", "new.checkpoint"] {
        fs::remove_file(folder.path(file)).unwrap();
    }
    trained(&folder, &validate);

    folder.write("other.safetensors", b"important");
    let more = [
        ("-o", "other.safetensors"),
        ("--checkpoint", "new.checkpoint"),
        ("--steps", "2"),
        ("--resume", ""),
    ];
    let parts = ["other.safetensors: is there already", "--force"];
    folder.refuses(&arguments(&more), 4, &parts);
    let model = fs::read(folder.path("tiny.safetensors")).unwrap();
    folder.write("other.safetensors", &model);
    folder.refuses(&arguments(&more), 4, &parts);
    trained(&folder, &[&more[..], &[("--force", "")]].concat());
    // Its own are replaced.
    trained(&folder, &[("--steps", "2"), ("--resume", "")]);
}

/// The picture that a training shows is neither a photo nor measured with.
#[test]
fn what_is_shown_is_no_data() {
    let folder = with_held();
    let beside = |output| [("-o", output), ("--seed", "1")];
    let held = [
        &beside("held/new.safetensors")[..],
        &[("--validate", "held")],
    ]
    .concat();
    trained(&folder, &[&held[..], &[("--steps", "1")]].concat());
    assert!(folder.path("held/new.validation.png").is_file());
    trained(
        &folder,
        &[&held[..], &[("--steps", "2"), ("--resume", "")]].concat(),
    );
    let text = training(&folder, "held/new.safetensors");
    assert!(text.contains("on 1 images of held"), "{text}");

    let among = beside("photos/new.safetensors");
    let first = [("--steps", "1"), ("--validate", "held")];
    trained(&folder, &[&among[..], &first].concat());
    assert!(folder.path("photos/new.validation.png").is_file());
    let run = trained(
        &folder,
        &[&among[..], &[("--steps", "2"), ("--resume", "")]].concat(),
    );
    assert!(run.stderr.contains("2 images, "), "{run:?}");

    // A photo of that name is one.
    fs::remove_file(folder.path("photos/new.validation.png")).unwrap();
    folder.draw("photos/other.validation.png", 48, 48);
    let more = [("-o", "photos/other.safetensors"), ("--steps", "1")];
    let run = trained(&folder, &more);
    assert!(run.stderr.contains("3 images, "), "{run:?}");
    let replaced = [("--validate", "held"), ("--force", "")];
    let args = arguments(&[&more[..], &replaced].concat());
    folder.refuses(&args, 4, &["photos/other.validation.png: is an input"]);
}

/// A model file has the measurement of its own step, or says of which it is.
#[test]
fn a_model_says_which_step_was_measured() {
    let folder = with_held();
    let options = [("--steps", "2"), ("--every", "2"), ("--validate", "held")];
    trained(&folder, &options);
    let text = training(&folder, "new.safetensors");
    assert!(text.contains("dB on 1 images of held"), "{text}");
    trained(&folder, &[&options[..], &[("--resume", "")]].concat());
    assert_eq!(training(&folder, "new.safetensors"), text);
    trained(&folder, &[("--steps", "2"), ("--resume", "")]);
    assert_eq!(training(&folder, "new.safetensors"), text);
    trained(&folder, &[("--steps", "3"), ("--resume", "")]);
    let text = training(&folder, "new.safetensors");
    assert!(text.contains("; at step 2 PSNR-Y "), "{text}");
}

#[cfg(unix)]
mod signals {
    use super::super::train::stopped;
    use super::*;
    use std::process::Command;

    /// Whether these tests run under `nohup`, which a shell cannot undo.
    fn hangup_is_ignored() -> bool {
        let script = "kill -HUP $$";
        let ended = Command::new("sh").args(["-c", script]).status().unwrap();
        ended.success()
    }

    /// A terminal that is closed sends it, perhaps twice.
    #[test]
    fn a_training_whose_terminal_is_closed_is_saved() {
        if hangup_is_ignored() {
            println!("skipped: SIGHUP is ignored here");
            return;
        }
        let folder = with_photos();
        let endless = arguments(&[("--steps", "100000"), ("--force", "")]);
        let (code, said) = stopped(&folder, "", &endless, "kill -HUP $1; kill -HUP $1");
        assert_eq!(code, Some(129), "{said}");
        assert!(said.contains("error: stopped after step "), "{said}");
        assert!(folder.path("new.checkpoint").is_file());
        // What closes it may send more.
        let (code, said) = stopped(&folder, "", &endless, "kill -HUP $1; kill -TERM $1");
        assert!([Some(129), Some(143)].contains(&code), "{code:?}: {said}");
        assert!(said.contains("error: stopped after step "), "{said}");
        // As `nohup` does.
        let later = "kill -HUP $1; sleep 1; kill -TERM $1";
        let (code, said) = stopped(&folder, "trap '' HUP;", &endless, later);
        assert_eq!(code, Some(143), "{said}");
        assert!(said.contains("error: stopped after step "), "{said}");
    }

    /// What was learnt last is not worth it then.
    #[test]
    fn a_training_that_is_stopped_while_it_diverges_says_what_is_saved() {
        let folder = with_photos();
        let slow = [("--accumulate", "16"), ("--seed", "1"), ("--warm-up", "0")];
        let wrong = [("--rate", "1e30"), ("--steps", "100000")];
        let args = arguments(&[&slow[..], &wrong].concat());
        let (code, said) = stopped(&folder, "", &args, "kill -INT $1");
        assert_eq!(code, Some(130), "{said}");
        assert!(said.contains("; nothing was saved"), "{said}");
        assert!(!folder.path("new.checkpoint").exists());
        trained(&folder, &[&slow[..], &[("--steps", "0")]].concat());
        let args = arguments(&[&slow[..], &wrong, &[("--resume", "")]].concat());
        let (code, said) = stopped(&folder, "", &args, "kill -INT $1");
        assert_eq!(code, Some(130), "{said}");
        assert!(said.contains("; --resume goes on after step 0"), "{said}");
        trained(
            &folder,
            &[&slow[..], &[("--steps", "1"), ("--resume", "")]].concat(),
        );
    }

    #[test]
    fn a_stopped_training_says_which_step_was_measured() {
        let folder = with_held();
        let model = ["train", "photos", "-o=x.safetensors", "-m=new.safetensors"];
        let more = ["-d=cpu", "--patch=32", "-b2", "--validate=held", "--log=1"];
        trained(&folder, &[("--steps", "1")]);
        let args = [&model[..], &more, &["-n100000"]].concat();
        let (code, said) = stopped(&folder, "", &args, "kill -INT $1");
        assert_eq!(code, Some(130), "{said}");
        let text = training(&folder, "x.safetensors");
        assert!(text.contains("; at step 0 PSNR-Y "), "{text}");
    }
}

/// What is told before any photo is decoded.
#[test]
fn folders_that_do_not_fit_are_told_first() {
    let folder = with_held();
    folder.write("photos/broken.png", b"no image");
    folder.write("file", b"no folder");
    fs::create_dir(folder.path("empty")).unwrap();
    for (name, value, code) in [
        ("--validate", "hold", 3),
        ("--validate", "empty", 3),
        ("--events", "file", 4),
        ("--events", "file/curves", 4),
    ] {
        let args = arguments(&[("--steps", "1"), (name, value)]);
        folder.refuses(&args, code, &[&format!("error: {value}: ")]);
    }
    // Folders of the name that events have.
    fs::create_dir(folder.path("events")).unwrap();
    fs::create_dir_all(folder.path("runs/events")).unwrap();
    for events in ["new", "runs"] {
        let options = [("--steps", "1"), ("--force", ""), ("--events", events)];
        trained(&folder, &options);
    }
}

/// A flag that would help is named.
#[test]
fn photos_that_only_halving_makes_too_small_are_told_so() {
    let folder = Folder::new();
    fs::create_dir(folder.path("photos")).unwrap();
    folder.draw("photos/large.jpg", 820, 800);
    let args = arguments(&[("--steps", "1"), ("--patch", "416"), ("--batch", "1")]);
    let parts = ["820x800, halved to 410x400", "with --full-size"];
    folder.refuses(&args, 3, &parts);
}

#[test]
fn so_many_threads_compute() {
    let folder = with_held();
    let run = trained(&folder, &[("--steps", "1"), ("--threads", "1")]);
    assert!(run.stderr.contains(", 1 thread)"), "{run:?}");
}

/// Their PSNR is infinite, and no mean would be left.
#[test]
fn flat_images_do_not_count() {
    let folder = with_held();
    let flat = image::RgbImage::from_pixel(40, 40, image::Rgb([200, 30, 60]));
    flat.save(folder.path("held/flat.png")).unwrap();
    let options = [("--steps", "1"), ("--validate", "held"), ("--json", "")];
    let run = trained(&folder, &options);
    let lines = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<serde_json::Value> = lines.collect();
    let measured = lines.iter().find(|line| line["event"] == "validation");
    assert!(measured.unwrap()["bicubic_psnr_y"].is_number(), "{run:?}");
    assert!(
        run.stderr.contains("makes 1 of the images of held exactly"),
        "{run:?}"
    );
    let text = training(&folder, "new.safetensors");
    assert!(text.contains("on 1 images of held"), "{text}");
    fs::remove_file(folder.path("held/x.png")).unwrap();
    let run = trained(&folder, &[&options[..], &[("--force", "")]].concat());
    assert!(run.stderr.contains("all images of held"), "{run:?}");
}
