//! Compute pipelines, each compiled once for a device.

use super::adapter::Gpu;
use crate::exec::gpu::{Access, Lowered, Pipeline, PipelineBinding, RECORD_BYTES};
use crate::exec::{ExecError, lock};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

/// A pipeline and the layout of its group 0.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub pipeline: wgpu::ComputePipeline,
    pub arrays: wgpu::BindGroupLayout,
}

/// What makes two pipelines one: source, entry point, constants.
type Key = (String, String, Vec<(String, u64)>);

/// All pipelines of a device.
#[derive(Debug)]
pub(super) struct PipelineCache {
    /// Layout of group 1: the record of the running step.
    pub record: wgpu::BindGroupLayout,
    compiled: Mutex<HashMap<Key, Compiled>>,
}

impl PipelineCache {
    pub(super) fn new(device: &wgpu::Device) -> Self {
        let record = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("step record"),
            entries: &[layout_entry(0, Access::Uniform(RECORD_BYTES as u32), true)],
        });
        Self {
            record,
            compiled: Mutex::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.compiled).len()
    }

    /// The pipelines of a program; those that are not there yet are compiled,
    /// on all cores. Several threads may compile at once.
    pub(super) fn get(&self, gpu: &Gpu, lowered: &Lowered) -> Result<Vec<Compiled>, ExecError> {
        let keys: Vec<Key> = lowered.pipelines.iter().map(|p| key(lowered, p)).collect();
        let mut missing: Vec<_> = lowered.pipelines.iter().zip(&keys).collect();
        {
            let compiled = lock(&self.compiled);
            missing.retain(|(_, key)| !compiled.contains_key(*key));
        }
        let modules: BTreeSet<usize> = missing.iter().map(|(p, _)| p.module).collect();
        let modules: HashMap<usize, wgpu::ShaderModule> = modules
            .into_par_iter()
            .map(|index| (index, shader_module(gpu, lowered, index)))
            .collect();
        let made: Vec<(Key, Compiled)> = missing
            .into_par_iter()
            .map(|(p, key)| (key.clone(), self.compile(gpu, p, &modules[&p.module])))
            .collect();
        gpu.failure.check()?;
        let mut compiled = lock(&self.compiled);
        compiled.extend(made);
        Ok(keys.iter().map(|key| compiled[key].clone()).collect())
    }

    fn compile(&self, gpu: &Gpu, pipeline: &Pipeline, module: &wgpu::ShaderModule) -> Compiled {
        let entry = |binding: &PipelineBinding| layout_entry(binding.index, binding.access, false);
        let entries: Vec<_> = pipeline.bindings.iter().map(entry).collect();
        let label = Some(pipeline.entry.as_str());
        let device = &gpu.device;
        let arrays = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label,
            entries: &entries,
        });
        let mut groups = vec![Some(&arrays)];
        if pipeline.reads_record {
            groups.push(Some(&self.record));
        }
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &groups,
            immediate_size: 0,
        });
        let constants = pipeline.constants.iter();
        let constants: Vec<(&str, f64)> = constants.map(|(n, &v)| (n.as_str(), v)).collect();
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&layout),
            module,
            entry_point: Some(&pipeline.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: gpu.stored.as_ref().map(|stored| &stored.cache),
        });
        Compiled { pipeline, arrays }
    }
}

impl Gpu {
    /// Compiles the kernels of a program that are not compiled yet.
    ///
    /// # Errors
    /// When the driver refuses one: the device is of no use from then on.
    pub fn compile(&self, lowered: &Lowered) -> Result<(), ExecError> {
        self.pipelines.get(self, lowered).map(drop)
    }
}

fn key(lowered: &Lowered, pipeline: &Pipeline) -> Key {
    let constants = pipeline.constants.iter();
    let constants = constants.map(|(name, value)| (name.clone(), value.to_bits()));
    let source = lowered.modules[pipeline.module].source.clone();
    (source, pipeline.entry.clone(), constants.collect())
}

fn shader_module(gpu: &Gpu, lowered: &Lowered, index: usize) -> wgpu::ShaderModule {
    let module = &lowered.modules[index];
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(&module.shader),
        source: wgpu::ShaderSource::Wgsl(Cow::Borrowed(&module.source)),
    };
    if gpu.options.checked {
        return gpu.device.create_shader_module(descriptor);
    }
    // SAFETY: who loads a program vouches for its kernels. Those of `lower` keep
    // their indices inside the arrays that the program gave them, on every
    // adapter: the kernel tests run with checks on and with sentinels around
    // results, rows of tables are checked with the step records, and loops end
    // because their bounds are dimensions. Unchecked indexing is what makes the
    // inner loops fast.
    unsafe {
        let unchecked = wgpu::ShaderRuntimeChecks::unchecked();
        gpu.device
            .create_shader_module_trusted(descriptor, unchecked)
    }
}

pub(super) fn layout_entry(
    binding: u32,
    access: Access,
    dynamic: bool,
) -> wgpu::BindGroupLayoutEntry {
    use wgpu::BufferBindingType::{Storage, Uniform};
    let (ty, bytes) = match access {
        Access::Uniform(bytes) => (Uniform, u64::from(bytes)),
        Access::Read => (Storage { read_only: true }, 0),
        Access::ReadWrite => (Storage { read_only: false }, 0),
    };
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: dynamic,
            min_binding_size: wgpu::BufferSize::new(bytes),
        },
        count: None,
    }
}
