//! `srdiff tune`, and the folder of caches.

use super::folder::{FAST, Folder, Run};
use super::support::{adapters, choice_of};
use srdiff::exec::gpu::{AdapterKind, AdapterSummary};
use std::fs;
use std::path::PathBuf;

/// Arguments that time a few kernels of a small model.
fn tune(folder: &Folder, adapter: &AdapterSummary, more: &[&str]) -> Run {
    let args = [
        "tune",
        "-d",
        &choice_of(adapter),
        "-m",
        "tiny.safetensors",
        "-p",
        "f32",
        "--size",
        "6x4",
        "--budget",
        "1.5",
    ];
    let run = folder.run(&[&args[..], more].concat());
    assert_eq!(run.code, 0, "{run:?}");
    run
}

fn upscale(folder: &Folder, adapter: &AdapterSummary, more: &[&str]) -> Run {
    let args = ["upscale", "in.png", "--force", "--seed", "1"];
    let device = choice_of(adapter);
    let run = folder.run(&[&args[..], &FAST[2..], &["-d", &device], more].concat());
    assert_eq!(run.code, 0, "{run:?}");
    run
}

/// How many notes there are, but for that of the first use, which hardware has.
fn notes(run: &Run) -> usize {
    let all = run.stderr.matches("note:").count();
    all - run.stderr.matches("note: timed the kernels of").count()
}

/// The file of measurements.
fn measurements(folder: &Folder) -> Option<PathBuf> {
    let files = fs::read_dir(folder.cache()).ok()?;
    let mut paths = files.map(|file| file.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|e| e == "json"))
}

#[test]
fn the_cpu_is_not_advised() {
    let adapters = adapters();
    let folder = Folder::new();
    let is_software = |a: &&AdapterSummary| a.kind == AdapterKind::Software;
    let software = adapters.iter().filter(is_software);
    let mut named: Vec<String> = software.map(|a| a.index.to_string()).collect();
    if adapters.iter().all(|a| is_software(&a)) {
        named.push("gpu".to_owned());
    }
    for device in named {
        let run = folder.run(&["tune", "--device", &device]);
        assert_eq!(run.code, 7, "{run:?}");
        let start = format!("error: --device {device}: ");
        assert!(run.stderr.starts_with(&start), "{run:?}");
        assert!(!run.stderr.contains("--device cpu"), "{run:?}");
    }
}

#[test]
fn kernels_are_timed_listed_and_kept() {
    for adapter in adapters() {
        let folder = Folder::new();
        let run = tune(&folder, &adapter, &["--json"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&run.stdout).unwrap();
        let first = &rows[0]["node"];
        let of_first: Vec<_> = rows.iter().filter(|row| row["node"] == *first).collect();
        assert!(of_first.len() > 3, "{run:?}");
        let chosen: Vec<_> = of_first
            .iter()
            .filter(|row| row["is_chosen"] == true)
            .collect();
        assert_eq!(chosen.len(), 1, "{run:?}");
        assert!(chosen[0]["microseconds"].as_f64().unwrap() > 0.0, "{run:?}");
        let kept = fs::read_to_string(measurements(&folder).unwrap()).unwrap();
        assert!(kept.contains(first.as_str().unwrap()), "{kept}");
        assert!(run.stderr.contains("kept in"), "{run:?}");

        let run = tune(&folder, &adapter, &[]);
        let lines: Vec<&str> = run.stdout.lines().collect();
        assert_eq!(lines[0], "| node | kernel | ms | of usual |");
        assert!(lines[2].starts_with("| conv2d 3x3 "), "{run:?}");
        upscale(&folder, &adapter, &[]);
        upscale(&folder, &adapter, &["--no-tune"]);
    }
}

#[test]
fn the_cpu_has_nothing_to_tune() {
    let folder = Folder::new();
    let parts = ["nothing to tune", "--device", "srdiff devices"];
    folder.refuses(&["tune", "-d", "cpu"], 7, &parts);
    let wrong = folder.run(&["tune", "--budget", "-1"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert_eq!(measurements(&folder), None);
}

/// Tests and continuous integration run on such adapters.
#[test]
fn the_first_use_of_a_software_adapter_times_nothing() {
    let software = |adapter: &AdapterSummary| adapter.kind == AdapterKind::Software;
    for adapter in adapters().into_iter().filter(software) {
        let folder = Folder::new();
        let run = upscale(&folder, &adapter, &[]);
        assert!(!run.stderr.contains("note:"), "{run:?}");
        assert_eq!(measurements(&folder), None);
    }
}

#[test]
fn a_damaged_cache_is_a_note() {
    for adapter in adapters() {
        let folder = Folder::new();
        tune(&folder, &adapter, &[]);
        let path = measurements(&folder).unwrap();
        for file in fs::read_dir(folder.cache()).unwrap() {
            fs::write(file.unwrap().path(), "no such thing").unwrap();
        }
        let run = upscale(&folder, &adapter, &[]);
        let name = path.file_name().unwrap().to_str().unwrap();
        let of_table = run.stderr.matches(name).count();
        assert_eq!(of_table, 1, "{run:?}");
        // The other is about compiled kernels, where there are any.
        assert!(notes(&run) <= 2, "{run:?}");
        assert!(run.stderr.contains("is damaged"), "{run:?}");
        // Nothing is said to whoever wants to hear nothing.
        let run = upscale(&folder, &adapter, &["--quiet"]);
        assert_eq!(run.stderr, "", "{run:?}");
        tune(&folder, &adapter, &[]);
        let run = upscale(&folder, &adapter, &[]);
        assert_eq!(notes(&run), 0, "{run:?}");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_a_note() {
    for adapter in adapters() {
        let folder = Folder::new();
        fs::write(folder.cache(), "a file is in its place").unwrap();
        let run = upscale(&folder, &adapter, &[]);
        assert!(notes(&run) <= 1, "{run:?}");
        let run = tune(&folder, &adapter, &[]);
        assert_eq!(notes(&run), 1, "{run:?}");
        assert!(run.stderr.contains("cannot be written"), "{run:?}");
        assert!(!run.stderr.contains("kept in"), "{run:?}");
    }
}
