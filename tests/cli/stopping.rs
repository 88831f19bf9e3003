//! Signals, and what killed runs leave.

use super::folder::{FAST, Folder};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `upscale` on slow pictures, sends a signal once the first is at work,
/// and gives the exit code and what was said on stderr.
#[cfg(unix)]
fn stopped_by(signal: &str, folder: &Folder, args: &[&str]) -> (Option<i32>, String) {
    let steps = ["--steps", "100"];
    disturbed(folder, &[&steps, args].concat(), |id| send(signal, id))
}

#[cfg(unix)]
fn send(signal: &str, id: u32) {
    let kill = Command::new("kill")
        .args([signal, &id.to_string()])
        .status();
    assert!(kill.unwrap().success());
}

/// Runs `upscale`, does something when the first picture is at work, given the
/// process's number, and gives the exit code and what was said on stderr.
fn disturbed(folder: &Folder, args: &[&str], act: impl FnOnce(u32)) -> (Option<i32>, String) {
    // The line about the device: what follows is work.
    let args = [&["upscale", "--device", "cpu"], args].concat();
    disturbed_after("CPU (", folder, &args, act)
}

/// Runs the binary, does something when the first line on stderr is there, and gives the
/// exit code and the other lines.
fn disturbed_after(
    start: &str,
    folder: &Folder,
    args: &[&str],
    act: impl FnOnce(u32),
) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_srdiff"))
        .current_dir(folder.path(""))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with(start), "{line}");
    act(child.id());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    (child.wait().unwrap().code(), rest)
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_run_after_the_step() {
    let folder = Folder::new();
    folder.draw("large.png", 128, 128);
    let before = folder.names();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let (ended, said) = stopped_by(signal, &folder, &["large.png"]);
        assert_eq!(ended, Some(code), "{said}");
        assert_eq!(said, "error: stopped before the result was written\n");
        assert_eq!(folder.names(), before);
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_blending_after_the_step() {
    let folder = Folder::new();
    folder.draw_with_alpha("large.png", 256, 256);
    let before = folder.names();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let args = [
            "blend",
            "large.png",
            "-d",
            "cpu",
            "-n",
            "100",
            "-o",
            "a.jpg",
        ];
        // What the format cannot hold is told once the device is open.
        let stop = |id| send(signal, id);
        let (ended, said) = disturbed_after("note: JPEG", &folder, &args, stop);
        assert_eq!(ended, Some(code), "{said}");
        assert_eq!(said, "error: stopped before the result was written\n");
        assert_eq!(folder.names(), before);
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_was_stopped_is_resumed() {
    let folder = Folder::new();
    fs::create_dir(folder.path("photos")).unwrap();
    folder.draw("photos/a.png", 4, 4);
    folder.draw("photos/b.png", 128, 128);
    folder.draw("photos/c.png", 4, 4);
    folder.upscale(&["photos/a.png", "-o", "large/"]);
    let args = ["photos", "-o", "large"];
    let (code, said) = stopped_by("-INT", &folder, &args);
    assert_eq!(code, Some(130), "{said}");
    let told = "error: stopped; 1 of 3 images are done, and the same command does the rest\n";
    assert!(said.ends_with(told), "{said}");
    let run = folder.upscale(&args);
    assert!(run.stderr.contains("2 done, 1 there already"), "{run:?}");
    assert_eq!(folder.load("large/b_x4.png").width(), 512);
    assert!(folder.names().iter().all(|name| !name.contains(".tmp")));
}

/// Nobody asked for it to be overwritten.
#[test]
fn a_file_that_appears_during_the_run_stays() {
    let folder = Folder::new();
    folder.draw("large.png", 48, 48);
    let args = ["large.png", "-o", "out.png", "--steps", "10"];
    let (code, said) = disturbed(&folder, &args, |_| folder.write("out.png", b"mine"));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("out.png: exists already"), "{said}");
    assert_eq!(fs::read(folder.path("out.png")).unwrap(), b"mine");
}

/// What a killed run has left goes, what a living one writes stays.
#[test]
fn leftovers_are_removed() {
    let folder = Folder::new();
    folder.write(".srdiff-killed.tmp", b"half a picture");
    folder.write(".srdiff-living.tmp", b"half a picture");
    folder.write(".other.tmp", b"somebody else's");
    let living = fs::File::open(folder.path(".srdiff-living.tmp")).unwrap();
    living.lock().unwrap();
    folder.upscale(&["in.png"]);
    let names = folder.names();
    let expected = [
        ".other.tmp",
        ".srdiff-living.tmp",
        "in.png",
        "in_x4.png",
        "tiny.safetensors",
    ];
    assert_eq!(names, expected);
}

#[test]
fn every_command_that_writes_removes_leftovers() {
    let folder = Folder::new();
    fs::create_dir(folder.path("set")).unwrap();
    folder.draw("set/a.png", 48, 48);
    folder.draw("large.png", 48, 48);
    let of_model = &FAST[..4];
    let checkpoint =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints/srdiff-zip.ckpt");
    let checkpoint = checkpoint.to_str().unwrap();
    for args in [
        &["blend", "large.png", "--steps", "1"][..],
        &["evaluate", "set", "--steps", "1", "--json", "report.json"],
        &["evaluate", "set", "--steps", "1", "--grid", "grid.png"],
        &["convert", checkpoint, "model.safetensors", "--groups", "4"],
    ] {
        folder.write(".srdiff-killed.tmp", b"half a picture");
        let run = match args[0] {
            "convert" => folder.run(args),
            _ => folder.run(&[args, of_model].concat()),
        };
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        let names = folder.names();
        assert!(
            !names.contains(&".srdiff-killed.tmp".to_owned()),
            "{args:?}"
        );
    }
}

/// Whether a process has begun to write a file in a folder: one that is open and
/// has bytes, but no name, or not yet its own.
#[cfg(target_os = "linux")]
fn is_writing(id: u32, folder: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{id}/fd")) else {
        return false;
    };
    open.flatten().any(|file| {
        let name = fs::read_link(file.path()).unwrap_or_default();
        let is_result = name.parent() == Some(folder)
            && (name.to_string_lossy().ends_with(" (deleted)")
                || name.to_string_lossy().ends_with(".tmp"));
        is_result && fs::metadata(file.path()).is_ok_and(|file| file.len() > 0)
    })
}

