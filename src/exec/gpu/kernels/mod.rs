//! The kernels: for each operation, which formats, packing and scratch memory
//! they want (`choose`) and their dispatches (`lower`), in a file that has the
//! name of the shader's. Plain data: nothing here knows wgpu.

mod accumulate;
mod activation_gradient;
mod adam;
mod channel_sum;
mod conv2d;
mod conv2d_gemm;
mod conv2d_matrix;
mod conv2d_spatial;
mod conv2d_weight_gradient;
mod conv2d_winograd;
mod conv_transpose2d;
mod conv_transpose2d_gemm;
mod conv_transpose2d_gradient;
mod convert;
mod count_non_finite;
mod dilate;
mod epilogue;
mod fold_border;
mod gemm_tile;
mod group_norm;
mod group_norm_gradient;
mod kernel;
mod linear;
mod linear_attention;
mod linear_attention_gradient;
mod loss;
mod pack;
mod pointwise;
mod register_tile;
mod sampling;
mod software;
mod split;
mod squared_norms;
mod upsample_bicubic;
mod upsample_nearest;
mod upsample_nearest_gradient;

pub(super) use kernel::{Kernel, Source};

use crate::exec::choice::choice;
use crate::exec::gpu::adapter::{AdapterKind, AdapterSummary};
use crate::graph::{Element, Shape};
use crate::ops::{Op, Packing, ensure};
use crate::plan::{Choice, Chooser, Format, Layout, NodeOperands, Operand, Precision, Variant};
use conv2d_spatial::SpatialTile;
use conv2d_winograd::WinogradPasses;
use gemm_tile::GemmTile;
use register_tile::RegisterTile;

/// The static rule of GPUs: blocks of 4 channels throughout, convolutions by
/// the kernels that do well on all GPUs tried, or on software adapters.
#[derive(Clone, Copy, Debug)]
pub struct GpuChooser {
    /// How feature maps and weights are stored.
    pub precision: Precision,
    /// What convolves wherever it can; where it cannot, or if none is given,
    /// the static rule.
    pub conv2d: Option<Variant>,
    /// The same for transposed convolutions.
    pub conv_transpose2d: Option<Variant>,
    /// Whether the static rule is that of software adapters.
    pub is_software: bool,
}

/// All kernels that compute a node on such a device, that of the static rule
/// first.
pub fn variants(node: &NodeOperands, device: &AdapterSummary) -> Vec<Variant> {
    let all = baseline(node, device.kind == AdapterKind::Software);
    let array_bytes = device.max_binding_bytes.min(device.max_buffer_bytes);
    let fits = |variant: &Variant| {
        let Workgroup { invocations, bytes } = Workgroup::of(*variant);
        let mut scratch = conv2d::scratch(node, *variant).into_iter();
        invocations <= device.max_invocations as usize
            && bytes <= device.workgroup_bytes as usize
            && scratch.all(|request| request.bytes <= array_bytes)
    };
    let mut variants: Vec<Variant> = all.into_iter().filter(fits).collect();
    if let Op::Conv2d(op) = node.op {
        // Before the other kinds: they are the most likely winners, and the time
        // to try one of each may be short.
        let matrices = conv2d_matrix::variants(node, op, device);
        variants.splice(1..1, matrices);
    }
    variants
}

/// All kernels for a node that need no more than the baseline of devices, that
/// of the static rule first.
fn baseline(node: &NodeOperands, is_software: bool) -> Vec<Variant> {
    let mut all = match node.op {
        Op::Conv2d(op) => conv2d::variants(node, op),
        Op::ConvTranspose2d(op) => conv_transpose2d::variants(node, op),
        _ => vec![Variant::Only],
    };
    let first = is_software.then(|| software::kernel(node)).flatten();
    if let Some(at) = all.iter().position(|variant| Some(*variant) == first) {
        all[..=at].rotate_right(1);
    }
    all
}

/// What the workgroups of a convolution's kernel need.
struct Workgroup {
    invocations: usize,
    /// Memory that they share.
    bytes: usize,
}

impl Workgroup {
    fn of(variant: Variant) -> Self {
        let kinds = [
            RegisterTile::of(variant).map(RegisterTile::workgroup),
            GemmTile::of(variant).map(GemmTile::workgroup),
            SpatialTile::of(variant).map(SpatialTile::workgroup),
            WinogradPasses::of(variant).map(|passes| passes.product().workgroup()),
        ];
        let none = Self {
            invocations: 0,
            bytes: 0,
        };
        kinds.into_iter().flatten().next().unwrap_or(none)
    }
}

impl GpuChooser {
    /// The static rule of GPUs that are not software.
    pub fn new(precision: Precision) -> Self {
        Self {
            precision,
            conv2d: None,
            conv_transpose2d: None,
            is_software: false,
        }
    }

