//! What is kept of the timing of kernels, and that it is used.

#[path = "support/mod.rs"]
mod support;
#[path = "support/models.rs"]
mod support_models;

use srdiff::exec::gpu::tuning::cache::{load, update};
use srdiff::exec::gpu::tuning::{Times, Tuned, Tuning};
use srdiff::exec::gpu::{AdapterSummary, CacheFolder, Identity};
use srdiff::plan::Variant;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn identity(driver: &str) -> Identity {
    Identity::of(&AdapterSummary {
        driver: driver.to_owned(),
        ..AdapterSummary::baseline()
    })
}

fn tuned(microseconds: f64) -> Tuned {
    Tuned {
        variant: Variant::RegisterTile {
            pixels: 4,
            blocks: 2,
        },
        times: Some(Times {
            microseconds,
            static_microseconds: 7.0,
        }),
    }
}

/// A folder with the table of one device: a class "conv".
fn written() -> (TempDir, CacheFolder, Identity, Tuning) {
    let temporary = TempDir::new().unwrap();
    // A folder that is not there yet.
    let folder = CacheFolder::new(temporary.path().join("a/b"));
    let identity = identity("radv 1");
    let add = |table: &mut Tuning| table.insert("conv".to_owned(), tuned(5.5));
    update(&folder, &identity, add).unwrap();
    let (table, note) = load(&folder, &identity);
    assert_eq!(note, None);
    assert_eq!(table.get("conv"), Some(&tuned(5.5)));
    (temporary, folder, identity, table)
}

fn file(folder: &CacheFolder) -> PathBuf {
    let mut files = fs::read_dir(folder.folder()).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "more than one file");
    file
}

#[test]
fn a_device_that_was_never_timed_has_no_table_and_no_note() {
    let temporary = TempDir::new().unwrap();
    for name in ["", "not there"] {
        let folder = CacheFolder::new(temporary.path().join(name));
        let (table, note) = load(&folder, &identity("radv 1"));
        assert!(table.is_empty() && note.is_none());
    }
}

#[test]
fn a_table_of_another_driver_is_not_used_and_makes_way() {
    let (_temporary, folder, _, _) = written();
    let newer = identity("radv 2");
    let (table, note) = load(&folder, &newer);
    assert!(table.is_empty());
    let note = note.unwrap();
    assert!(note.contains("another driver"), "{note}");
    assert!(
        note.contains(&file(&folder).display().to_string()),
        "{note}"
    );
    update(&folder, &newer, |table| {
        assert!(table.is_empty());
        table.insert("conv".to_owned(), tuned(3.0));
    })
    .unwrap();
    // In the place of the old one.
    file(&folder);
    let (table, note) = load(&folder, &newer);
    assert_eq!((table.get("conv"), note), (Some(&tuned(3.0)), None));
}

#[test]
fn another_adapter_has_a_file_of_its_own() {
    let (_temporary, folder, first, _) = written();
    let other = Identity::of(&AdapterSummary {
        device: 7,
        driver: "radv 1".to_owned(),
        ..AdapterSummary::baseline()
    });
    assert!(load(&folder, &other).0.is_empty());
    update(&folder, &other, |table| {
        table.insert("other".to_owned(), tuned(1.0));
    })
    .unwrap();
    assert!(load(&folder, &first).0.get("conv").is_some());
    assert!(load(&folder, &first).0.get("other").is_none());
}

#[test]
fn a_damaged_file_is_no_table_and_is_written_anew() {
    let (_temporary, folder, identity, table) = written();
    let path = file(&folder);
    let good = fs::read(&path).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    damaged.push(b"\xff\xfe".to_vec());
    damaged.push(text.replace("\"version\": 1", "\"version\": 2").into());
    damaged.push(text.replace("kernels", "colonels").into());
    for bytes in damaged {
        fs::write(&path, &bytes).unwrap();
        let (found, note) = load(&folder, &identity);
        assert!(found.is_empty(), "{bytes:?}");
        let note = note.unwrap();
        assert!(note.contains("timed anew"), "{note}");
    }
    update(&folder, &identity, |found| *found = table.clone()).unwrap();
    assert_eq!(load(&folder, &identity), (table, None));
}

