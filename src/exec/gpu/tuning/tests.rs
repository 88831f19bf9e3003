//! Tuning on every adapter of this machine.

mod classes;
mod turns;

use super::{Effort, Outcome, Trial, Tuned, TunedClass, Tuner, Tuning, Work};
use crate::exec::gpu::{AdapterSummary, Lowered, test_adapters};
use crate::graph::{Element, Graph, GraphBuilder, Role, Shape, fuse};
use crate::model::{Model, PhaseOptions, phases};
use crate::ops::{Conv2d, Op, Padding};
use crate::plan::{Precision, Variant};
use std::ops::ControlFlow;
use std::time::Duration;

type Change = Box<dyn Fn(Variant, &mut Lowered) + Send + Sync>;

/// What a test does to the kernels that are tried.
pub(super) struct Hook {
    /// Changes a kernel.
    pub kernel: Change,
    /// Whether wrong results are right.
    pub trusts: bool,
    /// How many kernels of each node are tried.
    pub most: usize,
}

impl Default for Hook {
    fn default() -> Self {
        Self {
            kernel: Box::new(|_, _| ()),
            trusts: false,
            most: usize::MAX,
        }
    }
}

/// One convolution of an image.
fn convolution(channels: usize, [h, w]: [usize; 2]) -> Work {
    let mut b = GraphBuilder::new("predict");
    let shape = Shape::new(1, channels, h, w);
    let x = b.value("x", shape, Role::State, Element::Float).unwrap();
    let y = b.value("y", shape, Role::State, Element::Float).unwrap();
    let weight = Shape::new(channels, channels, 3, 3);
    let weight = b.parameter("weight", weight).unwrap();
    let bias = b.parameter("bias", Shape::vector(channels)).unwrap();
    let op = Op::Conv2d(Conv2d::new(3, Padding::Zero));
    b.push_into(&[y], op, &[x, weight, bias]).unwrap();
    Work {
        graph: b.build(),
        runs: 1,
    }
}

const EFFORT: Effort = Effort {
    budget: None,
    rounds: 3,
    length: Duration::ZERO,
    tests_all: true,
    kinds_first: false,
};

/// As many kernels as a test needs.
const FEW: usize = 3;

/// Tries a few kernels on every adapter in f32, and in f16 where it can.
fn on_every_adapter(test: impl Fn(Tuner)) {
    for adapter in test_adapters() {
        test(tuner(&adapter, Precision::F32));
        if adapter.f16 {
            test(tuner(&adapter, Precision::F16));
        }
    }
}

fn tuner(adapter: &AdapterSummary, precision: Precision) -> Tuner {
    let mut tuner = Tuner::new(adapter, precision, EFFORT);
    tuner.hook.most = FEW;
    tuner
}

fn tune(tuner: &mut Tuner, work: &[Work]) -> Vec<TunedClass> {
    let mut go_on = |_, _| ControlFlow::Continue(());
    tuner.tune(work, &Tuning::default(), &mut go_on).unwrap()
}

/// The only class of one convolution.
fn tune_one(tuner: &mut Tuner) -> TunedClass {
    let mut tuned = tune(tuner, &[convolution(8, [40, 48])]);
    assert_eq!(tuned.len(), 1, "{tuned:?}");
    tuned.remove(0)
}

#[test]
fn kernels_that_are_right_are_timed() {
    on_every_adapter(|mut tuner| {
        let tuned = tune_one(&mut tuner);
        assert_eq!(tuned.trials.len(), FEW);
        for Trial { variant, outcome } in &tuned.trials {
            let Outcome::Timed(times) = outcome else {
                panic!("{variant}: {outcome:?}");
            };
            assert!(times.microseconds > 0.0 && times.static_microseconds > 0.0);
        }
        assert!(tuned.chosen().times.is_some());
    });
}

/// The kernels of the only class, that of the static rule first.
fn kernels(tuner: &mut Tuner, work: &[Work]) -> Vec<Variant> {
    tuner.effort_mut().budget = Some(Duration::ZERO);
    let listed = tune(tuner, work).remove(0).trials;
    tuner.effort_mut().budget = None;
    listed.iter().map(|trial| trial.variant).collect()
}