    /// The static rule of an adapter.
    pub fn of(adapter: &AdapterSummary, precision: Precision) -> Self {
        Self {
            is_software: adapter.kind == AdapterKind::Software,
            ..Self::new(precision)
        }
    }

    /// A kernel of [`variants`] for a node.
    ///
    /// # Errors
    /// One sentence: why this kernel does not compute it.
    pub fn choose_variant(&self, node: &NodeOperands, variant: Variant) -> Result<Choice, String> {
        check_padding(node)?;
        match node.op {
            Op::Conv2d(op) => conv2d::choose(self, node, op, variant),
            Op::ConvTranspose2d(op) => conv_transpose2d::choose(self, node, op, variant),
            _ if variant == Variant::Only => self.choose_only(node),
            _ => Err(unknown(variant)),
        }
    }
}

impl Chooser for GpuChooser {
    fn format(&self, element: Element) -> Format {
        let precision = match element {
            Element::F32 => Precision::F32,
            Element::Float => self.precision,
            Element::Tensor => return Format::TENSOR,
        };
        Format::new(Layout::ChannelBlocks4, precision)
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        let given = match node.op {
            Op::Conv2d(_) => self.conv2d,
            Op::ConvTranspose2d(_) => self.conv_transpose2d,
            _ => None,
        };
        let given = given.map(|variant| self.choose_variant(node, variant));
        match given {
            Some(Ok(choice)) => Ok(choice),
            _ => self.choose_variant(node, baseline(node, self.is_software)[0]),
        }
    }
}

impl GpuChooser {
    /// The kernel of operations that have one.
    fn choose_only(&self, node: &NodeOperands) -> Result<Choice, String> {
        Ok(match node.op {
            // Any format to any other.
            Op::Convert(_) => {
                let format = |o: &Operand| o.format.unwrap_or(self.format(o.value.element));
                choice(node, format, [])
            }
            Op::ChannelSum(_) => channel_sum::choose(self, node),
            Op::Conv2d(_) | Op::ConvTranspose2d(_) => return Err(unknown(Variant::Only)),
            Op::Conv2dWeightGradient(op) => conv2d_weight_gradient::choose(self, node, op)?,
            Op::ConvTranspose2dGradient(op) => conv_transpose2d_gradient::choose(self, node, op),
            Op::GroupNorm(op) => group_norm::choose(self, node, op),
            Op::GroupNormGradient(op) => group_norm_gradient::choose(self, node, op),
            Op::Linear(_) => linear::choose(self, node),
            Op::LinearAttention(op) => linear_attention::choose(self, node, op),
            Op::LinearAttentionGradient(op) => linear_attention_gradient::choose(self, node, op),
            Op::Loss(_) => loss::choose(self, node),
            Op::SquaredNorms(_) => squared_norms::choose(self, node),
            Op::Pack(op) => pack::choose(node, op)?,
            Op::UpsampleBicubic(op) => upsample_bicubic::check(op).map(|()| self.plain(node))?,
            Op::Accumulate(_)
            | Op::ActivationGradient(_)
            | Op::Adam(_)
            | Op::CountNonFinite(_)
            | Op::Dilate(_)
            | Op::EstimateX0(_)
            | Op::FoldBorder(_)
            | Op::Noise(_)
            | Op::Pointwise(_)
            | Op::Reconstruct(_)
            | Op::SamplerUpdate(_)
            | Op::UpsampleNearest(_)
            | Op::UpsampleNearestGradient(_) => self.plain(node),
        })
    }

    /// Every operand and result in blocks of 4 channels, no weights, no scratch.
    fn plain(&self, node: &NodeOperands) -> Choice {
        self.weighted(node, [])
    }

    /// As [`plain`](Self::plain), the parameters among the operands packed: in
    /// the order of `packings`.
    fn weighted(&self, node: &NodeOperands, packings: impl IntoIterator<Item = Packing>) -> Choice {
        let format = |operand: &Operand| {
            let own = self.format(operand.value.element);
            match operand.format {
                Some(format) => Format::new(own.layout, format.precision),
                None => own,
            }
        };
        choice(node, format, packings)
    }
}

