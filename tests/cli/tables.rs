//! The commands that print tables.

use super::folder::Folder;
use srdiff::exec::gpu::list_adapters;
use std::fs;

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
        let largest = adapter.max_binding_bytes.min(adapter.max_buffer_bytes) >> 20;
        for (column, expected) in [
            ("index", adapter.index.to_string().as_str()),
            ("name", &adapter.name),
            ("type", adapter.kind.name()),
            ("backend", &adapter.backend),
            ("driver", &adapter.driver),
            ("f16", yes(adapter.f16)),
            ("matrix", yes(adapter.cooperative_matrix)),
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

/// A full disk is not taken for success; a reader that has gone away is.
#[cfg(target_os = "linux")]
#[test]
fn answers_that_cannot_be_written() {
    use std::process::{Command, Stdio};
    let run = |stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_srdiff"));
        let output = command.arg("info").stdout(stdout).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let (code, stderr) = run(full.into());
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.starts_with("error: standard output cannot be written"),
        "{stderr}"
    );
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(run(writer.into()), (Some(0), String::new()));
}

#[test]
fn samplers_are_measured() {
    let folder = Folder::new();
    fs::create_dir(folder.path("set")).unwrap();
    folder.draw("set/a.png", 40, 36);
    folder.draw("set/b.png", 33, 50);
    folder.write("set/MANIFEST.tsv", b"not a picture\n");
    let options = [
        "-d",
        "cpu",
        "-m",
        "tiny.safetensors",
        "--samplers",
        "ddim,dpm++",
        "-n",
        "2,3",
    ];
    let run = folder.run(&[&["evaluate", "set"], &options[..]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    let rows: Vec<Vec<&str>> = run
        .stdout
        .lines()
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let names: Vec<[&str; 2]> = rows[2..].iter().map(|row| [row[0], row[1]]).collect();
    let expected = [
        ["bicubic", "-"],
        ["ddim", "2"],
        ["ddim", "3"],
        ["dpm++", "2"],
        ["dpm++", "3"],
    ];
    assert_eq!(names, expected);
    for row in &rows[2..] {
        assert_eq!(row.len(), rows[0].len(), "{row:?}");
        let psnr: f64 = row[2].parse().unwrap();
        assert!((2.0..60.0).contains(&psnr), "{row:?}");
    }
}

#[test]
fn folders_that_cannot_be_measured() {
    let folder = Folder::new();
    fs::create_dir(folder.path("empty")).unwrap();
    folder.refuses(&["evaluate", "no"], 3, &["no: ", "cannot be listed"]);
    folder.refuses(&["evaluate", "empty"], 3, &["empty: ", "holds no images"]);
    fs::create_dir(folder.path("small")).unwrap();
    // Cropped to multiples of 8, less than 11 besides a border of 4.
    folder.draw("small/z.png", 64, 23);
    let tiny = ["-d", "cpu", "-m", "tiny.safetensors", "-n", "1"];
    // Before any work: not even the device is named.
    folder.refuses(
        &[&["evaluate", "small"], &tiny[..]].concat(),
        3,
        &["z.png: ", "is smaller than 24x24"],
    );
    folder.draw("small/z.png", 64, 24);
    let run = folder.run(&[&["evaluate", "small"], &tiny[..]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    fs::create_dir(folder.path("set")).unwrap();
    folder.draw("set/a.png", 40, 36);
    let steps = ["evaluate", "set", "-d", "cpu", "-n", "0"];
    folder.refuses(&steps, 2, &["--steps 0"]);
}