/// Has one kernel compute its first tile alone: nothing is as fast.
fn skip_work(tuner: &mut Tuner, of: Variant) {
    tuner.hook.kernel = Box::new(move |variant, lowered| {
        // The first phase packs.
        let phases = lowered.phases.iter_mut().skip(1);
        for command in phases.flat_map(|phase| &mut phase.commands) {
            if variant == of {
                command.workgroups = [1; 3];
            }
        }
    });
}

fn is_timed(trial: &Trial) -> bool {
    matches!(trial.outcome, Outcome::Timed(_))
}

fn is_refused(trial: &Trial) -> bool {
    matches!(trial.outcome, Outcome::Refused(_))
}

#[test]
fn a_wrong_kernel_is_refused_although_it_is_the_fastest() {
    on_every_adapter(|mut tuner| {
        // Large, so that a large GPU takes longer for it than for nothing.
        let size = match tuner.is_software() {
            true => [64, 64],
            false => [256, 256],
        };
        let work = [convolution(16, size)];
        let wrong = kernels(&mut tuner, &work)[1];
        skip_work(&mut tuner, wrong);
        for tests_all in [true, false] {
            tuner.effort_mut().tests_all = tests_all;
            let tuned = tune(&mut tuner, &work).remove(0);
            let Outcome::Refused(reason) = &tuned.trials[1].outcome else {
                panic!("{tuned:?}");
            };
            assert!(reason.contains("wrong result"), "{reason}");
            assert_ne!(tuned.chosen().variant, wrong);
            assert!(is_timed(&tuned.trials[0]), "{tuned:?}");
            assert!(!is_refused(&tuned.trials[2]), "{tuned:?}");
        }
        // Whoever does not look at the result takes it.
        tuner.hook.trusts = true;
        let tuned = tune(&mut tuner, &work).remove(0);
        assert_eq!(tuned.chosen().variant, wrong, "{tuned:?}");
    });
}

/// Without the static rule's kernel, the next one that works takes its part.
#[test]
fn the_static_rule_is_tested_as_others_are() {
    on_every_adapter(|mut tuner| {
        let work = [convolution(8, [40, 48])];
        let usual = kernels(&mut tuner, &work)[0];
        skip_work(&mut tuner, usual);
        let tuned = tune(&mut tuner, &work).remove(0);
        assert!(is_refused(&tuned.trials[0]), "{tuned:?}");
        assert!(tuned.trials[1..].iter().all(is_timed), "{tuned:?}");
        assert_ne!(tuned.chosen().variant, usual);
    });
}

/// The driver refuses a kernel, and with it the device.
#[test]
fn a_kernel_that_fails_harms_no_other() {
    on_every_adapter(|mut tuner| {
        let work = [convolution(8, [40, 48]), convolution(4, [40, 48])];
        let broken = kernels(&mut tuner, &work)[1];
        tuner.hook.kernel = Box::new(move |variant, lowered| {
            let modules = lowered.modules.iter_mut();
            for module in modules.filter(|module| module.shader != "pack") {
                if variant == broken {
                    module.source = "this is no WGSL".to_owned();
                }
            }
        });
        let tuned = tune(&mut tuner, &work);
        assert_eq!(tuned.len(), 2);
        for class in &tuned {
            let refused: Vec<bool> = class.trials.iter().map(is_refused).collect();
            assert_eq!(refused, [false, true, false], "{class:?}");
            let timed: Vec<bool> = class.trials.iter().map(is_timed).collect();
            assert_eq!(timed, [true, false, true], "{class:?}");
        }
        // The device is not lost to it twice.
        let reason = |class: &TunedClass| format!("{:?}", class.trials[1].outcome);
        assert!(
            reason(&tuned[1]).contains("failed with it before"),
            "{tuned:?}"
        );
    });
}

