//! What an adapter cannot do, known before any work.

use super::adapter::AdapterSummary;
use super::kernels::{Dispatch, Target, lower};
use crate::exec::ExecError;
use crate::graph::Program;

/// Shaders count vec4 in 32 bits, and the smallest vec4 has 8 bytes.
const MAX_ARRAY_BYTES: u64 = 8 << 32;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_below_the_baseline_are_refused() {
        let good = AdapterSummary::baseline();
        assert!(check_baseline(&good).is_ok());
        let spoil: [fn(&mut AdapterSummary); 4] = [
            |a| a.max_arrays = 4,
            |a| a.max_invocations = 128,
            |a| a.max_workgroup_size[1] = 128,
            |a| a.workgroup_bytes = 8 << 10,
        ];
        for spoil in spoil {
            let mut adapter = good.clone();
            spoil(&mut adapter);
            let result = check_baseline(&adapter);
            assert!(
                matches!(result, Err(ExecError::Limit { .. })),
                "{adapter:?}"
            );
        }
    }
}
