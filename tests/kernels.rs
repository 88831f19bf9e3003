//! Every operation's kernels against f64 references, on every executor.
//!
//! Each case on each executor is a test of its own, `CASE on EXECUTOR`.

#[path = "kernels/arrays.rs"]
mod arrays;
#[path = "kernels/case.rs"]
mod case;
#[path = "kernels/cases/mod.rs"]
mod cases;
#[path = "kernels/compare.rs"]
mod compare;
#[path = "kernels/differences.rs"]
mod differences;
#[path = "kernels/executor.rs"]
mod executor;
#[path = "kernels/expected.rs"]
mod expected;
#[path = "kernels/fusion.rs"]
mod fusion;
#[path = "../benches/kernels/gpu_peak.rs"]
mod gpu_peak;
#[path = "kernels/loading.rs"]
mod loading;
#[path = "kernels/lowering.rs"]
mod lowering;
#[path = "support/models.rs"]
mod models;
#[path = "kernels/negative.rs"]
mod negative;
#[path = "kernels/packing.rs"]
mod packing;
#[path = "reference/mod.rs"]
mod reference;
#[path = "kernels/subjects.rs"]
mod subjects;
#[path = "support/mod.rs"]
mod support;
#[path = "kernels/training.rs"]
mod training;
#[path = "kernels/variants.rs"]
mod variants;

use case::Case;
use compare::Trial;
use libtest_mimic::{Arguments, Failed, Trial as Test};
use srdiff::plan::Precision;
use std::sync::Arc;
use subjects::Subject;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let mut tests = negative::tests();
    tests.extend(differences::tests());
    let subjects: Vec<Arc<Subject>> = subjects::subjects().into_iter().map(Arc::new).collect();
    tests.extend(lowering::tests());
    // Checks of indices are for kernels; the rest is tried as users run it.
    let unchecked = subjects.iter().filter(|subject| !subject.checked);
    let unchecked: Vec<Arc<Subject>> = unchecked.cloned().collect();
    tests.extend(executor::tests(&unchecked));
    tests.extend(fusion::tests(&unchecked));
    tests.extend(loading::tests(&unchecked));
    tests.extend(packing::tests(&subjects));
    tests.extend(training::tests(&subjects));
    tests.extend(variants::tests(&subjects));
    for case in cases::all() {
        for subject in subjects.iter().filter(|subject| subject.tries(&case)) {
            tests.extend(test(&case, subject));
        }
    }
    for subject in subjects::cpu_variants().into_iter().map(Arc::new) {
        for case in cases::conv2d::cases() {
            tests.extend(test(&case, &subject));
        }
    }
    for subject in &subjects {
        for (subject, case) in variants::tried(subject) {
            tests.extend(test(&case, &subject));
        }
    }
    if subjects.iter().all(|subject| !subject.is_gpu()) {
        tests.push(missing_gpu());
    }
    let conclusion = libtest_mimic::run(&arguments, tests);
    // After the others, and one by one.
    let alone = Arguments {
        test_threads: Some(1),
        ..arguments
    };
    let last = libtest_mimic::run(&alone, executor::tests_alone(&unchecked));
    match conclusion.has_failed() {
        true => conclusion.exit_code(),
        false => last.exit_code(),
    }
}

/// A case on a subject, unless it needs what the subject lacks.
fn test(case: &Case, subject: &Arc<Subject>) -> Option<Test> {
    let formats = case.formats.iter();
    let mut formats = formats.flat_map(|formats| [formats.f32, formats.float]);
    if !subject.has_f16() && formats.any(|format| format.precision == Precision::F16) {
        return None;
    }
    let (case, subject) = (case.clone(), subject.clone());
    let name = format!("{} on {}", case.name, subject.name);
    Some(Test::test(name, move || {
        let (trial, outcome) = Trial::run(&case, &subject)?;
        let worst = trial.check(&outcome)?;
        if std::env::var_os("SRDIFF_SHOW_ERRORS").is_some() {
            println!("{worst:9.2e} {} on {}", case.name, subject.name);
        }
        Ok(())
    }))
}

/// Stands in the list, ignored, where there is no adapter; fails where there
/// has to be one.
fn missing_gpu() -> Test {
    let required = support::gpu_required();
    let test = move || match required {
        true => Err(Failed::from(
            "SRDIFF_REQUIRE_GPU=1, and there is no adapter",
        )),
        false => Ok(()),
    };
    Test::test("every case on a GPU: there is no adapter", test).with_ignored_flag(!required)
}
