//! Which GPUs there are, and opening one.

use super::duplicates;
use super::failure::Failure;
use super::pipelines::PipelineCache;
use super::stored::StoredPipelines;
use super::work::Work;
use crate::exec::ExecError;
use crate::exec::gpu::{AdapterKind, AdapterSummary, CacheFolder, Identity, limits};

/// The adapters of this machine. Asking the drivers for them takes a good part
/// of a short run, so whoever opens one does it from the list that it was chosen
/// from.
#[derive(Debug, Default)]
pub struct Adapters {
    adapters: Vec<wgpu::Adapter>,
    summaries: Vec<AdapterSummary>,
}

impl Adapters {
    /// Every adapter, once each.
    pub fn list() -> Self {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        descriptor.backends &= wgpu::Backends::PRIMARY;
        // What the driver would have to move out to main memory is refused.
        descriptor.memory_budget_thresholds.for_resource_creation = Some(95);
        let instance = wgpu::Instance::new(descriptor);
        let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
        let infos: Vec<_> = adapters.iter().map(wgpu::Adapter::get_info).collect();
        let mut listed = duplicates::listed(&infos).into_iter();
        adapters.retain(|_| listed.next() == Some(true));
        let numbered = adapters.iter().enumerate();
        Self {
            summaries: numbered.map(|(index, a)| summarize(index, a)).collect(),
            adapters,
        }
    }

    /// In the order of their indices.
    pub fn summaries(&self) -> &[AdapterSummary] {
        &self.summaries
    }
}

/// Every adapter of this machine, in the order of their indices.
pub fn list_adapters() -> Vec<AdapterSummary> {
    Adapters::list().summaries
}

fn summarize(index: usize, adapter: &wgpu::Adapter) -> AdapterSummary {
    let info = adapter.get_info();
    let (features, limits) = (adapter.features(), adapter.limits());
    let subgroup_size = subgroup_size(&info);
    AdapterSummary {
        index,
        driver: driver(&info),
        name: info.name,
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
            wgpu::DeviceType::Other => AdapterKind::Unknown,
        },
        backend: info.backend.to_string(),
        vendor: info.vendor,
        device: info.device,
        f16: features.contains(wgpu::Features::SHADER_F16),
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        subgroups: features.contains(wgpu::Features::SUBGROUP),
        cooperative_matrix: features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        subgroup_size,
        matrix_sides: matrix_sides(adapter, subgroup_size),
        memory_bytes: memory_bytes(adapter),
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
        uniform_alignment: limits.min_uniform_buffer_offset_alignment,
    }
}

/// Name and version. Metal tells neither: its driver is part of the system.
fn driver(info: &wgpu::AdapterInfo) -> String {
    let told = format!("{} {}", info.driver, info.driver_info);
    match told.trim() {
        "" => sysinfo::System::long_os_version().unwrap_or_default(),
        told => told.to_owned(),
    }
}

/// See [`AdapterSummary::memory_bytes`].
#[cfg(not(target_vendor = "apple"))]
fn memory_bytes(adapter: &wgpu::Adapter) -> Option<u64> {
    // SAFETY: nothing is destroyed, and the handles live as long as the guard.
    let adapter = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let instance = adapter.shared_instance().raw_instance();
    // SAFETY: the physical device is one of this instance's.
    let memory =
        unsafe { instance.get_physical_device_memory_properties(adapter.raw_physical_device()) };
    /// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`
    const DEVICE_LOCAL: u32 = 1;
    let heaps = memory.memory_heaps_as_slice().iter();
    let own = heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0);
    // Besides, there may be a small window for the CPU.
    own.map(|heap| heap.size).max()
}

#[cfg(target_vendor = "apple")]
fn memory_bytes(adapter: &wgpu::Adapter) -> Option<u64> {
    use objc2_metal::MTLDevice;
    // SAFETY: nothing is destroyed, and the device lives as long as the guard.
    let adapter = unsafe { adapter.as_hal::<wgpu::hal::api::Metal>() }?;
    let bytes = adapter.raw_device().recommendedMaxWorkingSetSize();
    (bytes > 0).then_some(bytes)
}

/// See [`AdapterSummary::subgroup_size`].
fn subgroup_size(info: &wgpu::AdapterInfo) -> Option<u32> {
    // Metal tells nothing of a pipeline that is not compiled yet. Apple's own GPUs
    // have subgroups of 32 invocations. "Apple Paravirtual device" is that of virtual
    // machines.
    if info.backend == wgpu::Backend::Metal {
        let is_apple = info.name.starts_with("Apple") && !info.name.contains("Paravirtual");
        return is_apple.then_some(32);
    }
    let size = info.subgroup_min_size;
    (size > 0 && size == info.subgroup_max_size).then_some(size)
}

