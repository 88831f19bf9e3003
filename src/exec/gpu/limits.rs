//! What an adapter cannot do, known before any work.

use super::adapter::AdapterSummary;
use super::kernels::{Dispatch, lower};
use crate::exec::ExecError;
use crate::graph::Program;

/// Shaders count vec4 in 32 bits, and the smallest vec4 has 8 bytes.
const MAX_ARRAY_BYTES: u64 = 8 << 32;

/// Holds a program against an adapter's limits, without the adapter.
///
/// # Errors
/// When an array or the grid of a kernel would be too large.
pub fn check_limits(summary: &AdapterSummary, program: &Program) -> Result<(), ExecError> {
    let mut dispatches = Vec::new();
    for (phase, plan) in program.phases.iter().enumerate() {
        for step in &plan.steps {
            let lowered = lower(plan, step)?;
            dispatches.extend(lowered.into_iter().map(|dispatch| (phase, dispatch)));
        }
    }
    check(summary, program, &dispatches)
}

/// [`check_limits`] where the dispatches are known.
pub(super) fn check(
    summary: &AdapterSummary,
    program: &Program,
    dispatches: &[(usize, Dispatch)],
) -> Result<(), ExecError> {
    let check = |what: &str, needed: u64, limit: u64| {
        if needed <= limit {
            return Ok(());
        }
        Err(ExecError::Limit {
            device: summary.name.clone(),
            what: what.to_owned(),
            needed,
            limit,
        })
    };
    let bytes = summary.max_binding_bytes.min(summary.max_buffer_bytes);
    let bytes = bytes.min(MAX_ARRAY_BYTES);
    for slot in &program.slots {
        check("the size of an array in bytes", slot.bytes, bytes)?;
    }
    for (_, dispatch) in dispatches {
        for count in dispatch.workgroups {
            let limit = u64::from(summary.max_workgroups);
            check(
                "the number of workgroups along an axis",
                u64::from(count),
                limit,
            )?;
        }
    }
    Ok(())
}
