//! A model on the CPU, and its programs.

use super::kernel::{Kernel, Loading};
use super::memory::{Memory, Threads, failure};
use super::{
    accumulate, activation_gradient, adam, channel_sum, conv_transpose2d,
    conv_transpose2d_gradient, conv2d, conv2d_weight_gradient, convert, count_non_finite, dilate,
    fold_border, group_norm, group_norm_gradient, linear, linear_attention,
    linear_attention_gradient, loss, pack, pointwise, sampling, squared_norms, upsample_bicubic,
    upsample_nearest, upsample_nearest_gradient,
};
use crate::exec::elements::{gather, scatter};
use crate::exec::records::check_rows;
use crate::exec::{ExecError, Executor, StepRecord, lock};
use crate::graph::{Parameters, Role, Shape, read_parameter};
use crate::ops::Op;
use crate::plan::{
    MemoryReport, Owner, PACK, Phase, PlannedNode, PlannedValue, Precision, Program, Slot,
    TimeTable,
};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Bytes of tensors in f32 that are packed at once, far less than what
/// [`has_spare`](crate::host_memory::has_spare) has seen to.
const PACKED_AT_ONCE: usize = 16 << 20;

/// A model on the CPU, its weights packed once for all that it loads.
pub struct CpuBackend {
    precision: Precision,
    parameters: Arc<dyn Parameters>,
    packed: Mutex<HashMap<String, Arc<Memory>>>,
}

impl CpuBackend {
    /// `precision` is how feature maps and weights are stored: f32 or bf16.
    pub fn new(precision: Precision, parameters: Arc<dyn Parameters>) -> Self {
        Self {
            precision,
            parameters,
            packed: Mutex::default(),
        }
    }

