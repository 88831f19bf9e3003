//! From a program to dispatches.

use super::kernels::{self, Kernel, Source};
use super::lowered::{
    Access, Bound, Buffer, BufferUse, COUNTER_BYTES, Command, Lowered, LoweredPhase, Module,
    Pipeline, PipelineBinding, UNIFORM_STRIDE, Weight,
};
use super::shader::{Binding, BindingKind, Entry, Specialised};
use crate::exec::ExecError;
use crate::graph::Role;
use crate::ops::{Op, ensure};
use crate::plan::{
    Format, Layout, MemoryReport, PACK, Phase, PlanError, PlannedNode, PlannedValue, Precision,
    Program,
};
use naga::ScalarKind;
use std::collections::BTreeMap;

/// Work of a dispatch at most, unless told otherwise: a slow integrated GPU,
/// which computes 20 GFLOP/s, takes half a second for it. Drivers call a GPU
/// hung after two.
pub const MAX_DISPATCH_FLOPS: u64 = 10_000_000_000;

/// Bytes that results are read through at once, at least and at most.
const MIN_READBACK: u64 = 1 << 16;
const MAX_READBACK: u64 = 16 << 20;

/// Lowers a program. Convolutions of more than `max_dispatch_flops` are split
/// into dispatches of some rows each.
///
/// # Errors
/// When the program is none that the planner makes for a GPU.
pub fn lower(program: &Program, max_dispatch_flops: u64) -> Result<Lowered, ExecError> {
    let mut lowering = Lowering {
        program,
        max_dispatch_flops,
        modules: Vec::new(),
        pipelines: Vec::new(),
        uniforms: Vec::new(),
    };
    let mut phases = Vec::new();
    let mut weights = Vec::new();
    for phase in &program.phases {
        let mut commands = Vec::new();
        for (index, node) in phase.nodes.iter().enumerate() {
            let first_command = commands.len();
            let wrong = |reason| PlanError::invalid(&phase.name, node.op.name(), reason);
            commands.extend(lowering.node(phase, node, index).map_err(wrong)?);
            if phase.name == PACK {
                let plain = &phase.values[node.inputs[0]];
                weights.push(Weight {
                    tensor: plain.name.clone(),
                    shape: plain.shape,
                    plain: plain.slot,
                    packed: phase.values[node.outputs[0]].slot,
                    first_command,
                    commands: commands.len() - first_command,
                });
            }
        }
        phases.push(LoweredPhase {
            name: phase.name.clone(),
            commands,
        });
    }
    let values = host_values(program);
    let outputs = values.iter().filter(|value| value.role == Role::Output);
    let outputs = outputs.map(|value| program.slots[value.slot].bytes);
    let largest = outputs.max().unwrap_or(0);
    let uniform_bytes = 4 * lowering.uniforms.len() as u64;
    let time_tables = program.time_tables();
    // A sampler can have as many steps as the model's schedule has timesteps.
    let rows = time_tables.iter().map(|table| table.rows).max();
    let records = rows.unwrap_or(0) as u64 + 1;
    // The count of work comes with the result, not in a round trip of its own.
    let readback_bytes = largest.next_multiple_of(4) + COUNTER_BYTES;
    let readback_bytes = readback_bytes.clamp(MIN_READBACK, MAX_READBACK);
    let own = [
        (BufferUse::Uniforms, uniform_bytes.max(UNIFORM_STRIDE)),
        (BufferUse::Records, UNIFORM_STRIDE * records),
        (BufferUse::Readback, readback_bytes),
    ];
    let executor_bytes = own.iter().map(|(_, bytes)| bytes).sum();
    let slots = program.slots.iter();
    let slots = slots.map(|slot| (BufferUse::Slot(slot.owner.clone()), slot.bytes));
    let is_tensor = |value: &PlannedValue| weights.iter().any(|w| w.tensor == value.name);
    Ok(Lowered {
        memory: MemoryReport {
            executor_bytes,
            // Read as they are stored, then put in order.
            host_bytes: program.memory.host_bytes + largest,
            ..program.memory
        },
        buffers: slots
            .chain(own)
            .map(|(role, bytes)| Buffer { role, bytes })
            .collect(),
        modules: lowering.modules,
        pipelines: lowering.pipelines,
        uniforms: lowering.uniforms,
        trainable: values.iter().any(is_tensor),
        values,
        weights,
        time_tables,
        phases,
    })
}