/// Of another version of srdiff, or changed by hand.
#[test]
fn an_entry_that_is_unknown_is_left_out() {
    let (_temporary, folder, identity, table) = written();
    update(&folder, &identity, |table| {
        table.insert("a".to_owned(), tuned(1.0));
        table.insert("b".to_owned(), tuned(2.0));
    })
    .unwrap();
    let path = file(&folder);
    let text = fs::read_to_string(&path).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["kernels"]["a"]["variant"] = serde_json::json!({ "Telepathy": { "strength": 9 } });
    json["kernels"]["b"] = serde_json::json!([1, 2]);
    fs::write(&path, json.to_string()).unwrap();
    assert_eq!(load(&folder, &identity), (table, None));
}

#[test]
fn what_two_processes_add_is_kept() {
    let (_temporary, folder, identity, _) = written();
    std::thread::scope(|scope| {
        for index in 0..4 {
            let (folder, identity) = (&folder, &identity);
            scope.spawn(move || {
                for _ in 0..10 {
                    let name = format!("of {index}");
                    let add = |table: &mut Tuning| table.insert(name, tuned(index.into()));
                    update(folder, identity, add).unwrap();
                    // Whole at any time.
                    assert_eq!(load(folder, identity).1, None);
                }
            });
        }
    });
    let (table, note) = load(&folder, &identity);
    assert_eq!(note, None);
    assert!(table.get("conv").is_some());
}

#[test]
fn a_folder_that_cannot_be_written_is_a_reason_and_no_panic() {
    let temporary = TempDir::new().unwrap();
    let in_its_place = temporary.path().join("file");
    fs::write(&in_its_place, "").unwrap();
    for path in [in_its_place.clone(), in_its_place.join("below")] {
        let folder = CacheFolder::new(&path);
        let reason = update(&folder, &identity("radv 1"), |_| ()).unwrap_err();
        assert!(reason.contains("cannot be written"), "{reason}");
        assert!(reason.contains(&path.display().to_string()), "{reason}");
    }
}

/// Kernels that were timed give what others give.
#[cfg(feature = "gpu")]
#[test]
fn an_upscale_with_tuned_kernels_agrees_with_one_without() {
    use srdiff::exec::gpu::tuning::Effort;
    use srdiff::image::{Picture, metrics};
    use srdiff::upscale::{PrecisionChoice, SampleOptions, Upscaler, UpscalerOptions};
    use std::ops::ControlFlow;
    use std::time::Duration;

    let picture = {
        let pixel = |index: usize| [index * 7, index * 3, 200 - index].map(|v| v as u8);
        Picture::new(6, 5, (0..30).flat_map(pixel).collect())
    };
    for adapter in support::adapters() {
        let cache = TempDir::new().unwrap();
        let Ok(device) = support::choice_of(&adapter).parse();
        let options = UpscalerOptions {
            device,
            precision: PrecisionChoice::F32,
            allow_mismatch: true,
            tuning: Some(Duration::ZERO),
            cache: Some(CacheFolder::new(cache.path())),
            ..UpscalerOptions::default()
        };
        let upscale = |upscaler: &mut Upscaler| {
            let sample = SampleOptions::seeded(upscaler.model().settings(), 1);
            let mut go_on = |_| ControlFlow::Continue(());
            upscaler.upscale(&picture, &sample, &mut go_on).unwrap()
        };
        let open = || Upscaler::new(support_models::model("tiny-x4"), &options).unwrap();
        let expected = upscale(&mut open());

        let mut upscaler = open();
        let before = dump(&upscaler);
        let effort = Effort {
            budget: Some(Duration::from_secs(4)),
            rounds: 2,
            length: Duration::ZERO,
            tests_all: true,
            kinds_first: false,
        };
        let mut calls = 0;
        let found = upscaler.tune(&[[6, 5]], effort, &mut |_| {
            calls += 1;
            ControlFlow::Continue(())
        });
        let found = found.unwrap();
        assert!(calls > 3 && found.len() > 3, "{calls} {found:?}");
        assert!(found[0].chosen().times.is_some(), "{found:?}");
        let changed = found
            .iter()
            .filter(|class| class.chosen().variant != class.trials[0].variant);
        let is_changed = changed.count() > 0;
        assert_eq!(is_changed, dump(&upscaler) != before);
        assert_eq!(upscaler.take_notes(), Vec::<String>::new());
        let tuned = upscale(&mut upscaler);
        let psnr = metrics::psnr_rgb(&expected, &tuned, 0).unwrap();
        assert!(psnr > 50.0, "{psnr}");
        // Another process has the same kernels.
        let other = open();
        assert_eq!(dump(&other), dump(&upscaler));
    }

    fn dump(upscaler: &Upscaler) -> String {
        let prepared = upscaler.prepare(6, 5).unwrap();
        srdiff::plan::dump_program(prepared.program(), &prepared.memory())
    }
}
