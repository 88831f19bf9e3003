//! The rules, and what breaks them.

use super::source::{code, paths};

/// Each top module and what it may name besides itself.
const IMPORTS: &[(&str, &[&str])] = &[
    ("atomic_file", &[]),
    ("ops", &["graph"]),
    ("graph", &["ops"]),
    ("diffusion", &[]),
    ("image", &["atomic_file", "ops"]),
    ("model", &["atomic_file", "diffusion", "graph", "ops"]),
    ("exec", &["diffusion", "graph", "ops"]),
    (
        "upscale",
        &["diffusion", "exec", "graph", "image", "model", "ops"],
    ),
    (
        "cli",
        &[
            "atomic_file",
            "diffusion",
            "exec",
            "graph",
            "image",
            "model",
            "ops",
            "upscale",
        ],
    ),
];

/// Items of one module that another may name, where it may not name them all:
/// operations know shapes but no plans, plans hold operations but know none.
const ITEMS: &[(&str, &str, &[&str], &str)] = &[
    (
        "ops",
        "graph",
        &["Shape", "Element"],
        "Shape and Element alone",
    ),
    ("graph", "ops", &["Op"], "ops::Op alone"),
];

/// Crates that are named in one place only.
const CRATES: &[(&str, &str)] = &[
    ("wgpu", "exec/gpu/"),
    ("naga", "exec/gpu/"),
    ("gemm", "exec/cpu/"),
    ("clap", "cli/"),
    ("indicatif", "cli/"),
];

/// Files below `exec/gpu` that are plain data and do not know wgpu.
const WITHOUT_WGPU: &[&str] = &["exec/gpu/kernels/", "exec/gpu/shader.rs"];

const MACROS: &[&str] = &["print!", "println!", "eprint!", "eprintln!", "dbg!"];
const CALLS: &[&[&str]] = &[&["process", "exit"], &["env", "args"]];

/// What breaks a rule in the file `name` (below `src`), one sentence each.
pub fn violations(name: &str, text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let top = name.split(['/', '.']).next().unwrap_or_default();
    for path in paths(&code(text)) {
        let fault = import_fault(name, top, &path)
            .or_else(|| crate_fault(name, &path))
            .or_else(|| output_fault(top, &path));
        if let Some(fault) = fault {
            let sentence = format!("src/{name}: `{}`: {fault}", path.join("::"));
            if !found.contains(&sentence) {
                found.push(sentence);
            }
        }
    }
    found
}

fn import_fault(name: &str, top: &str, path: &[String]) -> Option<String> {
    let absolute = from_root(name, path)?;
    let to = absolute.first()?;
    if to == top {
        return executor_fault(name, &absolute);
    }
    let (_, allowed) = IMPORTS.iter().find(|(module, _)| *module == top)?;
    IMPORTS.iter().find(|(module, _)| module == to)?;
    if !allowed.contains(&to.as_str()) {
        return Some(format!("{top} must not know {to}"));
    }
    let (_, _, items, what) = ITEMS.iter().find(|(a, b, _, _)| *a == top && b == to)?;
    let item = absolute.get(1)?;
    (!items.contains(&item.as_str())).then(|| format!("{top} may know {what}"))
}

/// The two executors do not know each other.
fn executor_fault(name: &str, absolute: &[String]) -> Option<String> {
    for (own, other) in [("cpu", "gpu"), ("gpu", "cpu")] {
        let inside = name.starts_with(&format!("exec/{own}/"));
        if inside && absolute.get(1).is_some_and(|module| module == other) {
            return Some(format!("exec/{own} must not know exec/{other}"));
        }
    }
    None
}

/// The path from the crate's root, for one that starts there or climbs with
/// `super`.
fn from_root(name: &str, path: &[String]) -> Option<Vec<String>> {
    let stem = name.trim_end_matches(".rs").trim_end_matches("/mod");
    let module: Vec<&str> = stem.split('/').collect();
    let climbs = path.iter().take_while(|part| *part == "super").count();
    let rest = match path.first()?.as_str() {
        "crate" | "srdiff" => return Some(path[1..].to_vec()),
        "super" => &path[climbs..],
        _ => return None,
    };
    let kept = module.len().checked_sub(climbs)?;
    let start = module[..kept].iter().map(|part| (*part).to_owned());
    Some(start.chain(rest.iter().cloned()).collect())
}

fn crate_fault(name: &str, path: &[String]) -> Option<String> {
    let (krate, home) = CRATES.iter().find(|(krate, _)| path[0] == *krate)?;
    // A local variable or module may have a crate's name; a path goes on.
    let is_path = path.len() > 1;
    let allowed = name.starts_with(home)
        && !(*krate == "wgpu" && WITHOUT_WGPU.iter().any(|place| name.starts_with(place)));
    (is_path && !allowed).then(|| format!("{krate} is not named here"))
}

fn output_fault(top: &str, path: &[String]) -> Option<String> {
    if matches!(top, "cli" | "main") {
        return None;
    }
    let last = path.last()?;
    let ends_with = |call: &&&[&str]| {
        path.len() >= call.len() && path[path.len() - call.len()..].iter().eq(call.iter())
    };
    let what = match MACROS.iter().find(|name| *name == last) {
        Some(name) => (*name).to_owned(),
        None => CALLS.iter().find(ends_with)?.join("::"),
    };
    Some(format!("{what} belongs to the command line"))
}
