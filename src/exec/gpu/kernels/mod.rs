//! From the steps of a plan to dispatches: which shader, which constants,
//! which buffers, how many workgroups. Plain data: nothing here knows wgpu.
//!
//! This is the seam for kernel variants: [`lower`] decides, for each step,
//! which kernel runs it and how its weights are packed.

mod check;
mod conv2d;
mod conv_transpose2d;
mod elementwise;
mod group_norm;
mod image_pack;
mod linear;
mod linear_attention;
mod noise;
mod pack;
mod reconstruct;
mod sampler_update;
mod split;
mod upsample;
mod view;

pub use pack::Packing;

use super::adapter::AdapterSummary;
use super::shader::{ArrayType, Shader};
use crate::exec::ExecError;
use crate::graph::{Plan, PlannedValue, Precision, Step, Storage};
use crate::ops::Op;
use view::View;

/// What is bound at one index of group 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    /// The slot of a value (index into the plan's values).
    Value(usize),
    /// A weight, packed for this kernel and stored in this precision.
    Parameter {
        /// Index into the plan's values.
        value: usize,
        /// Order of elements.
        packing: Packing,
        /// Element type.
        precision: Precision,
    },
    /// Zeros, for a bias that a layer lacks.
    Zeros {
        /// Number of vec4.
        blocks: usize,
    },
    /// Something that is never read, for operands that a variant lacks.
    Dummy,
}

/// One run of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// File.
    pub shader: Shader,
    /// Entry point.
    pub entry: &'static str,
    /// Storage types of its arrays.
    pub types: Vec<ArrayType>,
    /// Values of its `override`s.
    pub constants: Vec<(&'static str, f64)>,
    /// Words of its uniform struct, binding 0.
    pub dims: Vec<u32>,
    /// Its arrays: binding index and what is bound there.
    pub bindings: Vec<(u32, Binding)>,
    /// Grid.
    pub workgroups: [u32; 3],
    /// Floating-point operations, to keep submits short.
    pub flops: u64,
}

/// What kernels are chosen for. Plain data, so that choices can be tested for
/// devices that are not there.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The device.
    pub adapter: &'a AdapterSummary,
    /// Floating-point operations that a convolution's dispatch may have;
    /// larger ones are split by rows.
    pub max_dispatch_flops: u64,
}

impl<'a> Target<'a> {
    /// Work of a dispatch at most, unless told otherwise: a slow integrated
    /// GPU, which computes 20 GFLOP/s, takes half a second for it. Drivers call
    /// a GPU hung after two.
    pub const MAX_DISPATCH_FLOPS: u64 = 10_000_000_000;

    /// An adapter, with dispatches of ordinary size.
    pub fn of(adapter: &'a AdapterSummary) -> Self {
        Self {
            adapter,
            max_dispatch_flops: Self::MAX_DISPATCH_FLOPS,
        }
    }
}

/// Chooses and describes the kernels of one step.
///
/// # Errors
/// When the step cannot run on this kind of device.
///
/// # Panics
/// When the plan puts an operand where no kernel can use it.
pub fn lower(plan: &Plan, step: &Step, target: &Target) -> Result<Vec<Dispatch>, ExecError> {
    let context = Lowering { plan, step, target };
    let mut dispatches = match &step.op {
        Op::Conv2d(op) => conv2d::lower(&context, op)?,
        Op::ConvTranspose2d(op) => conv_transpose2d::lower(&context, op),
        Op::Copy(_) => elementwise::lower(&context, Shader::Copy, "copy"),
        Op::GroupNorm(op) => group_norm::lower(&context, op),
        Op::ImagePack(_) => image_pack::lower_pack(&context),
        Op::ImageUnpack(op) => image_pack::lower_unpack(&context, op),
        Op::Linear(_) => linear::lower(&context),
        Op::LinearAttention(op) => linear_attention::lower(&context, op),
        Op::Mish(_) => elementwise::lower(&context, Shader::Mish, "mish_each"),
        Op::Noise(_) => noise::lower(&context),
        Op::Reconstruct(op) => reconstruct::lower(&context, op),
        Op::SamplerUpdate(op) => sampler_update::lower(&context, op),
        Op::UpsampleBicubic(op) => upsample::lower_bicubic(&context, op)?,
        Op::UpsampleNearest(op) => upsample::lower_nearest(&context, op),
    };
    check::check(&context, &dispatches);
    let count = dispatches.len() as u64;
    for dispatch in &mut dispatches {
        dispatch.flops = plan.step_flops(step) / count;
    }
    Ok(dispatches)
}

/// A step with easy access to its operands.
struct Lowering<'a> {
    plan: &'a Plan,
    step: &'a Step,
    target: &'a Target<'a>,
}

impl Lowering<'_> {
    /// Every value that is no weight, with its index if it is an operand.
    fn operands(&self) -> impl Iterator<Item = (Option<usize>, &PlannedValue)> {
        let inputs = self.step.inputs.iter().enumerate();
        let inputs = inputs.map(|(index, &id)| (Some(index), id));
        let outputs = self.step.outputs.iter().map(|&id| (None, id));
        inputs
            .chain(outputs)
            .map(|(index, id)| (index, &self.plan.values[id]))
            .filter(|(_, value)| value.storage != Storage::Parameter)
    }

    fn input(&self, index: usize) -> &PlannedValue {
        &self.plan.values[self.step.inputs[index]]
    }

    fn output(&self, index: usize) -> &PlannedValue {
        &self.plan.values[self.step.outputs[index]]
    }

    fn bind_input(&self, index: usize) -> Binding {
        Binding::Value(self.step.inputs[index])
    }

    fn bind_output(&self, index: usize) -> Binding {
        Binding::Value(self.step.outputs[index])
    }

    /// A weight, stored as the plan says.
    fn bind_weight(&self, index: usize, packing: Packing) -> Binding {
        Binding::Parameter {
            value: self.step.inputs[index],
            packing,
            precision: self.input(index).precision,
        }
    }

    /// A vector of `blocks` channel blocks, always in f32: it is small, and
    /// read once per tile.
    fn bind_vector(&self, index: usize, blocks: usize) -> Binding {
        Binding::Parameter {
            value: self.step.inputs[index],
            packing: Packing::Vector { blocks },
            precision: Precision::F32,
        }
    }
}

/// Channel blocks of 4 of a value, padding counted.
fn blocks(value: &PlannedValue) -> usize {
    value.stored_channels() / 4
}

/// Grid of the kernels that take a pixel of a channel block per invocation,
/// workgroups of 16 x 4.
fn pixel_grid(height: usize, width: usize, planes: usize) -> [u32; 3] {
    [
        width.div_ceil(16) as u32,
        height.div_ceil(4) as u32,
        planes as u32,
    ]
}
