//! Panics and slow stages, injected.

use super::super::inputs::NumberedFrame;
use super::super::report::{Bar, Outcome, Style};
use super::*;
use crate::cli::progress::BatchBar;
use srdiff::image::{Frame, OutputFormat, Picture};
use srdiff::model::Model;
use srdiff::upscale::{DeviceChoice, UpscalerOptions};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;
use tempfile::TempDir;

/// Longer than any run here takes.
const HANGS: Duration = Duration::from_secs(120);

/// A folder with images `0.png`, `1.png` and so on, and their jobs.
fn images(count: usize) -> (TempDir, Vec<Job>) {
    let folder = tempfile::tempdir().unwrap();
    let job = |number: usize| {
        let path = folder.path().join(format!("{number}.png"));
        let picture = Picture::new(4, 4, (0..48).map(|v| 3 * v).collect());
        let options = EncodeOptions::default();
        let saved = picture.save(&path, OutputFormat::Png, &options, false);
        saved.unwrap();
        let input = Input::named(path);
        let output = folder.path().join(format!("{number}_x4.png"));
        let mut job = Job::new(input, Some(output), Vec::new(), OutputFormat::Png);
        job.size = [4, 4];
        job
    };
    let jobs = (0..count).map(job).collect();
    (folder, jobs)
}

/// Runs all jobs, each stage with `fault` in front.
fn upscale(jobs: Vec<Job>, fault: fn(Stage, &Path)) -> Outcome {
    upscale_samples(jobs, 1, fault)
}

