//! `srdiff plan`.

use super::folder::{Folder, Run};
use super::support_models::ModelFile;
use serde_json::Value;
use std::collections::BTreeSet;

const TINY: [&str; 4] = ["-d", "cpu", "-m", "tiny.safetensors"];

/// Runs `plan` with the small model on the CPU, which must succeed, say
/// nothing besides and leave no file.
fn plan(args: &[&str]) -> Run {
    let folder = Folder::new();
    let before = folder.names();
    let run = folder.run(&[&["plan"], &TINY[..], args].concat());
    assert_eq!(run.code, 0, "{args:?}: {run:?}");
    assert_eq!(run.stderr, "", "{args:?}");
    assert_eq!(folder.names(), before);
    run
}

fn json(args: &[&str]) -> Value {
    let run = plan(&[&["--json"], args].concat());
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn the_plan_of_a_size_is_that_of_an_image_of_it() {
    let folder = Folder::new();
    folder.draw("large.png", 24, 16);
    let of_image = folder.upscale(&["large.png", "--dump-plan"]).stdout;
    assert_eq!(plan(&["24x16"]).stdout, of_image);
    assert_ne!(plan(&["16x24"]).stdout, of_image);
}

#[test]
fn json_is_a_whole_program() {
    let export = json(&["23x16", "-n", "3", "--seed", "4294967303"]);
    // A margin of 4 all around, and padded to what the model needs.
    assert_eq!(export["lr_size"], serde_json::json!([32, 24]));
    assert_eq!(export["margin"], 4);
    assert_eq!(export["scale"], 4);
    let program = &export["program"];

    let modules = program["modules"].as_array().unwrap();
    for module in modules {
        let source = module["source"].as_str().unwrap();
        let parsed = naga::front::wgsl::parse_str(source);
        let parsed = parsed.unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
        assert!(!parsed.entry_points.is_empty(), "{source}");
    }
    let shaders: BTreeSet<&str> = modules
        .iter()
        .filter_map(|module| module["shader"].as_str())
        .collect();
    for shader in ["pack", "conv2d", "sampler_update", "count_non_finite"] {
        assert!(shaders.contains(shader), "{shaders:?}");
    }

    let phases: BTreeSet<&str> = program["phases"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|phase| phase["name"].as_str())
        .collect();
    let schedule: Vec<(&str, u64)> = export["schedule"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| {
            (
                run["phase"].as_str().unwrap(),
                run["record"].as_u64().unwrap(),
            )
        })
        .collect();
    let step = |record| [("predict", record), ("update", record)];
    let (before, after) = (
        [("model", 0), ("image", 0), ("condition", 0), ("start", 0)],
        [("finish", 0)],
    );
    let expected = [&before[..], &step(1), &step(2), &step(3), &after].concat();
    assert_eq!(schedule, expected);
    assert!(schedule.iter().all(|(phase, _)| phases.contains(phase)));

    // One record before the first step, then one a step; the seed in each.
    let records = export["records"].as_array().unwrap();
    assert_eq!(records.len(), 4);
    for record in records {
        assert_eq!(record.as_array().unwrap().len(), 60);
        assert_eq!([&record[2], &record[3]], [7, 1]);
    }
}

#[test]
fn json_follows_the_options() {
    let plain = json(&["8x8", "--seed", "1"]);
    assert_eq!(plain, json(&["8x8", "--seed", "1"]));
    for other in [
        &["8x8", "--seed", "2"][..],
        &["8x8", "--seed", "1", "--sampler", "ddim"],
        &["8x8", "--seed", "1", "-n", "7"],
        &["8x8", "--seed", "1", "-p", "f16"],
        &["8x10", "--seed", "1"],
    ] {
        assert!(plain != json(other), "{other:?}");
    }
}

#[test]
fn what_no_exported_program_does_is_refused() {
    let folder = Folder::new();
    for (option, told) in [
        ("--consistent", "--consistent"),
        ("--wrap", "--wrap"),
        ("--precision=bf16", "--precision bf16"),
    ] {
        folder.refuses(
            &["plan", "8x8", "--json", option],
            2,
            &[told, "leave it out"],
        );
    }
}

/// It would exit with 0, and fail in the runtime.
#[test]
fn what_goes_beyond_the_limits_of_other_runtimes_is_refused() {
    let folder = Folder::new();
    for size in ["600x600", "1x300000"] {
        let args = [&["plan", size, "--json"], &TINY[..]].concat();
        let parts = [size, "WebGPU's defaults", "choose a smaller size"];
        folder.refuses(&args, 6, &parts);
    }
    json(&["40x40", "--seed", "1"]);
}

/// An exported program starts from pure noise.
#[test]
fn the_fewest_steps_that_can_be_exported_are_told() {
    let folder = Folder::new();
    let mut model = ModelFile::of("tiny-x4");
    let config = model.metadata.get_mut("config").unwrap();
    let mut settings: Value = serde_json::from_str(config).unwrap();
    settings["beta_schedule"] = "linear".into();
    settings["timesteps"] = 9.into();
    (settings["beta_start"], settings["beta_end"]) = (1e-4.into(), 0.02.into());
    *config = settings.to_string();
    folder.write("linear.safetensors", &model.to_bytes());
    let steps = |steps: &str| {
        let args = ["plan", "8x8", "--json", "--seed", "1", "-n", steps];
        folder.run(&[&args[..], &["-m", "linear.safetensors"]].concat())
    };
    let refused = steps("2");
    assert_eq!(refused.code, 2, "{refused:?}");
    let (_, fewest) = refused.stderr.split_once("choose ").unwrap();
    let (fewest, _) = fewest.split_once(" or more").unwrap();
    let fewest: usize = fewest.parse().unwrap();
    assert_eq!(steps(&fewest.to_string()).code, 0, "{fewest}");
    assert_eq!(steps(&(fewest - 1).to_string()).code, 2, "{fewest}");
}

#[test]
fn a_random_seed_is_printed() {
    let folder = Folder::new();
    let args = ["plan", "8x8", "--json"];
    let random = folder.run(&[&args, &TINY[..]].concat());
    assert_eq!(random.code, 0, "{random:?}");
    let seed: Vec<&str> = random.stderr.split_whitespace().collect();
    assert_eq!(seed[0], "--seed");
    let again = folder.run(&[&args, &TINY[..], &seed].concat());
    assert!(again.stdout == random.stdout, "{seed:?}");
    assert_eq!(again.stderr, "");
}

/// The program is the one that an image of the size would be run with.
#[test]
fn a_plan_follows_the_options() {
    let whole = plan(&["64x48"]).stdout;
    assert!(whole.starts_with("phase "), "{whole}");
    for options in [["--tile", "32"], ["--memory-limit", "8"]] {
        let tiles = plan(&[&["64x48"], &options[..]].concat()).stdout;
        let (first, program) = tiles.split_once('\n').unwrap();
        assert!(first.starts_with("for each of "), "{options:?}: {first}");
        assert!(program.starts_with("phase "), "{options:?}: {program}");
    }
    let folder = Folder::new();
    let args = [&["plan", "8x8", "-n", "500"], &TINY[..]].concat();
    folder.refuses(&args, 2, &["--steps 500: "]);
}

#[test]
fn sizes_that_are_none() {
    let folder = Folder::new();
    for size in [
        "24",
        "x",
        "24x",
        "x16",
        "0x16",
        "24x0",
        "-4x4",
        "24x16x3",
        "24X16",
        "2.5x4",
        "axb",
        "99999999999999999999x4",
        "4x18446744073709551616",
    ] {
        // After `--`, for a size may look like an option.
        let run = folder.run(&[&["plan"], &TINY[..], &["--", size]].concat());
        assert_eq!(run.code, 2, "{size}: {run:?}");
        assert_eq!(run.stdout, "", "{size}");
        let named = format!("'{size}' for '<WIDTHxHEIGHT>'");
        for part in [&named, "give the width and height in pixels, such as 24x16"] {
            assert!(run.stderr.contains(part), "no '{part}': {run:?}");
        }
    }
    assert_eq!(folder.run(&["plan"]).code, 2);
}

#[test]
fn sizes_that_no_image_has() {
    let folder = Folder::new();
    let most = usize::MAX.to_string();
    for size in [
        "16384x16385".to_owned(),
        "1000000x1000000".to_owned(),
        format!("{most}x4"),
        format!("4x{most}"),
        format!("{most}x{most}"),
    ] {
        for json in [&[][..], &["--json"]] {
            let run = folder.run(&[&["plan", &size], &TINY[..], json].concat());
            assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{size} {json:?}");
            assert!(run.stderr.contains("at most 268435456 pixels"), "{run:?}");
        }
    }
}

#[test]
fn options_that_cannot_be() {
    let folder = Folder::new();
    let refuses = |args: &[&str], code, parts: &[&str]| {
        folder.refuses(&[&["plan", "8x8"], args].concat(), code, parts);
    };
    refuses(&["--device", "99"], 7, &["--device 99: "]);
    refuses(&["-d", "cpu", "-p", "f16"], 7, &["--precision f16: CPU ("]);
    refuses(&["-m", "no.safetensors"], 5, &["no.safetensors: "]);
    // Where there are no results.
    let run = folder.run(&["plan", "8x8", "--allow-mismatch"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("'--allow-mismatch'"), "{run:?}");
    let json = |args: &[&str], parts: &[&str]| {
        refuses(&[&["--json"], &TINY[..], args].concat(), 2, parts);
    };
    json(&["-n", "0"], &["--steps 0: "]);
    json(&["--sampler", "ddpm", "--eta", "0.5"], &["--eta", "ddim"]);
}
