//! Which GPUs there are, and what they offer.

use super::limits;
use super::twins::{self, Card};
use crate::exec::ExecError;
use serde::Serialize;

/// What kind of device an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AdapterKind {
    /// A graphics card of its own.
    Discrete,
    /// Graphics in the processor or chipset.
    Integrated,
    /// A GPU lent by a virtual machine's host.
    Virtual,
    /// Software that plays GPU on the CPU (lavapipe, llvmpipe, WARP).
    Software,
    /// The driver does not say.
    Unknown,
}

impl AdapterKind {
    /// A word for tables.
    pub fn name(self) -> &'static str {
        match self {
            AdapterKind::Discrete => "discrete",
            AdapterKind::Integrated => "integrated",
            AdapterKind::Virtual => "virtual",
            AdapterKind::Software => "software",
            AdapterKind::Unknown => "unknown",
        }
    }
}

/// An adapter and what matters of it here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdapterSummary {
    /// Position in the list, for `--device INDEX`.
    pub index: usize,
    /// Name, as the driver says.
    pub name: String,
    /// Kind.
    pub kind: AdapterKind,
    /// Vulkan, Metal or DX12.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
    /// Whether shaders can use f16 (storage in half the memory).
    pub f16: bool,
    /// Whether shaders can be timed.
    pub timestamps: bool,
    /// Whether subgroup operations exist.
    pub subgroups: bool,
    /// Whether matrix units can be used.
    pub cooperative_matrix: bool,
    /// Largest array that a shader can see, in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// Largest number of workgroups along a dimension.
    pub max_workgroups: u32,
    /// Memory of a workgroup, in bytes.
    pub workgroup_bytes: u32,
    /// Largest number of invocations of a workgroup.
    pub max_invocations: u32,
    /// Largest sides of a workgroup.
    pub max_workgroup_size: [u32; 3],
    /// Largest number of arrays that a kernel can see.
    pub max_arrays: u32,
}

impl AdapterSummary {
    /// WebGPU's default limits and no features: what every kernel of the
    /// baseline keeps to.
    pub fn baseline() -> Self {
        Self::of_limits(&wgpu::Limits::default())
    }

    /// These limits and no features.
    fn of_limits(limits: &wgpu::Limits) -> Self {
        Self {
            index: 0,
            name: "WebGPU's defaults".to_owned(),
            kind: AdapterKind::Unknown,
            backend: String::new(),
            driver: String::new(),
            f16: false,
            timestamps: false,
            subgroups: false,
            cooperative_matrix: false,
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            max_invocations: limits.max_compute_invocations_per_workgroup,
            max_workgroup_size: [
                limits.max_compute_workgroup_size_x,
                limits.max_compute_workgroup_size_y,
                limits.max_compute_workgroup_size_z,
            ],
            max_arrays: limits.max_storage_buffers_per_shader_stage,
        }
    }
}

pub(super) fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends &= wgpu::Backends::PRIMARY;
    // What the driver would have to move out to main memory is refused.
    descriptor.memory_budget_thresholds.for_resource_creation = Some(95);
    wgpu::Instance::new(descriptor)
}

/// Every adapter of this machine, once each.
pub(super) fn enumerate(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let cards: Vec<Card> = adapters.iter().map(Card::of).collect();
    let listed = twins::listed(&cards);
    let listed = adapters.into_iter().zip(listed);
    listed
        .filter_map(|(a, listed)| listed.then_some(a))
        .collect()
}

/// Every adapter of this machine, in the order of their indices.
pub fn list_adapters() -> Vec<AdapterSummary> {
    let instance = instance();
    enumerate(&instance)
        .iter()
        .enumerate()
        .map(|(index, adapter)| summarize(index, adapter))
        .collect()
}

pub(super) fn summarize(index: usize, adapter: &wgpu::Adapter) -> AdapterSummary {
    let info = adapter.get_info();
    let features = adapter.features();
    AdapterSummary {
        index,
        name: info.name,
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
            wgpu::DeviceType::Other => AdapterKind::Unknown,
        },
        backend: info.backend.to_string(),
        driver: format!("{} {}", info.driver, info.driver_info)
            .trim()
            .to_owned(),
        f16: features.contains(wgpu::Features::SHADER_F16),
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        subgroups: features.contains(wgpu::Features::SUBGROUP),
        cooperative_matrix: features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        ..AdapterSummary::of_limits(&adapter.limits())
    }
}

/// How a GPU is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuOptions {
    /// Whether shaders check every index against its array. Costs time; on in
    /// debug builds and in tests.
    pub checked: bool,
}

// Not derived: what it is depends on the kind of build.
#[allow(clippy::derivable_impls)]
impl Default for GpuOptions {
    fn default() -> Self {
        Self {
            checked: cfg!(debug_assertions),
        }
    }
}

/// An open GPU.
#[derive(Debug)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) summary: AdapterSummary,
    pub(super) options: GpuOptions,
    pub(super) failure: super::failure::Failure,
}

impl Gpu {
    /// Opens the adapter at `index` of [`list_adapters`].
    ///
    /// # Errors
    /// When there is no such adapter, it cannot run the baseline of the kernels
    /// ([`check_baseline`](super::check_baseline)), or its driver refuses.
    pub fn open(index: usize, options: GpuOptions) -> Result<Self, ExecError> {
        let instance = instance();
        let adapters = enumerate(&instance);
        let adapter = adapters.get(index).ok_or_else(|| ExecError::Device {
            device: format!("GPU {index}"),
            reason: format!("there are {} adapters", adapters.len()),
        })?;
        let summary = summarize(index, adapter);
        limits::check_baseline(&summary)?;
        let wanted = wgpu::Features::SHADER_F16 | wgpu::Features::TIMESTAMP_QUERY;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("srdiff"),
            required_features: adapter.features() & wanted,
            required_limits: adapter.limits(),
            experimental_features: wgpu::ExperimentalFeatures::disabled(),
            // Otherwise allocations are rounded up to blocks of up to 256 MiB.
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            trace: wgpu::Trace::Off,
        };
        let (device, queue) =
            pollster::block_on(adapter.request_device(&descriptor)).map_err(|error| {
                ExecError::Device {
                    device: summary.name.clone(),
                    reason: error.to_string(),
                }
            })?;
        let failure = super::failure::Failure::watch(&device, &summary.name);
        Ok(Self {
            device,
            queue,
            summary,
            options,
            failure,
        })
    }

    /// Gives the device up: whatever runs on it fails from now on, as when a
    /// driver is reset or a card is pulled out.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// What this GPU offers.
    pub fn summary(&self) -> &AdapterSummary {
        &self.summary
    }
}
