//! Adapters that cannot run the kernels, whatever they compute.

use srdiff::exec::ExecError;
use srdiff::exec::gpu::{AdapterSummary, check_baseline};

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
