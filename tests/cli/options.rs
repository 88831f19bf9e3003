//! Every option that a message names is one that the command has.

use super::folder::Folder;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

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
    static KNOWN: Mutex<BTreeMap<String, BTreeSet<String>>> = Mutex::new(BTreeMap::new());
    if let Some(known) = KNOWN.lock().unwrap().get(command) {
        return known.clone();
    }
    let run = Folder::new().run(&[command, "--help"]);
    assert_eq!(run.code, 0, "{run:?}");
    let found = options(&run.stdout);
    let mut known = KNOWN.lock().unwrap();
    known.insert(command.to_owned(), found.clone());
    found
}

/// The options that a message of a command names and the command has not.
fn unknown(command: &str, message: &str) -> Vec<String> {
    // Options of cargo are not ours.
    let of_cargo = |part: &&str| part.starts_with("cargo ");
    let ours: Vec<&str> = message.split('`').filter(|part| !of_cargo(part)).collect();
    let named = options(&ours.join("`"));
    if named.is_empty() {
        return Vec::new();
    }
    named.difference(&options_of(command)).cloned().collect()
}

/// Fails when a message of a command names an option that the command has not.
pub fn check_names(command: &str, message: &str) {
    let unknown = unknown(command, message);
    assert!(
        unknown.is_empty(),
        "{command} has no {unknown:?}: {message}"
    );
}

#[test]
fn a_wrong_name_is_noticed() {
    let found = options("`--heads` or --res-rescale; |---| a -- b --9 `--x.");
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["--heads", "--res-rescale", "--x"]);
    let message = "give --groups or --attention-heads, not --heads";
    assert_eq!(unknown("convert", message), ["--heads"]);
    assert_eq!(unknown("upscale", "use --groups"), ["--groups"]);
    assert!(unknown("info", "no options").is_empty());
}
