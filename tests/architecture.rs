//! Which module may name which: imports run one way, the outside world is
//! named in one place each, and only the command line prints or exits.

#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/source.rs"]
mod source;

use rules::violations;
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn imports_run_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    assert!(paths.len() > 50, "only {} files found", paths.len());
    let mut all = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source file");
        let name = path.strip_prefix(&root).expect("below src");
        let name = name.to_str().expect("a plain name").replace('\\', "/");
        all.extend(violations(&name, &text));
    }
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn every_rule_catches_a_breach() {
    let cases = [
        ("graph/plan.rs", "use crate::exec::Executor;", "exec"),
        ("graph/plan.rs", "use crate::model::Settings;", "model"),
        ("graph/plan.rs", "use crate::ops::Conv2d;", "ops::Op alone"),
        (
            "ops/mish.rs",
            "use crate::graph::{Plan, Shape};",
            "Shape and Element alone",
        ),
        (
            "ops/mish.rs",
            "fn f() { super::super::exec::cpu::run() }",
            "exec",
        ),
        ("ops/mod.rs", "use super::model;", "model"),
        ("atomic_file.rs", "use crate::image::Picture;", "image"),
        ("exec/mod.rs", "use crate::atomic_file;", "atomic_file"),
        ("diffusion/noise.rs", "use crate::graph::Shape;", "graph"),
        ("model/unet.rs", "use crate::exec;", "exec"),
        ("model/unet.rs", "use crate::{graph::Shape, exec};", "exec"),
        ("exec/cpu/mod.rs", "use crate::model::Model;", "model"),
        (
            "exec/cpu/conv2d.rs",
            "use crate::upscale::Upscaler;",
            "upscale",
        ),
        (
            "exec/cpu/conv2d.rs",
            "use crate::exec::gpu::kernels;",
            "exec/gpu",
        ),
        (
            "exec/gpu/conv2d.rs",
            "use super::super::cpu::X;",
            "exec/cpu",
        ),
        ("upscale/mod.rs", "use crate::cli::Args;", "cli"),
        ("exec/mod.rs", "type T = wgpu::Buffer;", "wgpu"),
        ("exec/gpu/kernels/mish.rs", "use wgpu::Device;", "wgpu"),
        ("exec/gpu/shader.rs", "fn f(d: &wgpu::Device) {}", "wgpu"),
        ("model/mod.rs", "use naga::Module;", "naga"),
        ("exec/gpu/mod.rs", "use gemm::gemm;", "gemm"),
        ("upscale/mod.rs", "use clap::Parser;", "clap"),
        ("upscale/mod.rs", "use indicatif::ProgressBar;", "indicatif"),
        ("upscale/mod.rs", "fn f() { println!(\"x\"); }", "println!"),
        ("model/mod.rs", "fn f() { eprintln!(\"x\"); }", "eprintln!"),
        ("exec/mod.rs", "fn f() { dbg!(1); }", "dbg!"),
        (
            "exec/mod.rs",
            "fn f() { std::process::exit(1) }",
            "process::exit",
        ),
        ("image/mod.rs", "fn f() { std::env::args(); }", "env::args"),
    ];
    for (file, text, what) in cases {
        let found = violations(file, text);
        assert_eq!(found.len(), 1, "{file}: {text}: {found:?}");
        assert!(found[0].contains(what), "{found:?} does not say {what}");
    }
}

#[test]
fn what_is_allowed_is_let_be() {
    let cases = [
        (
            "graph/plan.rs",
            "// use crate::exec; println!\nuse crate::ops::Op;",
        ),
        (
            "graph/plan.rs",
            "/* wgpu::Device /* nested */ crate::exec */ fn f() {}",
        ),
        (
            "graph/plan.rs",
            "const X: &str = \"crate::exec \\\" println!(\";",
        ),
        (
            "graph/plan.rs",
            "const X: &str = r#\"wgpu:: \" crate::exec\"#;",
        ),
        (
            "graph/plan.rs",
            "fn f<'a>(x: &'a str) -> char { '\"' }\nuse crate::ops::Op;",
        ),
        ("ops/mish.rs", "use crate::graph::{Element, Shape};"),
        ("ops/mod.rs", "use super::graph::Shape;"),
        ("model/convert/output.rs", "use crate::atomic_file;"),
        ("exec/gpu/adapter.rs", "use wgpu::Device;"),
        ("exec/gpu/adapter.rs", "fn prepare_wgpu_print() {}"),
        ("exec/gpu/shader.rs", "use naga::Module;"),
        ("exec/cpu/products.rs", "use gemm::gemm;"),
        (
            "cli/mod.rs",
            "use clap::Parser; fn f() { println!(); std::process::exit(1) }",
        ),
        (
            "upscale/mod.rs",
            "use crate::{exec::Executor, model, image::Picture};",
        ),
    ];
    for (file, text) in cases {
        let found = violations(file, text);
        assert!(found.is_empty(), "{file}: {text}: {found:?}");
    }
}