/// Refuses arrays that the shaders would misread: they know blocks of 4
/// channels, and some of them tensors.
fn check_layouts(phase: &Phase, node: &PlannedNode) -> Result<(), String> {
    if matches!(node.op, Op::Convert(_) | Op::Pack(_)) {
        return Ok(());
    }
    let reads = kernels::reads_tensors(&node.op);
    let writes = |index| kernels::writes_tensor(&node.op, index);
    let inputs = node.inputs.iter().map(|id| (id, reads));
    let outputs = node.outputs.iter().enumerate();
    let outputs = outputs.map(|(index, id)| (id, writes(index)));
    for (&id, takes_tensors) in inputs.chain(outputs) {
        let PlannedValue {
            name,
            format,
            packing,
            ..
        } = &phase.values[id];
        let has_layout = packing.is_some()
            || format.layout == Layout::ChannelBlocks4
            || (takes_tensors && *format == Format::TENSOR);
        let is_known = has_layout && format.precision != Precision::Bf16;
        ensure!(is_known, "reads or writes '{name}' in {format}");
    }
    Ok(())
}

/// Inputs, states and outputs, each once.
fn host_values(program: &Program) -> Vec<PlannedValue> {
    let mut values: Vec<PlannedValue> = Vec::new();
    for value in program.phases.iter().flat_map(|phase| &phase.values) {
        let lives_on = value.role.is_persistent() && value.role != Role::Packed;
        if lives_on && !values.iter().any(|known| known.name == value.name) {
            values.push(value.clone());
        }
    }
    values
}

struct Lowering<'a> {
    program: &'a Program,
    max_dispatch_flops: u64,
    modules: Vec<Module>,
    pipelines: Vec<Pipeline>,
    uniforms: Vec<u32>,
}

