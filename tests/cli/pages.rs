//! Help, completions, manual pages, and `srdiff photo.jpg`.

use super::folder::{FAST, Folder};
use std::fs;

#[test]
fn a_picture_alone_is_upscaled() {
    let folder = Folder::new();
    for args in [
        &[&["in.png"], &FAST[..]].concat(),
        &[&FAST[..], &["in.png", "--force"]].concat(),
    ] {
        let run = folder.run(args);
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        assert_eq!(folder.load("in_x4.png").width(), 24);
    }
}

/// A file that is called like a command needs `./`.
#[test]
fn commands_come_before_files() {
    let folder = Folder::new();
    fs::copy(folder.path("in.png"), folder.path("devices")).unwrap();
    let run = folder.run(&["devices"]);
    assert!(run.stdout.contains("cpu "), "{run:?}");
    let run = folder.run(&[&["./devices"], &FAST[..]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(folder.load("devices_x4.png").width(), 24);
    let run = folder.run(&["upscael", "in.png"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("upscale"), "{run:?}");
}

#[test]
fn help_is_given() {
    let folder = Folder::new();
    let run = folder.run(&[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("upscale") && run.stderr.contains("evaluate"));
    for command in [&["--help"][..], &["upscale", "--help"]] {
        let run = folder.run(command);
        assert_eq!(run.code, 0);
        for part in ["Examples:", "Exit codes:", "srdiff"] {
            assert!(run.stdout.contains(part), "no {part}: {run:?}");
        }
    }
}

/// The shells that are here read their completions.
#[test]
fn completions() {
    let folder = Folder::new();
    for (shell, part) in [
        ("bash", "--from-file"),
        ("zsh", "--from-file"),
        ("fish", "from-file"),
        ("powershell", "--from-file"),
    ] {
        let run = folder.run(&["completions", shell]);
        assert_eq!(run.code, 0, "{shell}: {run:?}");
        assert!(run.stdout.contains(part), "{shell}");
        folder.write(shell, run.stdout.as_bytes());
    }
    let script = "source ./bash && COMP_WORDS=(srdiff up) && COMP_CWORD=1 && _srdiff srdiff up srdiff && echo ${COMPREPLY[@]}";
    let bash = std::process::Command::new("bash")
        .current_dir(folder.path(""))
        .args(["-c", script])
        .output();
    if let Ok(output) = bash {
        let reply = String::from_utf8(output.stdout).unwrap();
        assert_eq!(reply, "upscale\n");
    }
}

#[test]
fn manual_pages() {
    let folder = Folder::new();
    let run = folder.run(&["man"]);
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains(".TH srdiff 1"), "{run:?}");
    let run = folder.run(&["man", "pages"]);
    assert_eq!(run.code, 0, "{run:?}");
    let page = fs::read_to_string(folder.path("pages/srdiff-upscale.1")).unwrap();
    for part in ["from\\-file", "shard", "Exit codes"] {
        assert!(page.contains(part), "no {part}: {page}");
    }
    assert!(folder.path("pages/srdiff.1").is_file());
    // Their folder alone is needed.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_srdiff"))
        .current_dir(folder.path(""))
        .env("TMPDIR", folder.path("absent"))
        .args(["man", "others"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        fs::read_dir(folder.path("others")).unwrap().count(),
        fs::read_dir(folder.path("pages")).unwrap().count()
    );
    folder.refuses(
        &["man", "in.png/pages"],
        4,
        &["in.png/pages: cannot be written"],
    );
}
