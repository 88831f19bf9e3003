//! `train --stage distill`: students that take fewer steps.

use super::train::{trained, with_photos};
use srdiff::model::Model;

#[test]
fn a_student_takes_the_steps_that_it_was_distilled_for() {
    let folder = with_photos();
    folder.draw("in.png", 8, 8);
    trained(&folder, &[("--steps", "1")]);
    let distil = |more: &[&'static str]| {
        let args = [
            "train",
            "photos",
            "-o",
            "student.safetensors",
            "--patch=32",
            "--batch=2",
            "--device=cpu",
            "--seed=1",
        ];
        [&args[..], more].concat()
    };
    let first = [
        "-m",
        "new.safetensors",
        "--stage=distill",
        "--student-steps=2",
        "-n1",
    ];
    let run = folder.run(&distil(&first));
    assert_eq!(run.code, 0, "{run:?}");
    let model = Model::open(folder.path("student.safetensors")).unwrap();
    let training = model.training().unwrap();
    let part = "distilled for ddpm, 2 steps from new.safetensors with ddim, 16 steps";
    assert!(training.contains(part), "{training}");
    let resumed = |more: &[&'static str]| {
        let args = ["--stage=distill", "--teacher=new.safetensors", "--resume"];
        distil(&[&args[..], more].concat())
    };
    for (more, part) in [
        (
            ["--student-steps=4", "-n2"],
            "--student-steps ddpm, 2 steps, not",
        ),
        (["--student-steps=2", "--teacher-steps=9"], "ddim, 16 steps"),
    ] {
        let args = [&resumed(&more)[..], &["--minutes=1"]].concat();
        folder.refuses(&args, 2, &["student.checkpoint: ", part]);
    }
    let run = folder.run(&resumed(&["--student-steps=2", "-n2"]));
    assert_eq!(run.code, 0, "{run:?}");
    // Its encoder can be trained further; the noise predictor stays a student.
    let run = folder.run(&[
        "train",
        "photos",
        "--output=further.safetensors",
        "--model=student.safetensors",
        "--stage=encoder",
        "--patch=32",
        "--device=cpu",
        "-n1",
    ]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = folder.run(&["info", "further.safetensors"]);
    assert!(run.stdout.contains("for ddpm, 2 steps"), "{run:?}");
    // Its own steps are the default, also of a copy.
    let run = folder.run(&["convert", "student.safetensors", "copy.safetensors"]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = folder.run(&["info", "copy.safetensors"]);
    assert!(run.stdout.contains("for ddpm, 2 steps"), "{run:?}");
    let upscale = |more: &[&str]| {
        let args = [
            "upscale",
            "in.png",
            "-m=copy.safetensors",
            "-d=cpu",
            "--force",
        ];
        let run = folder.run(&[&args[..], &["--allow-mismatch"], more].concat());
        assert_eq!(run.code, 0, "{run:?}");
        run.stderr
    };
    for (more, told) in [
        (&[][..], "ddpm with 2 steps"),
        (&["-n3"], "ddpm with 3 steps"),
        (&["--sampler=ddim"], "ddim with 2 steps"),
    ] {
        let stderr = upscale(more);
        assert!(stderr.contains(told), "{stderr}");
    }
    // Trained on, it is no student any more.
    let on = [
        "--stage=denoiser",
        "-m",
        "copy.safetensors",
        "-n1",
        "--force",
    ];
    let run = folder.run(&distil(&on));
    assert_eq!(run.code, 0, "{run:?}");
    let run = folder.run(&["info", "student.safetensors"]);
    assert!(!run.stdout.contains("distilled   for"), "{run:?}");
}

#[test]
fn a_distilled_teacher_takes_more_steps_than_its_student() {
    let folder = with_photos();
    trained(&folder, &[("--steps", "1"), ("--seed", "1")]);
    let distil = ["train", "photos", "--patch=32", "-b1", "-d=cpu", "-n1"];
    let distil = [&distil[..], &["--stage=distill"]].concat();
    let student = ["-m=new.safetensors", "-o=two.safetensors"];
    let run = folder.run(&[&distil[..], &student, &["--student-steps=2"]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    let of_two = [&distil[..], &["-m=two.safetensors", "-o=x.safetensors"]].concat();
    for (more, part) in [
        (&["--student-steps=2"][..], "--student-steps 2: "),
        (&["--student-steps=4"], "--student-steps 4: "),
        (&["--teacher-steps=1"], "--student-steps 1: "),
    ] {
        folder.refuses(&[&of_two[..], more].concat(), 2, &[part, "--teacher"]);
    }
    let note = "note: the teacher was distilled for ddpm, 2 steps";
    for (more, is_noted) in [(&[][..], false), (&["--teacher-steps=8", "--force"], true)] {
        let run = folder.run(&[&of_two[..], more].concat());
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(run.stderr.contains(note), is_noted, "{run:?}");
    }
    // One that goes on may have begun before that was refused.
    let resumed = [&of_two[..], &["--student-steps=2", "--resume"]].concat();
    folder.refuses(&resumed, 2, &["x.checkpoint: was made with"]);
}

#[test]
fn a_distillation_that_cannot_be_is_refused() {
    let folder = with_photos();
    trained(&folder, &[("--steps", "1"), ("--scale", "2")]);
    let distil = ["train", "photos", "-o", "x.safetensors", "-d=cpu", "-n1"];
    for (more, parts) in [
        (
            &["--student-steps", "2"][..],
            &["--student-steps", "--stage distill"][..],
        ),
        (&["--teacher", "new.safetensors"], &["--teacher: is for"]),
        (
            &["--stage=distill", "--student-steps=101"],
            &["--student-steps 101", "100"],
        ),
        (
            &["--stage=distill", "--teacher-steps=200"],
            &["--teacher-steps 200"],
        ),
        (&["--stage=distill", "--new"], &["--new", "--teacher"]),
        (
            &["--stage=distill", "--teacher=new.safetensors"],
            &["scale is 2", "4"],
        ),
    ] {
        folder.refuses(&[&distil[..], more].concat(), 2, parts);
    }
}
