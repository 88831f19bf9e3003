//! How much memory may be used.

use super::device::Device;
use crate::exec::gpu::AdapterKind;
use sysinfo::System;

/// Memory that may be used on a device, in bytes: `limit` where it is given,
/// for whoever gives it knows better than any estimate; else nine tenths of
/// what the system has to spare where the device lives in it. How much a GPU
/// of its own has is not known. `held` bytes are freed before they are needed.
pub(super) fn budget(device: &Device, limit: Option<u64>, held: u64) -> u64 {
    let of_the_system = match device {
        Device::Cpu(_) => true,
        Device::Gpu(adapter) => match adapter.kind {
            AdapterKind::Software | AdapterKind::Integrated => true,
            AdapterKind::Discrete | AdapterKind::Virtual | AdapterKind::Unknown => false,
        },
    };
    match limit {
        Some(limit) => limit,
        None if of_the_system => (spare_memory() / 10 * 9).saturating_add(held),
        None => u64::MAX,
    }
}

/// Memory that the system, or the container that this runs in, has to spare.
fn spare_memory() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    let total = system.total_memory();
    if total == 0 {
        // Nothing is known on this system.
        return u64::MAX;
    }
    let container = system.cgroup_limits().map(|c| (c.total_memory, c.rss));
    spare_of(system.available_memory(), total, container)
}

/// What is left of a system's memory: what it says is `available`, if it says
/// anything, and no more than a container's limit leaves (`container`: limit
/// and bytes in use). In use is what cannot be dropped: files that the system
/// keeps in memory for speed make room when it is asked for.
fn spare_of(available: u64, total: u64, container: Option<(u64, u64)>) -> u64 {
    let of_the_system = match available {
        0 => u64::MAX,
        bytes => bytes,
    };
    match container {
        Some((limit, used)) if limit < total => of_the_system.min(limit.saturating_sub(used)),
        _ => of_the_system,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upscale::CpuSummary;

    #[test]
    fn a_full_container_has_nothing_to_spare() {
        const GIB: u64 = 1 << 30;
        assert_eq!(spare_of(20 * GIB, 32 * GIB, Some((8 * GIB, 8 * GIB))), 0);
        assert_eq!(
            spare_of(20 * GIB, 32 * GIB, Some((8 * GIB, 3 * GIB))),
            5 * GIB
        );
        assert_eq!(spare_of(2 * GIB, 32 * GIB, Some((8 * GIB, GIB))), 2 * GIB);
        // No limit of its own: what it uses says nothing.
        assert_eq!(
            spare_of(20 * GIB, 32 * GIB, Some((32 * GIB, 31 * GIB))),
            20 * GIB
        );
        assert_eq!(spare_of(20 * GIB, 32 * GIB, None), 20 * GIB);
        // A system that does not say what is available.
        assert_eq!(spare_of(0, 32 * GIB, None), u64::MAX);
        assert_eq!(spare_of(0, 32 * GIB, Some((8 * GIB, GIB))), 7 * GIB);
    }

    #[test]
    fn a_limit_wins_over_the_estimate_and_what_is_freed_counts() {
        let device = Device::Cpu(CpuSummary {
            name: "Test".to_owned(),
            threads: 1,
        });
        let more_than_any_machine = 1 << 60;
        let limited = budget(&device, Some(more_than_any_machine), 0);
        assert_eq!(limited, more_than_any_machine);
        assert_eq!(budget(&device, Some(5), more_than_any_machine), 5);
        assert!(budget(&device, None, 0) < more_than_any_machine);
        assert!(budget(&device, None, more_than_any_machine) >= more_than_any_machine);
    }
}