/// See [`AdapterSummary::matrix_sides`]. On Metal, wgpu reports matrices for all
/// GPUs; those whose subgroups are known, Apple's own, have them.
fn matrix_sides(adapter: &wgpu::Adapter, subgroup_size: Option<u32>) -> Vec<u32> {
    // The sizes that the kernel's work divides into.
    let divides = subgroup_size.is_some_and(|size| [8, 16, 32, 64].contains(&size));
    let needed = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SHADER_F16;
    if !divides || !adapter.features().contains(needed) {
        return Vec::new();
    }
    let all = adapter.cooperative_matrix_properties();
    let is_there = |side: &u32| {
        all.iter().any(|shape| {
            [shape.m_size, shape.n_size, shape.k_size] == [*side; 3]
                && shape.ab_type == wgpu::CooperativeScalarType::F16
                && shape.cr_type == wgpu::CooperativeScalarType::F32
                && !shape.saturating_accumulation
        })
    };
    [16, 8].into_iter().filter(is_there).collect()
}

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

#[derive(Debug)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) summary: AdapterSummary,
    pub(super) options: GpuOptions,
    pub(super) failure: Failure,
    /// Compiled for all that runs on this device.
    pub(super) pipelines: PipelineCache,
    /// Where these are kept, if anywhere.
    pub(super) stored: Option<StoredPipelines>,
    pub(super) work: Work,
    #[cfg(test)]
    pub(crate) refusal: super::buffers::Refusal,
}

impl Gpu {
    /// Opens the adapter at `index` of [`list_adapters`].
    ///
    /// # Errors
    /// When there is no such adapter, it cannot run the baseline of the kernels
    /// ([`check_baseline`](limits::check_baseline)), or its driver refuses.
    pub fn open(index: usize, options: GpuOptions) -> Result<Self, ExecError> {
        Self::open_listed(&Adapters::list(), index, options)
    }

    /// The same, of adapters that were listed just now.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_listed(
        listed: &Adapters,
        index: usize,
        options: GpuOptions,
    ) -> Result<Self, ExecError> {
        let Adapters {
            adapters,
            summaries,
        } = listed;
        let adapter = adapters.get(index).ok_or_else(|| ExecError::Device {
            device: format!("GPU {index}"),
            reason: format!("there are {} adapters", adapters.len()),
        })?;
        let summary = summaries[index].clone();
        limits::check_baseline(&summary)?;
        let mut wanted = wgpu::Features::SHADER_F16
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::PIPELINE_CACHE;
        let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
        if !summary.matrix_sides.is_empty() {
            wanted |= wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
            // SAFETY: wgpu does not hold back what is wrong use of matrices: a
            // shape that the adapter does not report, calls that part of a
            // subgroup makes, memory beyond an array. One shader uses them,
            // with the reported shapes, outside of branches that divide a
            // workgroup. Tests run it by the matrices of drivers that have them,
            // and its indexing everywhere, with plain code in their place.
            experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("srdiff"),
            required_features: adapter.features() & wanted,
            required_limits: adapter.limits(),
            experimental_features,
            // Otherwise allocations are rounded up to blocks of up to 256 MiB.
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            trace: wgpu::Trace::Off,
        };
        let opened = pollster::block_on(adapter.request_device(&descriptor));
        let (device, queue) = opened.map_err(|error| ExecError::Device {
            device: summary.name.clone(),
            reason: error.to_string(),
        })?;
        let failure = Failure::watch(&device, &summary.name);
        Ok(Self {
            pipelines: PipelineCache::new(&device),
            stored: None,
            work: Work::new(&device),
            device,
            queue,
            summary,
            options,
            failure,
            #[cfg(test)]
            refusal: Default::default(),
        })
    }

    /// The same, but keeps compiled pipelines in a folder, where the driver hands
    /// them out: what an earlier run has compiled is not compiled again. Says why
    /// a file there cannot be used.
    pub fn with_stored_pipelines(mut self, folder: &CacheFolder) -> (Self, Option<String>) {
        let identity = Identity::of(&self.summary);
        let (stored, note) = StoredPipelines::open(&self.device, identity, folder);
        self.stored = stored;
        (self, note)
    }

    /// The same, but calls the device hung when one submit takes so long.
    pub fn with_patience(mut self, limit: std::time::Duration) -> Self {
        self.work.limit = limit;
        self
    }

    /// Gives the device up: whatever runs on it fails from now on, as when a
    /// driver is reset or a card is pulled out.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    pub fn compiled_pipelines(&self) -> usize {
        self.pipelines.len()
    }

    pub fn summary(&self) -> &AdapterSummary {
        &self.summary
    }
}