    /// Loads a program: allocates its memory and packs the weights that no
    /// earlier program has packed. Work is spread over the threads of rayon's
    /// current pool.
    ///
    /// # Errors
    /// When the program is none that the planner makes for a CPU, a parameter
    /// is missing, or memory runs out.
    pub fn load(&self, program: Program) -> Result<CpuExecutor, ExecError> {
        // Kernels write through addresses: what the planner promises must hold.
        program.check()?;
        let mut packed = lock(&self.packed);
        let shared = !is_trainable(&program);
        let known = |slot: &Slot| match &slot.owner {
            Owner::Packed(name) if shared => packed.get(name).cloned(),
            _ => None,
        };
        let known: Vec<_> = program.slots.iter().map(known).collect();
        let fresh: Vec<bool> = known.iter().map(Option::is_none).collect();
        let slots = allocate(&program.slots, known).ok_or_else(|| ExecError::OutOfMemory {
            device: "the CPU".to_owned(),
            needed_mib: program.memory.total_bytes().div_ceil(1 << 20),
            hint: String::new(),
        })?;
        let mut owners = program.slots.iter().map(|slot| &slot.owner);
        let threads = owners.position(|owner| *owner == Owner::Threads);
        let threads = threads.map(|slot| slots[slot].clone());
        let threads = Arc::new(Threads::new(threads, program.threads));
        let load_phase = |phase: &Phase| -> Result<Vec<Kernel>, ExecError> {
            let load = |node| {
                load(&Loading {
                    phase,
                    node,
                    slots: &slots,
                    threads: &threads,
                })
            };
            phase.nodes.iter().map(load).collect()
        };
        let phases = program.phases.iter();
        let executor = CpuExecutor {
            kernels: phases.map(load_phase).collect::<Result<_, _>>()?,
            slots,
            records: vec![StepRecord::default()],
            tables: program.time_tables(),
            program,
        };
        executor.pack(&*self.parameters, &fresh)?;
        if shared {
            for (slot, memory) in executor.program.slots.iter().zip(&executor.slots) {
                if let Owner::Packed(name) = &slot.owner {
                    packed.insert(name.clone(), memory.clone());
                }
            }
        }
        Ok(executor)
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    pub fn packed_weights(&self) -> usize {
        lock(&self.packed).len()
    }
}

/// The memory of all slots that are not `known`, unless there is not enough.
/// Packed weights outlive the program, so they have a block of their own.
fn allocate(slots: &[Slot], known: Vec<Option<Arc<Memory>>>) -> Option<Vec<Arc<Memory>>> {
    let is_packed = |slot: &Slot| matches!(slot.owner, Owner::Packed(_));
    let fresh = slots
        .iter()
        .zip(&known)
        .filter(|(_, known)| known.is_none());
    let fresh = fresh.filter(|(slot, _)| is_packed(slot));
    let sizes: Vec<u64> = fresh.map(|(slot, _)| slot.bytes).collect();
    let mut packed = Memory::all_zeroed(&sizes)?.into_iter();
    let mut memory = |(slot, known): (&Slot, Option<Arc<Memory>>)| match known {
        None if is_packed(slot) => packed.next().map(Arc::new),
        None => Memory::zeroed(slot.bytes).map(Arc::new),
        known => known,
    };
    slots.iter().zip(known).map(&mut memory).collect()
}

/// A program loaded on the CPU: its memory, and a kernel for each node.
pub struct CpuExecutor {
    // Kernels hold addresses inside the slots, so they go first.
    kernels: Vec<Vec<Kernel>>,
    slots: Vec<Arc<Memory>>,
    program: Program,
    records: Vec<StepRecord>,
    tables: Vec<TimeTable>,
}

impl CpuExecutor {
    /// Packs the weights whose slots are new.
    fn pack(&self, parameters: &dyn Parameters, fresh: &[bool]) -> Result<(), ExecError> {
        let Some(index) = self.program.phases.iter().position(|p| p.name == PACK) else {
            return Ok(());
        };
        let (phase, kernels) = (&self.program.phases[index], &self.kernels[index]);
        let is_trainable = is_trainable(&self.program);
        let pack = |(node, kernel): (&PlannedNode, &Kernel)| -> Result<(), ExecError> {
            let plain = &phase.values[node.inputs[0]];
            let packed = &phase.values[node.outputs[0]];
            if !fresh[packed.slot] {
                return Ok(());
            }
            let tensor = read_parameter(parameters, &plain.name, plain.shape)?;
            match &node.op {
                Op::Pack(op) if !is_trainable => {
                    // SAFETY: nothing reads the weights before this is done, and
                    // each packed one has a slot of its own.
                    unsafe { pack::pack(op, &tensor, packed, &self.slots[packed.slot]) }?;
                }
                _ => {
                    self.write_value(plain, &tensor);
                    kernel(&StepRecord::default());
                }
            }
            Ok(())
        };
        let nodes: Vec<_> = phase.nodes.iter().zip(kernels).collect();
        if is_trainable {
            // One parameter may be packed in several ways.
            return nodes.into_iter().try_for_each(pack);
        }
        let mut left = &nodes[..];
        while !left.is_empty() {
            let mut bytes = 0;
            let fits = left.iter().take_while(|(node, _)| {
                bytes += phase.values[node.inputs[0]].shape.elements() * size_of::<f32>();
                bytes <= PACKED_AT_ONCE
            });
            let (now, later) = left.split_at(fits.count().max(1));
            let error = now.par_iter().find_map_first(|&node| pack(node).err());
            error.map_or(Ok(()), Err)?;
            left = later;
        }
        Ok(())
    }

    fn write_value(&self, value: &PlannedValue, elements: &[f32]) {
        // SAFETY: no kernel runs meanwhile: they run in `run`, which borrows
        // the executor mutably, and before it is there.
        let bytes = unsafe { self.slots[value.slot].bytes_mut() };
        scatter(value, elements, bytes);
    }