/// Others may still work when a driver can compile none of one kind.
#[test]
fn kernels_of_a_kind_that_keeps_failing_are_given_up() {
    on_every_adapter(|mut tuner| {
        tuner.hook.most = usize::MAX;
        tuner.effort_mut().tests_all = false;
        let work = [convolution(32, [16, 16])];
        let is_gemm = |variant: &Variant| matches!(variant, Variant::Gemm { .. });
        let listed = kernels(&mut tuner, &work);
        // Two are tried.
        assert!(listed.iter().filter(|variant| is_gemm(variant)).count() > 2);
        tuner.hook.kernel = Box::new(move |variant, lowered| {
            let modules = lowered.modules.iter_mut();
            for module in modules.filter(|module| module.shader != "pack") {
                if is_gemm(&variant) {
                    module.source = "this is no WGSL".to_owned();
                }
            }
        });
        let tuned = tune(&mut tuner, &work).remove(0);
        let of = |is_wanted: &dyn Fn(&Variant) -> bool| -> Vec<String> {
            let trials = tuned.trials.iter().filter(|t| is_wanted(&t.variant));
            trials.map(|trial| format!("{:?}", trial.outcome)).collect()
        };
        let given_up = |outcome: &String| outcome.contains("others of its kind");
        let gemm = of(&is_gemm);
        assert_eq!(gemm.iter().filter(|o| !given_up(o)).count(), 2, "{gemm:?}");
        let others = of(&|variant| !is_gemm(variant));
        let is_measured = |o: &String| o.starts_with("Timed") || o.starts_with("Slower");
        assert!(others.iter().all(is_measured), "{others:?}");
    });
}

/// The test of results must not refuse kernels that are right: all kinds of
/// nodes of a model.
#[test]
fn the_static_rule_passes_for_every_node_of_a_model() {
    let options = PhaseOptions::new([16, 16]);
    let graphs = phases::build(Model::starter().settings(), &options).unwrap();
    let work = |graph: &Graph| Work {
        graph: fuse(graph),
        runs: 1,
    };
    let work: Vec<Work> = graphs.iter().map(work).collect();
    on_every_adapter(|mut tuner| {
        tuner.hook.most = 1;
        let tuned = tune(&mut tuner, &work);
        assert!(tuned.len() > 10, "{}", tuned.len());
        for class in tuned {
            assert!(
                matches!(class.trials[0].outcome, Outcome::Timed(_)),
                "{class:?}"
            );
        }
    });
}

#[test]
fn what_is_known_is_not_timed_again_and_time_is_kept() {
    on_every_adapter(|mut tuner| {
        let work = [convolution(8, [40, 48]), convolution(4, [40, 48])];
        let all = tune(&mut tuner, &work);
        assert_eq!(all.len(), 2);
        let entries = all
            .iter()
            .map(|class| (class.class.clone(), class.chosen()));
        let mut known: Tuning = entries.collect();
        assert!(tuner.missing(&work, &known).unwrap().is_empty());
        // A kernel that the node cannot have is as good as none.
        let wrong = Tuned {
            variant: Variant::Winograd,
            times: None,
        };
        known.insert(all[1].class.clone(), wrong);
        let missing = tuner.missing(&work, &known).unwrap();
        let missing: Vec<&str> = missing.iter().map(|(class, _)| class).collect();
        assert_eq!(missing, [all[1].class.as_str()]);
        // No time at all.
        tuner.effort_mut().budget = Some(Duration::ZERO);
        for class in tune(&mut tuner, &work) {
            assert!(class.trials.iter().all(|t| t.outcome == Outcome::Untimed));
            let chosen = class.chosen();
            assert_eq!(chosen.variant, class.trials[0].variant);
            assert_eq!(chosen.times, None);
        }
        // Cancelled: nothing is known of what was not finished.
        let mut stop = |_, _| ControlFlow::Break(());
        let cancelled = tuner.tune(&work, &Tuning::default(), &mut stop).unwrap();
        assert_eq!(cancelled, []);
    });
}

#[test]
fn what_is_slower_is_not_tested_and_not_chosen() {
    on_every_adapter(|mut tuner| {
        tuner.effort_mut().tests_all = false;
        let tuned = tune_one(&mut tuner);
        assert!(is_timed(&tuned.trials[0]), "{tuned:?}");
        let chosen = tuned.chosen().variant;
        for trial in &tuned.trials {
            let is_slower = matches!(trial.outcome, Outcome::Slower(_));
            assert!(is_slower || is_timed(trial), "{tuned:?}");
            assert!(!is_slower || trial.variant != chosen, "{tuned:?}");
        }
    });
}
