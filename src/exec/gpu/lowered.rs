//! A program as a GPU runs it: buffers, shaders, pipelines, dispatches.
//!
//! Plain data that names no graphics library. Whoever has this (it goes to
//! JSON and back), the graphs' parameters and WebGPU can run the program.

use super::template::Parameters;
use crate::exec::StepRecord;
use crate::graph::Shape;
use crate::plan::{MemoryReport, Owner, PlannedValue, TimeTable};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Distance of structs in the buffers of uniforms and of records: WebGPU's
/// default alignment.
pub const UNIFORM_STRIDE: u64 = 256;

/// Bytes of the counter of work, which is read after results.
pub const COUNTER_BYTES: u64 = 4;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lowered {
    /// Everything that is allocated. The program's slots come first.
    pub buffers: Vec<Buffer>,
    /// Shaders, each with its parameters decided.
    pub modules: Vec<Module>,
    /// Entry points of modules with their constants.
    pub pipelines: Vec<Pipeline>,
    /// Contents of the buffer of uniforms, in words.
    pub uniforms: Vec<u32>,
    /// Inputs, states and outputs: what the host writes and reads.
    pub values: Vec<PlannedValue>,
    /// How the model's tensors get to the packed weights.
    pub weights: Vec<Weight>,
    /// What step records choose rows of.
    pub time_tables: Vec<TimeTable>,
    /// Whether the tensors keep memory of their own and may change, so that
    /// the phase of packing may run again.
    pub trainable: bool,
    /// Phases, the one that packs the weights first.
    pub phases: Vec<LoweredPhase>,
    pub memory: MemoryReport,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BufferUse {
    Slot(Owner),
    /// The uniform structs of all dispatches.
    Uniforms,
    /// The step records, [`UNIFORM_STRIDE`] apart, of which a run binds one.
    Records,
    /// What results are read through.
    Readback,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    pub role: BufferUse,
    pub bytes: u64,
}

/// A shader with its template parameters decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Module {
    /// File in `shaders/`, without its ending.
    pub shader: String,
    pub parameters: Parameters,
    pub source: String,
}

/// An entry point of a module with its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Index into [`Lowered::modules`].
    pub module: usize,
    pub entry: String,
    /// Values of `override`s.
    pub constants: BTreeMap<String, f64>,
    /// What it binds in group 0.
    pub bindings: Vec<PipelineBinding>,
    /// Whether it reads a step record: group 1, binding 0.
    pub reads_record: bool,
}

/// What kind of memory a pipeline binds at an index of group 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PipelineBinding {
    pub index: u32,
    pub name: String,
    pub access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Access {
    /// A uniform struct of so many bytes.
    Uniform(u32),
    Read,
    ReadWrite,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Index into [`Lowered::pipelines`].
    pub pipeline: usize,
    /// Index of the program's node.
    pub node: usize,
    pub bindings: Vec<Bound>,
    pub workgroups: [u32; 3],
    /// Floating-point operations: they keep submits short.
    pub flops: u64,
}

/// A part of a buffer at an index of group 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    pub index: u32,
    pub name: String,
    /// Index into [`Lowered::buffers`].
    pub buffer: usize,
    pub offset: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoweredPhase {
    pub name: String,
    pub commands: Vec<Command>,
}

/// A packed weight: write the tensor to the start of a buffer, in f32 and
/// PyTorch's order, then run commands of the phase that packs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weight {
    /// The parameter's name: that of a tensor of the model.
    pub tensor: String,
    pub shape: Shape,
    /// The buffer that takes the tensor, until the commands have run.
    pub plain: usize,
    /// The buffer that keeps the packed weight.
    pub packed: usize,
    pub first_command: usize,
    pub commands: usize,
}

impl Lowered {
    pub fn buffer(&self, role: &BufferUse) -> Option<usize> {
        self.buffers.iter().position(|buffer| buffer.role == *role)
    }

    pub fn find(&self, name: &str) -> Option<&PlannedValue> {
        self.values.iter().find(|value| value.name == name)
    }
}

/// Bytes of one step record.
pub const RECORD_BYTES: u64 = size_of::<StepRecord>() as u64;
