//! Kernels on the device that they are timed on.

use super::super::contest::Contest;
use super::super::fixed_chooser::FixedChooser;
use super::super::measure::Loaded;
use super::super::node_graph::Weights;
use super::{Failed, Tuner};
use crate::exec::Target;
use crate::exec::gpu::{AdapterKind, Gpu, GpuBackend, GpuOptions, Lowered};
use crate::graph::Graph;
use crate::plan::Variant;
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// What a run of a node alone may take; the static rule's take milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same of a software adapter, which shares the CPU with everybody.
const PATIENCE_WITH_SOFTWARE: Duration = Duration::from_secs(60);

/// Kernels of one kind that the device failed with, after which the others are given up: what a driver cannot
/// compile in one shader, such as matrices, it can in none of its tiles.
const MOST_FAILURES_OF_A_KIND: usize = 2;

impl Tuner {
    pub(super) fn load(&mut self, contest: &Contest, variant: Variant) -> Result<Loaded, Failed> {
        let graph = Graph {
            nodes: vec![contest.graph.nodes[0].clone(); contest.repeats],
            ..contest.graph.clone()
        };
        self.load_graph(&graph, variant, contest.repeats)
    }

    pub(super) fn load_graph(
        &mut self,
        graph: &Graph,
        variant: Variant,
        repeats: usize,
    ) -> Result<Loaded, Failed> {
        let lowered = self.lower(graph, variant)?;
        let needed = lowered.memory.total_bytes();
        // Two are loaded at a time.
        if self.memory_limit.is_some_and(|limit| 2 * needed > limit) {
            let needed = needed.div_ceil(1 << 20);
            return Err(Failed::Refused(format!("needs {needed} MiB")));
        }
        let weights = Arc::new(Weights(graph.clone()));
        let backend = GpuBackend::new(self.gpu()?, self.precision, weights);
        Ok(Loaded {
            // SAFETY: lowered here.
            executor: unsafe { backend.load(lowered) }?,
            repeats,
        })
    }

    /// Why a kernel is not tried at all, after what the device failed with.
    pub(super) fn gives_up(&self, variant: Variant) -> Option<&'static str> {
        if self.failed.contains(&variant) {
            return Some("the device failed with it before");
        }
        let kind = std::mem::discriminant(&variant);
        let alike = self.failed.iter().map(std::mem::discriminant);
        let is_hopeless = alike.filter(|&other| other == kind).count() >= MOST_FAILURES_OF_A_KIND;
        is_hopeless.then_some("the device failed with others of its kind")
    }

    /// Compiles on all cores what is tried one after the other. If that fails, the
    /// device does, too; each is compiled on its own then, and whose fault it was
    /// turns out.
    pub(super) fn compile_all(&mut self, variants: &[Variant], contest: &Contest) -> bool {
        let Ok(gpu) = self.gpu() else {
            return false;
        };
        let tuner: &Self = self;
        // The two have most kernels in common.
        let compile = |&variant: &Variant| {
            [&contest.odd, &contest.graph]
                .iter()
                .all(|graph| match tuner.lower(graph, variant) {
                    Ok(lowered) => gpu.compile(&lowered).is_ok(),
                    Err(_) => true,
                })
        };
        let variants = variants.par_iter();
        let variants = variants.filter(|&&variant| tuner.gives_up(variant).is_none());
        let compiled: Vec<bool> = variants.map(compile).collect();
        !compiled.contains(&false)
    }

    pub(super) fn lower(&self, graph: &Graph, variant: Variant) -> Result<Lowered, Failed> {
        let chooser = FixedChooser {
            rule: self.rule(),
            variant,
        };
        let target = Target::gpu(&self.adapter, self.precision);
        let prepared = target.prepare_with(std::slice::from_ref(graph), &chooser, false);
        let prepared = prepared.map_err(|error| Failed::Refused(error.to_string()))?;
        let lowered = prepared.lowered().cloned();
        #[allow(unused_mut)] // a test changes it
        let mut lowered = lowered.ok_or_else(|| Failed::Refused("is no GPU's".to_owned()))?;
        #[cfg(test)]
        (self.hook.kernel)(variant, &mut lowered);
        Ok(lowered)
    }

    pub(super) fn gpu(&mut self) -> Result<Arc<Gpu>, Failed> {
        if let Some(gpu) = &self.gpu {
            return Ok(gpu.clone());
        }
        let gpu = Gpu::open(self.adapter.index, GpuOptions::default())?;
        let patience = match self.adapter.kind {
            AdapterKind::Software => PATIENCE_WITH_SOFTWARE,
            _ => PATIENCE,
        };
        let gpu = Arc::new(gpu.with_patience(patience));
        self.gpu = Some(gpu.clone());
        Ok(gpu)
    }
}
