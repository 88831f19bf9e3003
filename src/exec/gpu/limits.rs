//! What an adapter cannot do, known before any work.

use super::adapter::AdapterSummary;
use super::kernels::{Dispatch, Target, lower};
use crate::exec::ExecError;
use crate::graph::Program;

/// Shaders count vec4 in 32 bits, and the smallest vec4 has 8 bytes.
const MAX_ARRAY_BYTES: u64 = 8 << 32;

/// Holds a program against an adapter's limits, without the adapter.
///
/// # Errors
/// When an array or the grid of a kernel would be too large.
pub fn check_limits(summary: &AdapterSummary, program: &Program) -> Result<(), ExecError> {
    // First, for kernels are made for arrays that they can count in 32 bits.
    check_arrays(summary, program)?;
    for plan in &program.phases {
        for step in &plan.steps {
            check_grids(summary, &lower(plan, step, &Target::of(summary))?)?;
        }
    }
    Ok(())
}

/// Holds the arrays of a program against an adapter's limits.
pub(super) fn check_arrays(summary: &AdapterSummary, program: &Program) -> Result<(), ExecError> {
    let limit = array_limit(summary);
    for slot in &program.slots {
        check(summary, "the size of an array in bytes", slot.bytes, limit)?;
    }
    Ok(())
}

/// Holds a packed weight against an adapter's limits.
pub(super) fn check_weight(
    summary: &AdapterSummary,
    name: &str,
    bytes: u64,
) -> Result<(), ExecError> {
    let what = format!("the size of weight '{name}' in bytes");
    check(summary, &what, bytes, array_limit(summary))
}

/// Bytes of an array at most.
fn array_limit(summary: &AdapterSummary) -> u64 {
    let limit = summary.max_binding_bytes.min(summary.max_buffer_bytes);
    limit.min(MAX_ARRAY_BYTES)
}

/// Holds the grids of dispatches against an adapter's limits.
pub(super) fn check_grids<'a>(
    summary: &AdapterSummary,
    dispatches: impl IntoIterator<Item = &'a Dispatch>,
) -> Result<(), ExecError> {
    let what = "the number of workgroups along an axis";
    let limit = u64::from(summary.max_workgroups);
    for count in dispatches.into_iter().flat_map(|d| d.workgroups) {
        check(summary, what, u64::from(count), limit)?;
    }
    Ok(())
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
