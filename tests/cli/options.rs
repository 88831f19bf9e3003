//! Options that the library's messages and documentation name are options that
//! there are.

use super::folder::Folder;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const COMMANDS: [&str; 5] = ["upscale", "devices", "evaluate", "convert", "info"];

/// Every `--name` in a text.
fn options(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("--") {
        let name: String = text[at + 2..]
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
            .collect();
        let name = name.trim_end_matches('-');
        if !text[..at].ends_with('-') && name.starts_with(|c: char| c.is_ascii_lowercase()) {
            found.insert(format!("--{name}"));
        }
    }
    found
}

/// The options of a command, as its help lists them.
fn options_of(command: &str) -> BTreeSet<String> {
    let run = Folder::new().run(&[command, "--help"]);
    assert_eq!(run.code, 0, "{run:?}");
    options(&run.stdout)
}

/// All source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// What a folder of the library mentions and `known` has not, and how many it
/// mentions.
fn unknown(folder: &str, known: &BTreeSet<String>) -> (Vec<String>, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(folder);
    let mut unknown = Vec::new();
    let mut mentions = 0;
    for path in sources(&folder) {
        for option in options(&fs::read_to_string(&path).unwrap()) {
            mentions += 1;
            if !known.contains(&option) {
                unknown.push(format!("{}: {option}", path.display()));
            }
        }
    }
    (unknown, mentions)
}

#[test]
fn the_library_names_options_that_there_are() {
    let known: BTreeSet<String> = COMMANDS.into_iter().flat_map(options_of).collect();
    let mut mentions = 0;
    for folder in [
        "diffusion",
        "exec",
        "graph",
        "image",
        "model",
        "ops",
        "upscale",
    ] {
        let (unknown, count) = unknown(folder, &known);
        assert!(unknown.is_empty(), "{unknown:#?}");
        mentions += count;
    }
    assert!(mentions > 10, "{mentions}");
}

#[test]
fn conversion_names_options_of_convert() {
    let (unknown, mentions) = unknown("model/convert", &options_of("convert"));
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(mentions > 4, "{mentions}");
}

#[test]
fn a_wrong_name_is_noticed() {
    let known = options_of("convert");
    assert!(known.contains("--attention-heads") && !known.contains("--heads"));
    let found = options("`--heads` or --res-rescale; |---| a -- b --9 `--x.");
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["--heads", "--res-rescale", "--x"]);
    let (unknown, _) = unknown("model/convert", &options("--groups"));
    assert!(!unknown.is_empty());
}