/// The index of an item, which is made if it is not there.
fn index_of<T>(items: &mut Vec<T>, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> usize {
    items.iter().position(is).unwrap_or_else(|| {
        items.push(make());
        items.len() - 1
    })
}

impl Lowering<'_> {
    fn node(
        &mut self,
        phase: &Phase,
        node: &PlannedNode,
        index: usize,
    ) -> Result<Vec<Command>, String> {
        check_layouts(phase, node)?;
        let kernels = kernels::lower(&Source {
            phase,
            node,
            max_dispatch_flops: self.max_dispatch_flops,
        })?;
        let flops = phase.node_flops(node) / kernels.len().max(1) as u64;
        let mut commands = Vec::new();
        for kernel in kernels {
            let specialised = Specialised::new(kernel.shader, &kernel.parameters)?;
            let entry = specialised.entry(kernel.entry);
            let entry =
                entry.ok_or_else(|| format!("{} has no {}", kernel.shader, kernel.entry))?;
            commands.push(Command {
                pipeline: self.pipeline(&kernel, &specialised, entry)?,
                node: index,
                bindings: self.bind(phase, &kernel, entry)?,
                workgroups: kernel.workgroups,
                flops,
            });
        }
        Ok(commands)
    }

    fn pipeline(
        &mut self,
        kernel: &Kernel,
        specialised: &Specialised,
        entry: &Entry,
    ) -> Result<usize, String> {
        let Kernel {
            shader, parameters, ..
        } = kernel;
        let mut constants = BTreeMap::new();
        for &(name, value) in &kernel.constants {
            let is_override = specialised.overrides.contains(name);
            ensure!(is_override, "{shader} has no override {name}");
            constants.insert(name.to_owned(), value);
        }
        let module = index_of(
            &mut self.modules,
            |known| known.shader == *shader && known.parameters == *parameters,
            || Module {
                shader: (*shader).to_owned(),
                parameters: parameters.clone(),
                source: specialised.source.clone(),
            },
        );
        let binding = |binding: &Binding| PipelineBinding {
            index: binding.index,
            name: binding.name.clone(),
            access: match binding.kind {
                BindingKind::Uniform { bytes, .. } => Access::Uniform(bytes),
                BindingKind::Array { writes: true, .. } => Access::ReadWrite,
                BindingKind::Array { writes: false, .. } => Access::Read,
            },
        };
        let pipeline = Pipeline {
            module,
            entry: kernel.entry.to_owned(),
            constants,
            bindings: entry.group_0().map(binding).collect(),
            reads_record: entry.bindings.iter().any(|binding| binding.group == 1),
        };
        let is_same = |known: &Pipeline| *known == pipeline;
        Ok(index_of(&mut self.pipelines, is_same, || pipeline.clone()))
    }

    /// Binds by name what the entry point uses, and fills its uniform struct
    /// by the names of its members.
    fn bind(
        &mut self,
        phase: &Phase,
        kernel: &Kernel,
        entry: &Entry,
    ) -> Result<Vec<Bound>, String> {
        let Kernel { shader, arrays, .. } = kernel;
        check_arrays(phase, kernel, entry)?;
        let mut bound = Vec::new();
        for Binding {
            index, name, kind, ..
        } in entry.group_0()
        {
            let (buffer, offset, bytes) = match kind {
                BindingKind::Uniform { bytes, members } => {
                    let offset = 4 * self.uniforms.len() as u64;
                    self.uniforms
                        .extend(kernel.fill(members, *bytes as usize / 4)?);
                    let words = self.uniforms.len();
                    let aligned = words.next_multiple_of(UNIFORM_STRIDE as usize / 4);
                    self.uniforms.resize(aligned, 0);
                    (self.program.slots.len(), offset, u64::from(*bytes))
                }
                BindingKind::Array { writes, scalar } => {
                    let array = arrays.iter().find(|(known, _)| known == name);
                    let (_, id) =
                        array.ok_or_else(|| format!("{shader}: nothing is bound to {name}"))?;
                    let value = &phase.values[*id];
                    // Packing writes bits, whatever they mean.
                    let is_bits = scalar.0 == ScalarKind::Uint;
                    let width = value.format.precision.bytes() as u8;
                    ensure!(
                        is_bits || *scalar == (ScalarKind::Float, width),
                        "{shader}: {name} holds '{}' in another type",
                        value.name
                    );
                    ensure!(
                        *writes == kernel.written.contains(id),
                        "{shader}: {name} is bound to '{}'",
                        value.name
                    );
                    (value.slot, 0, self.program.slots[value.slot].bytes)
                }
            };
            bound.push(Bound {
                index: *index,
                name: name.clone(),
                buffer,
                offset,
                bytes,
            });
        }
        Ok(bound)
    }
}

/// Refuses arrays that the shader does not use, and those in the array of a
/// result: WebGPU allows a buffer that is written to be bound once.
fn check_arrays(phase: &Phase, kernel: &Kernel, entry: &Entry) -> Result<(), String> {
    for (name, id) in &kernel.arrays {
        let is_used = entry.group_0().any(|binding| binding.name == *name);
        ensure!(is_used, "{} uses no array {name}", kernel.shader);
        let mut others = kernel.arrays.iter().filter(|(other, _)| other != name);
        let value = &phase.values[*id];
        let other = others.find(|(_, other)| phase.values[*other].slot == value.slot);
        if let (true, Some((other, _))) = (kernel.written.contains(id), other) {
            let written = &value.name;
            return Err(format!(
                "{other} lies in the array of '{written}', which it writes"
            ));
        }
    }
    Ok(())
}