fn upscale_samples(jobs: Vec<Job>, results: u32, fault: fn(Stage, &Path)) -> Outcome {
    let (done, outcome) = channel();
    // On a thread of its own, so that a hang is a failure.
    thread::spawn(move || {
        let options = UpscalerOptions {
            device: DeviceChoice::Cpu,
            ..UpscalerOptions::default()
        };
        let upscaler = Upscaler::new(Model::starter(), &options).unwrap();
        let mut sample = SampleOptions::seeded(upscaler.model().settings(), 1);
        sample.steps = 1;
        let settings = Settings {
            sample,
            target: None,
            scale: 4,
            results,
            uncertainty: false,
            reading: DecodeOptions::default(),
            strip: false,
            writing: EncodeOptions::default(),
            overwrite: false,
            shared: jobs.len() > 1,
            load: 1,
            save: 1,
            fault,
        };
        let style = Style {
            is_single: jobs.len() == 1,
            json: false,
            quiet: true,
            verbose: false,
        };
        let bar = Bar::Many(BatchBar::new(true, jobs.len(), 16 * jobs.len() as u64));
        let report = Report::new(style, sample, results, bar);
        run(&jobs, upscaler, &settings, &report, &Stop::default()).unwrap();
        let _ = done.send(report.finish(Duration::ZERO));
    });
    outcome.recv_timeout(HANGS).expect("the run ends")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What panics at `stage` of the second image of several, or of the only one.
fn faults() -> [fn(Stage, &Path); 3] {
    fn panic_at(at: Stage, stage: Stage, input: &Path) {
        assert!(stage != at || !input.ends_with("1.png"), "injected\nfault");
    }
    [
        |stage, input| panic_at(Stage::Load, stage, input),
        |stage, input| panic_at(Stage::Upscale, stage, input),
        |stage, input| panic_at(Stage::Save, stage, input),
    ]
}

#[test]
fn a_panic_is_the_failure_of_its_image_and_the_others_are_done() {
    for fault in faults() {
        let (folder, jobs) = images(4);
        let outcome = upscale(jobs, fault);
        assert_eq!((outcome.done, outcome.failed), (3, 1));
        let expected = [
            "0.png", "0_x4.png", "1.png", "2.png", "2_x4.png", "3.png", "3_x4.png",
        ];
        assert_eq!(names(folder.path()), expected);
    }
}

/// Another run that writes into the same folder.
#[test]
fn a_result_that_appears_meanwhile_is_left_there() {
    fn appear_at(at: Stage, stage: Stage, input: &Path) {
        if stage == at && input.ends_with("1.png") {
            std::fs::write(input.with_file_name("1_x4.png"), "of another run").unwrap();
        }
    }
    let faults: [fn(Stage, &Path); 3] = [
        |stage, input| appear_at(Stage::Load, stage, input),
        |stage, input| appear_at(Stage::Upscale, stage, input),
        |stage, input| appear_at(Stage::Save, stage, input),
    ];
    for fault in faults {
        let (folder, jobs) = images(3);
        let outcome = upscale(jobs, fault);
        assert_eq!((outcome.done, outcome.failed), (3, 0));
        let there = std::fs::read(folder.path().join("1_x4.png")).unwrap();
        assert_eq!(there, b"of another run");
        // One image that was named is refused.
        let (_folder, mut jobs) = images(2);
        let outcome = upscale(jobs.split_off(1), fault);
        let failure = outcome.failure.expect("a failure");
        assert_eq!(failure.exit_code(), 4, "{failure}");
    }
}

/// Of several samples, those that did not appear are made.
#[test]
fn samples_that_appear_meanwhile_do_not_stop_the_others() {
    let (folder, mut jobs) = images(2);
    for job in &mut jobs {
        job.others = vec![job.input.path.with_extension("2.png")];
        job.left = 2.into();
    }
    let appear: fn(Stage, &Path) = |stage, input| {
        if stage == Stage::Save && input.ends_with("1.png") {
            let _ = std::fs::write(input.with_file_name("1_x4.png"), "of another run");
        }
    };
    let outcome = upscale_samples(jobs, 2, appear);
    assert_eq!((outcome.done, outcome.failed), (2, 0));
    let there = std::fs::read(folder.path().join("1_x4.png")).unwrap();
    assert_eq!(there, b"of another run");
    for name in ["0_x4.png", "0.2.png", "1.2.png"] {
        let made = Picture::open(&folder.path().join(name)).unwrap();
        assert_eq!(made.width, 16, "{name}");
    }
}

#[test]
fn a_panic_with_a_page_names_the_page() {
    let (_folder, mut jobs) = images(2);
    let mut job = jobs.swap_remove(1);
    job.input.frame = Some(NumberedFrame {
        number: 2,
        count: 3,
        frame: Frame {
            width: 4,
            height: 4,
            duration: None,
        },
    });
    let outcome = upscale(vec![job], faults()[0]);
    let message = outcome.failure.expect("a failure").to_string();
    assert!(
        message.contains("1.png (2 of 3): srdiff itself"),
        "{message}"
    );
}

#[test]
fn a_panic_with_the_only_image_is_told_with_its_code() {
    for fault in faults() {
        let (folder, mut jobs) = images(2);
        let outcome = upscale(jobs.split_off(1), fault);
        let failure = outcome.failure.expect("a failure");
        assert_eq!(failure.exit_code(), 101);
        let message = failure.to_string();
        let end = "1.png: srdiff itself failed (injected fault); please report it with the image";
        assert!(message.ends_with(end), "{message}");
        assert_eq!(names(folder.path()), ["0.png", "1.png"]);
    }
}

/// One thread each that reads, computes and writes, and each stage takes long
/// enough for the others to begin theirs meanwhile.
#[test]
fn images_are_read_computed_and_written_at_once() {
    const STAGE: Duration = Duration::from_millis(200);
    static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let (_folder, jobs) = images(8);
    let outcome = upscale(jobs, |_, _| {
        let others = AT_ONCE.fetch_add(1, Ordering::Relaxed);
        MOST.fetch_max(others + 1, Ordering::Relaxed);
        thread::sleep(STAGE);
        AT_ONCE.fetch_sub(1, Ordering::Relaxed);
    });
    assert_eq!(outcome.done, 8);
    assert_eq!(MOST.load(Ordering::Relaxed), 3);
}

#[test]
fn every_pass_of_the_model_is_counted() {
    let (_folder, jobs) = images(1);
    let costs = |target| {
        let settings = Settings {
            sample: SampleOptions {
                steps: 2,
                ..SampleOptions::default()
            },
            target,
            scale: 4,
            results: 3,
            uncertainty: false,
            reading: DecodeOptions::default(),
            strip: false,
            writing: EncodeOptions::default(),
            overwrite: false,
            shared: false,
            load: 1,
            save: 1,
            fault: |_, _| {},
        };
        (settings.passes_of(&jobs[0]), settings.cost_of(&jobs[0]))
    };
    assert_eq!(costs(None), (vec![32], 96));
    assert_eq!(costs(Some(Target::Factor(1.5))), (vec![32], 96));
    assert_eq!(costs(Some(Target::Factor(16.0))), (vec![32, 512], 1632));
    let size = Target::Size(Some(17), None);
    assert_eq!(costs(Some(size)), (vec![32, 512], 1632));
}
