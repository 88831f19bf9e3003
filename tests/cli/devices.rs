//! Devices that there are; devices, samplers and steps that there are not.

use super::folder::{FAST, Folder};
use srdiff::exec::gpu::{AdapterKind, list_adapters};

#[test]
fn an_unknown_device() {
    let folder = Folder::new();
    for device in ["voodoo", "99", ""] {
        let args = ["upscale", "in.png", "--device", device];
        let named = format!("--device {device}: there is no such device");
        folder.refuses(&args, 7, &[&named, "srdiff devices"]);
    }
}

#[test]
fn software_is_used_by_name_alone() {
    let adapters = list_adapters();
    let folder = Folder::new();
    let is_software = |kind| kind == AdapterKind::Software;
    for adapter in adapters.iter().filter(|a| is_software(a.kind)) {
        let index = adapter.index.to_string();
        let args = ["upscale", "in.png", "--device", &index];
        let named = format!("--device {index}: {}", adapter.name);
        let name = adapter.name.split(" (").next().unwrap();
        let own = match name.contains(' ') {
            true => format!("(--device \"{name}\")"),
            false => format!("(--device {name})"),
        };
        let parts = [&named, "by name", &own, ", or use --device cpu"];
        folder.refuses(&args, 7, &parts);
        let named = [
            "-d",
            &adapter.name,
            "-m",
            "tiny.safetensors",
            "-n",
            "1",
            "--force",
            "-o",
            "named.png",
        ];
        let run = folder.run(&[&["upscale", "in.png"], &named[..]].concat());
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stderr.starts_with(&adapter.name), "{run:?}");
    }
    if adapters.iter().all(|a| is_software(a.kind)) {
        let args = ["upscale", "in.png", "--device", "gpu"];
        folder.refuses(
            &args,
            7,
            &["--device gpu: no GPU was found", "--device cpu"],
        );
        let args = ["upscale", "in.png", "-m", "tiny.safetensors", "-n", "1"];
        let run = folder.run(&args);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stderr.starts_with("CPU ("), "{run:?}");
        assert!(run.stderr.contains("no GPU found"), "{run:?}");
    }
}

#[test]
fn f16_on_the_cpu() {
    let folder = Folder::new();
    let args = ["in.png", "--precision", "f16"];
    let parts = ["--precision f16: CPU (", "has no f16", "--precision f32"];
    folder.refuses_upscale(&args, 7, &parts);
}

#[test]
fn bf16_where_the_cpu_multiplies_it() {
    let folder = Folder::new();
    let args = ["in.png", "--precision", "bf16"];
    if srdiff::exec::cpu::has_bf16() {
        let run = folder.upscale(&args);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stderr.contains("bf16"), "{run:?}");
        return;
    }
    let parts = ["--precision bf16: CPU (", "AVX-512 BF16", "--precision f32"];
    folder.refuses_upscale(&args, 7, &parts);
}

#[test]
fn steps_out_of_range() {
    let folder = Folder::new();
    for steps in ["0", "101", "4294967296"] {
        let args = [
            "upscale",
            "in.png",
            "-d",
            "cpu",
            "-m",
            "tiny.safetensors",
            "-n",
            steps,
        ];
        let named = format!("--steps {steps}: ");
        folder.refuses(&args, 2, &[&named, "from 1 to 100"]);
    }
    for steps in ["-1", "many", "1.5"] {
        let run = folder.run(&["upscale", "in.png", "--steps", steps]);
        assert_eq!(run.code, 2, "{run:?}");
    }
}

#[test]
fn samplers_and_eta() {
    let folder = Folder::new();
    let run = folder.run(&["upscale", "in.png", "--sampler", "euler"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("choose ddpm, ddim or dpm++"), "{run:?}");
    assert_eq!(run.stdout, "");
    assert_eq!(folder.names(), ["in.png", "tiny.safetensors"]);

    let eta = ["in.png", "--sampler", "ddpm", "--eta", "0.5"];
    folder.refuses_upscale(&eta, 2, &["--eta", "ddim"]);
    let eta = ["in.png", "--sampler", "ddim", "--eta", "1.5"];
    folder.refuses_upscale(&eta, 2, &["--eta 1.5", "from 0"]);
    let eta = ["in.png", "--sampler", "ddim", "--eta", "NaN"];
    folder.refuses_upscale(&eta, 2, &["--eta NaN"]);
    for args in [
        ["upscale", "in.png", "--sampler", "ddim:1.5"],
        ["evaluate", ".", "--samplers", "ddim:1.5"],
    ] {
        let run = folder.run(&args);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(": eta 1.5: choose"), "{run:?}");
    }
}

