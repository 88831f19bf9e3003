//! How much memory an upscale may use.

use super::device::Device;
use crate::exec::gpu::AdapterKind;
use sysinfo::System;

/// Bytes that may be used on a device: `limit` if there is one, else nine tenths
/// of the system's free memory, or of the memory of a GPU that has its own. Where
/// that is unknown, there is no limit. On Metal, it is also nine tenths of what
/// Metal recommends for a GPU at most, even of the system's memory. The `held`
/// bytes are taken by this program, and count as free.
pub(crate) fn usable_bytes(device: &Device, limit: Option<u64>, held: u64) -> u64 {
    if let Some(limit) = limit {
        return limit;
    }
    let of_gpu = match device {
        // Elsewhere, what an integrated GPU calls its own is as much of the
        // system's memory as was set aside for it, and it gets more.
        Device::Gpu(adapter) if !uses_host_memory(device) || adapter.backend == "metal" => {
            // Some drivers tell nobody how much is free (RADV, Metal), and move what
            // does not fit to where it is many times slower.
            adapter
                .memory_bytes
                .map_or(u64::MAX, |bytes| bytes / 10 * 9)
        }
        _ => u64::MAX,
    };
    match uses_host_memory(device) {
        true => of_gpu.min((free_memory() / 10 * 9).saturating_add(held)),
        false => of_gpu,
    }
}

/// Whether a device's memory is the host's.
pub(crate) fn uses_host_memory(device: &Device) -> bool {
    match device {
        Device::Cpu(_) => true,
        Device::Gpu(adapter) => {
            matches!(
                adapter.kind,
                AdapterKind::Software | AdapterKind::Integrated
            )
        }
    }
}

/// Bytes of memory that the system can give.
pub(crate) fn free_memory() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    let total = system.total_memory();
    if total == 0 {
        // Unknown on this system.
        return u64::MAX;
    }
    let container = system.cgroup_limits().map(|c| (c.total_memory, c.rss));
    free_of(system.available_memory(), total, container)
}

/// The system's `available` memory (0 if unknown), at most what the limit of a
/// `container` leaves: its limit and the bytes in use, without the file cache.
fn free_of(available: u64, total: u64, container: Option<(u64, u64)>) -> u64 {
    let available = match available {
        0 => u64::MAX,
        bytes => bytes,
    };
    match container {
        Some((limit, used)) if limit < total => available.min(limit.saturating_sub(used)),
        _ => available,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::gpu::AdapterSummary;
    use crate::upscale::CpuSummary;

    #[test]
    fn a_container_limits_the_free_memory() {
        assert_eq!(free_of(20, 32, Some((8, 8))), 0);
        assert_eq!(free_of(20, 32, Some((8, 3))), 5);
        assert_eq!(free_of(2, 32, Some((8, 1))), 2);
        // A container without a limit of its own.
        assert_eq!(free_of(20, 32, Some((32, 31))), 20);
        assert_eq!(free_of(20, 32, None), 20);
        // A system that does not know what is available.
        assert_eq!(free_of(0, 32, None), u64::MAX);
        assert_eq!(free_of(0, 32, Some((8, 1))), 7);
    }

    #[test]
    fn a_gpu_with_memory_of_its_own_keeps_to_that() {
        let usable = |kind, memory_bytes| {
            let adapter = AdapterSummary {
                kind,
                memory_bytes,
                ..AdapterSummary::baseline()
            };
            // What is held is a part of all memory.
            usable_bytes(&Device::Gpu(adapter), None, 500)
        };
        assert_eq!(usable(AdapterKind::Discrete, Some(8000)), 7200);
        assert_eq!(usable(AdapterKind::Discrete, None), u64::MAX);
        // What an integrated GPU calls its own is a part of the system's.
        let shared = usable(AdapterKind::Integrated, Some(8000));
        assert!(shared > 8000 && shared < u64::MAX, "{shared}");
    }

    #[test]
    fn a_gpu_on_metal_uses_what_is_free_but_no_more_than_metal_says() {
        let usable = |kind, memory_bytes| {
            let adapter = AdapterSummary {
                kind,
                memory_bytes,
                backend: "metal".to_owned(),
                ..AdapterSummary::baseline()
            };
            usable_bytes(&Device::Gpu(adapter), None, 1000)
        };
        let more_than_any_machine = 1 << 60;
        for most in [None, Some(more_than_any_machine)] {
            let free = usable(AdapterKind::Integrated, most);
            assert!((1000..more_than_any_machine / 2).contains(&free), "{free}");
        }
        assert_eq!(usable(AdapterKind::Integrated, Some(800)), 720);
        assert_eq!(usable(AdapterKind::Discrete, Some(8000)), 7200);
    }

    #[test]
    fn a_limit_replaces_the_estimate_and_freed_memory_counts() {
        let device = Device::Cpu(CpuSummary {
            name: "Test".to_owned(),
            threads: 1,
        });
        let more_than_any_machine = 1 << 60;
        let limited = usable_bytes(&device, Some(more_than_any_machine), 0);
        assert_eq!(limited, more_than_any_machine);
        assert_eq!(usable_bytes(&device, Some(5), more_than_any_machine), 5);
        assert!(usable_bytes(&device, None, 0) < more_than_any_machine);
        assert!(usable_bytes(&device, None, more_than_any_machine) >= more_than_any_machine);
    }
}
