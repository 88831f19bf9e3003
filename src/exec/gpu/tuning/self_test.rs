//! Whether a kernel computes what it should: compared with the CPU, on random
//! numbers.

use super::node_graph::{PHASE, Weights, arrays, values};
use crate::exec::{Backend, ExecError, Executor, PrepareError, StepRecord, Target};
use crate::graph::{Graph, Value};
use crate::ops::ensure;
use crate::plan::Precision;
use std::sync::Arc;

/// Error, over the largest result, that rounding alone explains: twice what the
/// kernel tests allow, for both sides round.
const ROUNDING: f32 = 2e-5;

/// A unit of f16's 11 bits: of each result that is stored in it. Some drivers cut
/// off where others round, which Vulkan allows.
const ROUNDING_OF_F16: f32 = 1.02 / 1024.0;

/// A node alone, and what has to stand in all arrays after it has run.
pub struct Reference {
    arrays: Vec<Array>,
    /// The largest result.
    largest: f32,
}

/// An array before and after.
struct Array {
    name: String,
    before: Vec<f32>,
    after: Vec<f32>,
}

impl Reference {
    /// Runs the node on the CPU.
    ///
    /// # Errors
    /// When the CPU cannot compute it.
    pub fn new(graph: &Graph) -> Result<Self, PrepareError> {
        let target = Target::cpu(Precision::F32);
        let graphs = std::slice::from_ref(graph);
        let prepared = target.prepare_with(graphs, &*target.chooser(), false)?;
        let backend = Backend::cpu(Precision::F32, Arc::new(Weights(graph.clone())));
        let mut executor = backend.load_prepared(prepared)?;
        let array = |array: &Value| Array {
            name: array.name.clone(),
            before: values(array),
            after: Vec::new(),
        };
        let mut reference = Self {
            arrays: arrays(graph).map(array).collect(),
            largest: 0.0,
        };
        reference.run(executor.as_mut())?;
        for &id in graph.nodes.iter().flat_map(|node| &node.outputs) {
            let results = executor.read(&graph.value(id).name)?;
            let largest = reference.largest;
            reference.largest = results.iter().fold(largest, |most, v| most.max(v.abs()));
        }
        for array in &mut reference.arrays {
            array.after = executor.read(&array.name)?;
        }
        Ok(reference)
    }

    fn run(&self, executor: &mut dyn Executor) -> Result<(), ExecError> {
        for array in &self.arrays {
            executor.write(&array.name, &array.before)?;
        }
        executor.set_records(&[StepRecord::default()])?;
        executor.run(PHASE, 0)?;
        executor.wait(0)
    }

    /// Runs the node on an executor that has loaded it, and compares all
    /// arrays: what is no result must be as it was.
    pub fn check(
        &self,
        executor: &mut dyn Executor,
        precision: Precision,
    ) -> Result<Result<(), String>, ExecError> {
        self.run(executor)?;
        self.check_again(executor, precision)
    }

    /// Compares what is there after more runs.
    pub fn check_again(
        &self,
        executor: &mut dyn Executor,
        precision: Precision,
    ) -> Result<Result<(), String>, ExecError> {
        let relative = match precision {
            Precision::F32 => ROUNDING,
            Precision::F16 => ROUNDING + ROUNDING_OF_F16,
            Precision::Bf16 => ROUNDING + 4.0 * ROUNDING_OF_F16,
        };
        let allowed = relative * self.largest;
        for array in &self.arrays {
            let found = executor.read(&array.name)?;
            if let Err(reason) = array.compare(&found, allowed) {
                return Ok(Err(reason));
            }
        }
        Ok(Ok(()))
    }
}

impl Array {
    fn compare(&self, found: &[f32], allowed: f32) -> Result<(), String> {
        let Self { name, after, .. } = self;
        ensure!(found.len() == after.len(), "'{name}' has another size");
        // A NaN is not close to anything.
        let is_close = |(found, expected): (&f32, &f32)| (found - expected).abs() <= allowed;
        if let Some(at) = found.iter().zip(after).position(|pair| !is_close(pair)) {
            let (found, expected) = (found[at], after[at]);
            return Err(format!("gives a wrong result ({found}, not {expected})"));
        }
        Ok(())
    }
}