/// SIGKILL leaves no time to tidy up.
#[cfg(target_os = "linux")]
#[test]
fn a_run_that_is_killed_in_the_middle_of_a_file_leaves_no_half_of_it() {
    let folder = Folder::new();
    folder.draw("large.png", 400, 400);
    folder.write("out.png", b"an older result");
    let before = folder.names();
    let real = fs::canonicalize(folder.path("")).unwrap();
    let tiles = [
        "--model",
        "tiny.safetensors",
        "--steps",
        "1",
        "--tile",
        "32",
    ];
    let output = ["large.png", "-o", "out.png", "--force"];
    let (code, said) = disturbed(&folder, &[&tiles[..], &output].concat(), |id| {
        while !is_writing(id, &real) {
            let is_running = Path::new(&format!("/proc/{id}/exe")).exists();
            assert!(is_running, "it ended before it was seen writing");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let kill = Command::new("kill")
            .args(["-KILL", &id.to_string()])
            .status();
        assert!(kill.unwrap().success());
    });
    assert_eq!(code, None, "{said}");
    let older = fs::read(folder.path("out.png")).unwrap();
    assert_eq!(older, b"an older result");
    // What it may have left goes with the next run.
    folder.upscale(&["in.png", "-o", "out.png", "--force"]);
    assert_eq!(folder.names(), before);
}

/// The limit on the size of files is an ordinary error: of several results,
/// those below it are written.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_on_the_size_of_files_does_not_stop_the_others() {
    let folder = Folder::new();
    folder.draw("large.png", 64, 64);
    let binary = env!("CARGO_BIN_EXE_srdiff");
    let fast = FAST.join(" ");
    let command = format!("ulimit -f 8; exec {binary} large.png in.png {fast} -f tif -o out");
    let output = Command::new("sh")
        .current_dir(folder.path(""))
        .args(["-c", &command])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("out/large_x4.tif: cannot be written"),
        "{message}"
    );
    assert_eq!(
        folder.names(),
        [
            "in.png",
            "large.png",
            "out",
            "out/in_x4.tif",
            "tiny.safetensors"
        ]
    );
}
