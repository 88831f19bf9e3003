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
#[path = "kernels/executor.rs"]
mod executor;
#[path = "kernels/expected.rs"]
mod expected;
#[path = "kernels/lowering.rs"]
mod lowering;
#[path = "kernels/negative.rs"]
mod negative;
#[path = "reference/mod.rs"]
mod reference;
#[path = "kernels/subjects.rs"]
mod subjects;
#[path = "support/mod.rs"]
mod support;

use compare::Trial;
use libtest_mimic::{Arguments, Failed, Trial as Test};
use std::sync::Arc;
use subjects::Subject;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let mut tests = negative::tests();
    let subjects: Vec<Arc<Subject>> = subjects::subjects().into_iter().map(Arc::new).collect();
    tests.extend(lowering::tests());
    tests.extend(executor::tests(&subjects));
    for case in cases::all() {
        for subject in &subjects {
            let (case, subject) = (case.clone(), subject.clone());
            let name = format!("{} on {}", case.name, subject.name);
            tests.push(Test::test(name, move || {
                let (trial, outcome) = Trial::run(&case, &subject)?;
                let worst = trial.check(&outcome)?;
                if std::env::var_os("SRDIFF_SHOW_ERRORS").is_some() {
                    println!("{worst:9.2e} {} on {}", case.name, subject.name);
                }
                Ok(())
            }));
        }
    }
    if subjects.iter().all(|subject| !subject.is_gpu()) {
        tests.push(missing_gpu());
    }
    libtest_mimic::run(&arguments, tests).exit_code()
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
