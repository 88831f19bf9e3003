//! What an adapter cannot do, known before any work.

use super::adapter::AdapterSummary;
use super::lowered::{BufferUse, Lowered, UNIFORM_STRIDE};
use crate::exec::ExecError;
use crate::plan::Owner;

/// Shaders count numbers in 32 bits, and the smallest number has 2 bytes.
const MAX_ARRAY_BYTES: u64 = 2 << 32;

/// Holds an adapter against what every kernel of the baseline needs, whatever
/// it computes: WebGPU's default limits.
///
/// # Errors
/// When a limit is lower.
pub fn check_baseline(summary: &AdapterSummary) -> Result<(), ExecError> {
    let needed = AdapterSummary::baseline();
    let needs =
        |what, needed: u32, limit: u32| check(summary, what, u64::from(needed), u64::from(limit));
    let arrays = "the number of arrays of a kernel";
    needs(arrays, needed.max_arrays, summary.max_arrays)?;
    let invocations = "the number of invocations of a workgroup";
    needs(invocations, needed.max_invocations, summary.max_invocations)?;
    let sides = needed.max_workgroup_size.into_iter();
    for (needed, limit) in sides.zip(summary.max_workgroup_size) {
        needs("the side of a workgroup", needed, limit)?;
    }
    let memory = "the memory of a workgroup in bytes";
    needs(memory, needed.workgroup_bytes, summary.workgroup_bytes)
}

/// Holds a program against an adapter's limits, without the adapter.
///
/// # Errors
/// When an array or the grid of a kernel would be too large.
pub fn check_limits(summary: &AdapterSummary, lowered: &Lowered) -> Result<(), ExecError> {
    let limit = summary.max_binding_bytes.min(summary.max_buffer_bytes);
    let limit = limit.min(MAX_ARRAY_BYTES);
    for buffer in &lowered.buffers {
        let what = match &buffer.role {
            BufferUse::Slot(Owner::Packed(name)) => format!("the size of weight '{name}' in bytes"),
            _ => "the size of an array in bytes".to_owned(),
        };
        check(summary, &what, buffer.bytes, limit)?;
    }
    let commands = lowered.phases.iter().flat_map(|phase| &phase.commands);
    let most = commands.flat_map(|command| command.workgroups).max();
    let what = "the number of workgroups along an axis";
    let (most, limit) = (most.unwrap_or(0), summary.max_workgroups);
    check(summary, what, u64::from(most), u64::from(limit))?;
    let what = "the alignment of uniform structs in bytes";
    let alignment = u64::from(summary.uniform_alignment);
    check(summary, what, alignment, UNIFORM_STRIDE)
}

fn check(summary: &AdapterSummary, what: &str, needed: u64, limit: u64) -> Result<(), ExecError> {
    if needed <= limit {
        return Ok(());
    }
    Err(ExecError::Limit {
        device: summary.name.clone(),
        what: what.to_owned(),
        needed,
        limit,
    })
}