pub(super) fn lower(source: &Source) -> Result<Vec<Kernel>, String> {
    let kernel = match &source.node.op {
        Op::Conv2d(op) => return conv2d::lower(source, op),
        Op::ConvTranspose2d(op) => return conv_transpose2d::lower(source, op),
        Op::ChannelSum(op) => return channel_sum::lower(source, op),
        Op::Conv2dWeightGradient(op) => return conv2d_weight_gradient::lower(source, op),
        Op::ConvTranspose2dGradient(op) => return conv_transpose2d_gradient::lower(source, op),
        Op::GroupNorm(op) => return group_norm::lower(source, op),
        Op::GroupNormGradient(op) => return group_norm_gradient::lower(source, op),
        Op::LinearAttention(op) => return linear_attention::lower(source, op),
        Op::LinearAttentionGradient(op) => return linear_attention_gradient::lower(source, op),
        Op::Loss(op) => return loss::lower(source, op),
        Op::SquaredNorms(_) => return squared_norms::lower(source),
        Op::Accumulate(_) => accumulate::lower(source)?,
        Op::ActivationGradient(op) => activation_gradient::lower(source, op),
        Op::Adam(op) => adam::lower(source, op)?,
        Op::Convert(_) => convert::lower(source),
        Op::CountNonFinite(_) => count_non_finite::lower(source),
        Op::Dilate(op) => dilate::lower(source, op),
        Op::FoldBorder(op) => fold_border::lower(source, op),
        Op::EstimateX0(_) => sampling::estimate_x0(source),
        Op::Linear(_) => linear::lower(source)?,
        Op::Noise(_) => sampling::noise(source),
        Op::Pack(op) => pack::lower(source, op)?,
        Op::Pointwise(op) => pointwise::lower(source, op),
        Op::Reconstruct(op) => sampling::reconstruct(source, op),
        Op::SamplerUpdate(op) => sampling::sampler_update(source, op),
        Op::UpsampleBicubic(op) => upsample_bicubic::lower(source, op),
        Op::UpsampleNearest(op) => upsample_nearest::lower(source, op),
        Op::UpsampleNearestGradient(op) => upsample_nearest_gradient::lower(source, op),
    };
    Ok(vec![kernel])
}

/// Whether a tile is not twice as wide as the channels that it is for; the least
/// tiles are for any.
fn is_narrow(tile: usize, channels: usize) -> bool {
    tile <= 16 || tile < 2 * channels
}

/// The packing of a vector of `channels`, padded to whole tiles of `blocks`
/// blocks of 4.
fn bias(channels: usize, blocks: usize) -> Packing {
    let len = channels.next_multiple_of(4 * blocks);
    Packing::vector(Shape::vector(channels), len)
}

/// Whether kernels read operands in PyTorch's order. Lowering refuses it of
/// others.
pub(super) fn reads_tensors(op: &Op) -> bool {
    matches!(op, Op::Accumulate(_) | Op::Adam(_) | Op::SquaredNorms(_))
}

/// Whether kernels write a result in PyTorch's order; likewise.
pub(super) fn writes_tensor(op: &Op, index: usize) -> bool {
    match op {
        Op::Accumulate(_) | Op::Adam(_) | Op::ChannelSum(_) | Op::Conv2dWeightGradient(_) => true,
        Op::GroupNormGradient(_) => index > 0,
        _ => false,
    }
}

fn unknown(variant: Variant) -> String {
    format!("has no kernel {variant:?} on a GPU")
}

/// Refuses padding between channel groups where the operation's kernels do not
/// know it.
fn check_padding(node: &NodeOperands) -> Result<(), String> {
    match node.op {
        // They know the padding of their first operand.
        Op::Conv2d(_)
        | Op::Conv2dWeightGradient(_)
        | Op::ConvTranspose2d(_)
        | Op::ConvTranspose2dGradient(_) => whole_blocks(node, 1),
        Op::ActivationGradient(_)
        | Op::Dilate(_)
        | Op::FoldBorder(_)
        | Op::Pointwise(_)
        | Op::UpsampleBicubic(_)
        | Op::UpsampleNearest(_)
        | Op::UpsampleNearestGradient(_) => alike_groups(node),
        Op::Pack(_) => Ok(()),
        _ => whole_blocks(node, 0),
    }
}

/// Refuses values with padding between their channel groups; the first `known`
/// operands may have some.
fn whole_blocks(node: &NodeOperands, known: usize) -> Result<(), String> {
    let inputs = node.inputs.iter().skip(known).filter(|o| !o.is_parameter());
    for Operand { value, .. } in inputs.chain(&node.outputs) {
        let (_, inner) = value.segments.split_last().unwrap_or((&0, &[]));
        ensure!(
            inner.iter().all(|channels| channels.is_multiple_of(4)),
            "of '{}' {}: no kernel knows the padding between its channel groups {:?}",
            value.name,
            value.shape,
            value.segments
        );
    }
    Ok(())
}

/// Refuses values whose channel groups differ from the result's, where both
/// are padded.
fn alike_groups(node: &NodeOperands) -> Result<(), String> {
    let result = &node.outputs[0].value.segments;
    let mut others = node.inputs.iter().chain(&node.outputs[1..]);
    match others.all(|operand| operand.value.segments == *result) {
        true => Ok(()),
        false => whole_blocks(node, 0),
    }
}