    fn find(&self, name: &str) -> Result<&PlannedValue, ExecError> {
        let value = self.program.find_persistent(name);
        value.ok_or_else(|| unknown("value", name))
    }
}

fn unknown(what: &str, name: &str) -> ExecError {
    failure(format!("the program has no {what} '{name}'"))
}

/// Whether parameters can be written, so that packed weights are not shared.
fn is_trainable(program: &Program) -> bool {
    let pack = program.phase(PACK);
    pack.is_some_and(|phase| phase.values.iter().any(|value| value.role == Role::State))
}

fn load(loading: &Loading) -> Result<Kernel, ExecError> {
    match &loading.node.op {
        Op::Accumulate(_) => accumulate::load(loading),
        Op::ActivationGradient(op) => activation_gradient::load(loading, op),
        Op::Adam(op) => adam::load(loading, op),
        Op::ChannelSum(op) => channel_sum::load(loading, op),
        Op::Conv2dWeightGradient(op) => conv2d_weight_gradient::load(loading, op),
        Op::ConvTranspose2dGradient(op) => conv_transpose2d_gradient::load(loading, op),
        Op::Dilate(op) => dilate::load(loading, op),
        Op::FoldBorder(op) => fold_border::load(loading, op),
        Op::GroupNormGradient(op) => group_norm_gradient::load(loading, op),
        Op::LinearAttentionGradient(op) => linear_attention_gradient::load(loading, op),
        Op::Loss(op) => loss::load(loading, op),
        Op::SquaredNorms(_) => squared_norms::load(loading),
        Op::UpsampleNearestGradient(op) => upsample_nearest_gradient::load(loading, op),
        Op::Conv2d(op) => conv2d::load(loading, op),
        Op::ConvTranspose2d(op) => conv_transpose2d::load(loading, op),
        Op::Convert(_) => convert::load(loading),
        Op::CountNonFinite(_) => count_non_finite::load(loading),
        Op::EstimateX0(_) => sampling::load_estimate_x0(loading),
        Op::GroupNorm(op) => group_norm::load(loading, op),
        Op::Linear(_) => linear::load(loading),
        Op::LinearAttention(op) => linear_attention::load(loading, op),
        Op::Noise(_) => sampling::load_noise(loading),
        Op::Pack(op) => pack::load(loading, op),
        Op::Pointwise(op) => pointwise::load(loading, op),
        Op::Reconstruct(op) => sampling::load_reconstruct(loading, op),
        Op::SamplerUpdate(op) => sampling::load_sampler_update(loading, op),
        Op::UpsampleBicubic(op) => upsample_bicubic::load(loading, op),
        Op::UpsampleNearest(op) => upsample_nearest::load(loading, op),
    }
}

impl Executor for CpuExecutor {
    fn write(&mut self, name: &str, elements: &[f32]) -> Result<(), ExecError> {
        let value = self.find(name)?;
        self.write_value(value, elements);
        Ok(())
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, ExecError> {
        let value = self.find(name)?;
        // SAFETY: no kernel runs while the executor is borrowed here.
        gather(value, unsafe { self.slots[value.slot].bytes() })
    }

    fn set_records(&mut self, records: &[StepRecord]) -> Result<(), ExecError> {
        check_rows(records, &self.tables).map_err(failure)?;
        self.records = records.to_vec();
        Ok(())
    }

    fn run(&mut self, phase: &str, record: usize) -> Result<(), ExecError> {
        let mut phases = self.program.phases.iter();
        let index = phases.position(|known| known.name == phase);
        // Shared weights are packed once, before anyone reads them.
        let index = index.filter(|_| phase != PACK || is_trainable(&self.program));
        let index = index.ok_or_else(|| unknown("phase", phase))?;
        let (record, kernels) = (self.records[record], &self.kernels[index]);
        match phase == PACK {
            // Each packs a weight of its own, of parameters that have their own
            // memory.
            true => kernels.par_iter().for_each(|kernel| kernel(&record)),
            // On a thread of the pool. Another one would go to sleep for each
            // kernel, and be woken again.
            false => rayon::scope(|_| kernels.iter().for_each(|kernel| kernel(&record))),
        }
        Ok(())
    }

    fn wait(&mut self, _pending: usize) -> Result<(), ExecError> {
        // Runs are done when they return.
        Ok(())
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        self.program.find_persistent(name).map(|value| value.shape)
    }

    fn memory(&self) -> MemoryReport {
        self.program.memory
    }

    fn allocated_bytes(&self) -> u64 {
        self.slots.iter().map(|slot| slot.len() as u64).sum()
    }
}
