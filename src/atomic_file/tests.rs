//! Processes that are killed in the middle of a file.

use super::*;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::{env, thread};

/// Names the file that [`writes_half_a_file`] begins.
const TARGET: &str = "SRDIFF_TEST_HALF_A_FILE";

/// The process that the test below kills; no test of its own.
#[test]
#[ignore = "writes until it is killed"]
fn writes_half_a_file() {
    let Some(target) = env::var_os(TARGET) else {
        return;
    };
    // As where files need names from the beginning.
    let mut file = temporary(Path::new(&target)).unwrap();
    file.write_all(b"half a ").unwrap();
    println!("\nhalf");
    loop {
        thread::park();
    }
}

/// A process that has written half a file.
fn writer(target: &Path) -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture"])
        .arg("atomic_file::tests::writes_half_a_file")
        .env(TARGET, target)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "half"), "it ended early");
    child
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn half_a_file_of_a_killed_process_is_removed_and_that_of_a_living_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("result.png");
    fs::write(&target, "whole").unwrap();
    let mut killed = writer(&target);
    let of_killed = names(folder.path());
    let [half, result] = &of_killed[..] else {
        panic!("{of_killed:?}");
    };
    assert_eq!(result, "result.png");
    remove_leftovers(folder.path());
    assert_eq!(names(folder.path()), of_killed);

    killed.kill().unwrap();
    killed.wait().unwrap();
    let half = fs::read(folder.path().join(half)).unwrap();
    assert_eq!(half, b"half a ");
    let mut living = writer(&target);
    remove_leftovers(folder.path());
    let left = names(folder.path());
    assert_eq!(left.len(), 2);
    assert_ne!(left, of_killed);
    assert_eq!(fs::read(&target).unwrap(), b"whole");
    living.kill().unwrap();
    living.wait().unwrap();
}

#[test]
fn a_file_that_appears_while_another_is_written_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("result.png");
    let nameless = Draft::create(&target, false).unwrap();
    // As where files need names from the beginning.
    let named = Draft {
        file: Place::Named(temporary(&target).unwrap()),
        target: target.clone(),
        overwrite: false,
    };
    for mut draft in [nameless, named] {
        draft.file().write_all(b"result").unwrap();
        fs::write(&target, "another's").unwrap();
        assert!(matches!(draft.commit(), Err(Fault::Exists)));
        assert_eq!(fs::read(&target).unwrap(), b"another's");
        fs::remove_file(&target).unwrap();
    }
    assert_eq!(names(folder.path()), [""; 0], "nothing is left");
    let mut draft = Draft::create(&target, true).unwrap();
    draft.file().write_all(b"result").unwrap();
    fs::write(&target, "another's").unwrap();
    draft.commit().unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"result");
}
