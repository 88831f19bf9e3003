//! What the choosers of all devices have in common.

use crate::graph::Role;
use crate::ops::Packing;
use crate::plan::{Choice, Format, Layout, NodeOperands, Operand, ScratchRequest, Variant, Wanted};

/// A kernel that wants every operand and result in its `format`, but the
/// parameters packed, in the order of `packings`.
pub(super) fn choice(
    node: &NodeOperands,
    format: impl Fn(&Operand) -> Format,
    packings: impl IntoIterator<Item = Packing>,
) -> Choice {
    let mut packings = packings.into_iter();
    let wanted = |operand: &Operand| {
        let packing = operand.is_parameter().then(|| packings.next()).flatten();
        packing.map_or_else(|| Wanted::Value(format(operand)), Wanted::Weight)
    };
    Choice {
        variant: Variant::Only,
        inputs: node.inputs.iter().map(wanted).collect(),
        outputs: node.outputs.iter().map(&format).collect(),
        scratch: Vec::new(),
        thread_bytes: 0,
    }
}

/// The choice for [`Op::Pack`](crate::ops::Op::Pack).
pub(super) fn pack(node: &NodeOperands, packing: &Packing) -> Choice {
    let format = |operand: &Operand| match operand.value.role {
        Role::Packed => Format::new(Layout::ChannelsLast, packing.precision),
        _ => Format::TENSOR,
    };
    choice(node, format, [])
}

/// One scratch array of `elements` of f32.
pub(super) fn scratch(name: &str, elements: usize) -> Vec<ScratchRequest> {
    scratch_arrays([(name, elements)])
}

/// Scratch arrays by names and elements of f32.
pub(super) fn scratch_arrays<const N: usize>(arrays: [(&str, usize); N]) -> Vec<ScratchRequest> {
    let request = |(name, elements): (&str, usize)| ScratchRequest {
        name: name.to_owned(),
        bytes: 4 * elements as u64,
    };
    arrays.map(request).into()
}
