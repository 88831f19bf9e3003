//! Each file says what it computes, and each binding what shape it has.

use srdiff::exec::gpu::shader::Shader;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A file that the table does not know would pass by every other test.
#[test]
fn the_table_of_shaders_is_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let paths = fs::read_dir(folder).expect("the folder of shaders");
    let files: BTreeSet<String> = paths
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .map(|path| {
            path.file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let table = Shader::ALL
        .iter()
        .map(|shader| format!("{}.wgsl", shader.name()));
    assert_eq!(files, table.collect());
}

#[test]
fn files_open_with_what_they_compute_and_bindings_end_with_shapes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut checked = 0;
    for folder in [root.clone(), root.join("include")] {
        for entry in fs::read_dir(folder).expect("the folder of shaders") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|ending| ending != "wgsl") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a shader");
            let problems = problems(&text, path.parent() == Some(&root));
            assert!(problems.is_empty(), "{}: {problems:?}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} shaders found");
}

fn problems(text: &str, is_kernel: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let header: Vec<&str> = text
        .lines()
        .take_while(|line| line.starts_with("//"))
        .collect();
    if header.is_empty() {
        problems.push("no opening comment".to_owned());
    }
    if is_kernel {
        for word in ["Layout", "Dispatch"] {
            if !header.iter().any(|line| line.contains(word)) {
                problems.push(format!("the opening comment does not tell the {word}"));
            }
        }
    }
    for line in text.lines().filter(|line| line.contains("@binding(")) {
        if !line.contains("; // ") {
            problems.push(format!("no shape behind: {line}"));
        }
    }
    problems
}

#[test]
fn missing_comments_are_noticed() {
    assert_eq!(problems("fn f() {}", false).len(), 1);
    assert_eq!(problems("// x\nfn f() {}", true).len(), 2);
    let bare = "// Layout, Dispatch\n@group(0) @binding(1) var<storage> x: array<f32>;";
    assert_eq!(problems(bare, true).len(), 1);
}
