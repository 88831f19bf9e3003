//! Kernels chosen by timing them on the device.
//!
//! A [`Tuning`] is a table: for each [class](fn@class) of nodes, the kernel that
//! ran fastest. [`TunedChooser`] answers from it, and by the static rule where
//! it has nothing. The `Tuner` fills it: it times the kernels that pass a
//! numeric test. [`cache`] keeps it in a file.

pub mod cache;
mod class;
#[cfg(feature = "gpu")]
mod contest;
#[cfg(feature = "gpu")]
mod fixed_chooser;
#[cfg(feature = "gpu")]
mod measure;
#[cfg(feature = "gpu")]
mod node_graph;
#[cfg(feature = "gpu")]
mod outcome;
#[cfg(feature = "gpu")]
mod self_test;
#[cfg(feature = "gpu")]
mod tasks;
#[cfg(all(test, feature = "gpu"))]
mod tests;
#[cfg(feature = "gpu")]
mod tuner;

pub use class::class;
#[cfg(feature = "gpu")]
pub use outcome::{Effort, Outcome, Trial, TunedClass};
#[cfg(feature = "gpu")]
pub use tasks::Work;
#[cfg(feature = "gpu")]
pub use tuner::Tuner;

use super::AdapterSummary;
use super::kernels::{GpuChooser, variants};
use crate::graph::Element;
use crate::plan::{Choice, Chooser, Format, NodeOperands, Variant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The fastest kernels of a device, by class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuning(BTreeMap<String, Tuned>);

/// What was found for a class of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    pub variant: Variant,
    /// None if there was no time to measure it: the variant is that of the
    /// static rule.
    pub times: Option<Times>,
}

/// Of one run of a node.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    pub microseconds: f64,
    /// Of the static rule's kernel.
    pub static_microseconds: f64,
}

impl Times {
    /// Over the static rule's.
    pub fn ratio(&self) -> f64 {
        self.microseconds / self.static_microseconds
    }
}

impl Tuning {
    pub fn get(&self, class: &str) -> Option<&Tuned> {
        self.0.get(class)
    }

    pub fn insert(&mut self, class: String, tuned: Tuned) {
        self.0.insert(class, tuned);
    }

    /// Takes over all of another table.
    pub fn extend(&mut self, other: &Tuning) {
        let entries = other.0.iter().map(|(class, tuned)| (class.clone(), *tuned));
        self.0.extend(entries);
    }

    /// Forgets classes of another table that were not measured.
    pub fn forget_untimed(&mut self, of: &Tuning) {
        let is_known =
            |class: &str, tuned: &Tuned| tuned.times.is_some() || of.get(class).is_none();
        self.0.retain(|class, tuned| is_known(class, tuned));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tuned)> {
        self.0.iter().map(|(class, tuned)| (class.as_str(), tuned))
    }

    /// The variant for a node, if it is one that the node can have on the
    /// device.
    pub fn variant(
        &self,
        node: &NodeOperands,
        chooser: &dyn Chooser,
        adapter: &AdapterSummary,
    ) -> Option<Variant> {
        let tuned = self.get(&class(node, chooser)?)?;
        let possible = variants(node, adapter).contains(&tuned.variant);
        possible.then_some(tuned.variant)
    }
}

impl FromIterator<(String, Tuned)> for Tuning {
    fn from_iter<T: IntoIterator<Item = (String, Tuned)>>(entries: T) -> Self {
        Self(entries.into_iter().collect())
    }
}

/// The kernels that were measured to be the fastest; where nothing was
/// measured, the static rule.
#[derive(Clone, Debug)]
pub struct TunedChooser {
    pub rule: GpuChooser,
    pub adapter: AdapterSummary,
    pub tuning: Arc<Tuning>,
}

impl Chooser for TunedChooser {
    fn format(&self, element: Element) -> Format {
        self.rule.format(element)
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        let tuned = self.tuning.variant(node, &self.rule, &self.adapter);
        let choice = tuned.map(|variant| self.rule.choose_variant(node, variant));
        match choice {
            Some(Ok(choice)) => Ok(choice),
            _ => self.rule.choose(node),
        }
    }
}
