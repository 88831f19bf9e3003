//! In which order kernels are tried, and what is kept when it ends before.

use super::{convolution, is_timed, kernels, on_every_adapter, tune, tuner};
use crate::exec::gpu::test_adapters;
use crate::exec::gpu::tuning::{Outcome, Tuning};
use crate::plan::Precision;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A class that is done is kept although there is a budget.
#[test]
fn classes_that_were_done_before_a_stop_are_returned() {
    on_every_adapter(|mut tuner| {
        // Of four kinds, and one more.
        tuner.hook.most = 5;
        tuner.effort_mut().budget = Some(Duration::from_secs(3600));
        let work = [convolution(8, [40, 48]), convolution(4, [40, 48])];
        let mut stop = |done, _| match done > 5 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let kept = tuner.tune(&work, &Tuning::default(), &mut stop).unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert!(kept[0].trials.iter().all(is_timed), "{kept:?}");
    });
}

/// The static rule's kernel, which the others are held against, fails when it
/// is loaded for the rest of a class.
#[test]
fn a_device_that_fails_between_two_turns_is_noted() {
    on_every_adapter(|mut tuner| {
        // Of four kinds, and one more.
        tuner.hook.most = 5;
        let work = [convolution(8, [20, 24])];
        let usual = kernels(&mut tuner, &work)[0];
        let is_second = Arc::new(AtomicBool::new(false));
        let breaks = is_second.clone();
        tuner.hook.kernel = Box::new(move |variant, lowered| {
            let modules = lowered.modules.iter_mut();
            for module in modules.filter(|module| module.shader != "pack") {
                if variant == usual && breaks.load(Ordering::Relaxed) {
                    module.source = "this is no WGSL".to_owned();
                }
            }
        });
        tuner.effort_mut().kinds_first = true;
        let mut go_on = |done, _| {
            is_second.store(done >= 4, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        let tuned = tuner.tune(&work, &Tuning::default(), &mut go_on).unwrap();
        let trials = &tuned[0].trials;
        assert!(trials[..4].iter().all(is_timed), "{trials:?}");
        assert_eq!(trials[4].outcome, Outcome::Untimed);
        assert!(tuner.has_failed());
    });
}

/// The time may be short: one kernel of each kind is tried for all nodes before
/// another of any.
#[test]
fn on_the_first_use_all_nodes_come_before_all_kernels() {
    let adapters = test_adapters();
    for adapter in &adapters {
        let mut tuner = tuner(adapter, Precision::F32);
        // Of four kinds, and one more.
        tuner.hook.most = 5;
        let work = [convolution(8, [20, 24]), convolution(4, [20, 24])];
        let mut orders = Vec::new();
        for kinds_first in [false, true] {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let noted = seen.clone();
            tuner.hook.kernel = Box::new(move |_, lowered| {
                let x = lowered.values.iter().find(|value| value.name == "x");
                noted.lock().unwrap().push(x.unwrap().shape.c);
            });
            tuner.effort_mut().kinds_first = kinds_first;
            for class in tune(&mut tuner, &work) {
                assert!(class.trials.iter().all(is_timed), "{class:?}");
                let mut kinds: Vec<_> = class
                    .trials
                    .iter()
                    .map(|trial| std::mem::discriminant(&trial.variant))
                    .collect();
                let last = kinds.pop().unwrap();
                assert!(kinds.contains(&last), "{class:?}");
                kinds.dedup();
                assert_eq!(kinds.len(), 4, "{class:?}");
            }
            let mut order = seen.lock().unwrap().clone();
            order.dedup();
            orders.push(order.len());
        }
        assert_eq!(orders, [2, 4]);
    }
}