/// The last step adds no noise, and so does the only one.
#[test]
fn a_strength_that_changes_nothing() {
    let folder = Folder::new();
    let one = ["--steps", "1", "--strength", "0.5"];
    let upscale = ["upscale", "in.png", "-d", "cpu", "-m", "tiny.safetensors"];
    let parts = ["--strength: one step", "--steps"];
    folder.refuses(&[&upscale[..], &one].concat(), 2, &parts);
    let ddim = ["in.png", "--strength", "0.5", "--sampler", "ddim"];
    folder.refuses_upscale(&ddim, 2, &["--strength: ddim", "--sampler ddpm"]);
    folder.upscale(&["in.png", "--strength", "0.5"]);
    // Of two steps, half is one.
    let part = ["--strength", "0.5", "--amount", "0.5"];
    let blend = [&["blend", "in.png"], &FAST[..], &part].concat();
    folder.refuses(
        &blend,
        2,
        &["--strength: of 2 steps, --amount 0.5", "--steps"],
    );
}

#[test]
fn wrong_usage_is_code_2() {
    let folder = Folder::new();
    for args in [
        &["upscale"][..],
        &["enlarge", "in.png"],
        &["upscale", "in.png", "--loud"],
        &["upscale", "in.png", "--quality", "0"],
        &["upscale", "in.png", "--seed", "-1"],
    ] {
        let run = folder.run(args);
        assert_eq!(run.code, 2, "{args:?}: {run:?}");
    }
    assert_eq!(folder.names(), ["in.png", "tiny.safetensors"]);
}

/// The cells of a row, each with its column's name: columns start where their
/// names do, two blanks after the one before.
fn cells(table: &str, row: usize) -> Vec<(String, String)> {
    let header = table.lines().next().unwrap();
    let row: Vec<char> = table.lines().nth(row).unwrap().chars().collect();
    let mut starts = vec![0];
    let chars: Vec<char> = header.chars().collect();
    starts
        .extend((2..chars.len()).filter(|&at| chars[at - 2..at] == [' ', ' '] && chars[at] != ' '));
    let part = |of: &[char], index: usize| {
        let end = starts
            .get(index + 1)
            .map_or(of.len(), |&end| end.min(of.len()));
        let text: String = of[starts[index].min(end)..end].iter().collect();
        text.trim_end().to_owned()
    };
    let columns = 0..starts.len();
    columns
        .map(|index| (part(&chars, index), part(&row, index)))
        .collect()
}

#[test]
fn devices_are_listed() {
    let folder = Folder::new();
    let run = folder.run(&["devices"]);
    assert_eq!(run.code, 0, "{run:?}");
    let cpu = run.stdout.lines().last().unwrap();
    assert!(cpu.starts_with("cpu") && cpu.contains("thread"), "{run:?}");
    let adapters = list_adapters();
    for adapter in &adapters {
        let cells = cells(&run.stdout, 1 + adapter.index);
        let yes = |has: bool| if has { "yes" } else { "no" };
        let sides = adapter.matrix_sides.iter();
        let sides: Vec<String> = sides.map(|side| format!("{side}x{side}")).collect();
        let matrix = if sides.is_empty() {
            "no".to_owned()
        } else {
            sides.join(" ")
        };
        let largest = adapter.max_binding_bytes.min(adapter.max_buffer_bytes) >> 20;
        for (column, expected) in [
            ("index", adapter.index.to_string().as_str()),
            ("name", &adapter.name),
            ("type", adapter.kind.name()),
            ("backend", &adapter.backend),
            ("driver", &adapter.driver),
            ("f16", yes(adapter.f16)),
            ("matrix", &matrix),
            ("subgroups", yes(adapter.subgroups)),
            ("timestamps", yes(adapter.timestamps)),
            ("largest array", &format!("{largest} MiB")),
            ("grid", &adapter.max_workgroups.to_string()),
        ] {
            let found = cells.iter().find(|(name, _)| name == column);
            let found = found.map(|(_, cell)| cell.as_str());
            assert_eq!(found, Some(expected), "{column}: {run:?}");
        }
    }

    let run = folder.run(&["devices", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let listed = json["adapters"].as_array().unwrap();
    let names: Vec<&str> = listed.iter().filter_map(|a| a["name"].as_str()).collect();
    let expected: Vec<&str> = adapters.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, expected);
    assert!(
        json["cpu"]["threads"]
            .as_u64()
            .is_some_and(|threads| threads > 0)
    );
}
