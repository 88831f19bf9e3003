//! Compute pipelines, each made once.

use super::adapter::Gpu;
use super::kernels::Dispatch;
use super::shader::{ArrayType, BindingKind, Shader, reflect};
use crate::exec::ExecError;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;

/// A pipeline and the layout of its group 0.
pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub arrays: wgpu::BindGroupLayout,
    /// Whether it reads the running step's record, group 1.
    pub reads_record: bool,
}

/// What makes two dispatches use one pipeline.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    shader: Shader,
    entry: &'static str,
    types: Vec<ArrayType>,
    constants: Vec<(&'static str, u64)>,
}

impl Key {
    fn of(dispatch: &Dispatch) -> Self {
        Self {
            shader: dispatch.shader,
            entry: dispatch.entry,
            types: dispatch.types.clone(),
            constants: dispatch
                .constants
                .iter()
                .map(|&(name, value)| (name, value.to_bits()))
                .collect(),
        }
    }
}

/// A parsed shader with its layouts.
struct Module {
    module: wgpu::ShaderModule,
    arrays: wgpu::BindGroupLayout,
    layout: wgpu::PipelineLayout,
    reads_record: bool,
}

/// All pipelines of a program.
pub(super) struct Pipelines {
    /// Layout of group 1: the record of the running step.
    pub record: wgpu::BindGroupLayout,
    /// Pipelines.
    pub pipelines: Vec<Pipeline>,
    /// Pipeline of each dispatch.
    pub of_dispatch: Vec<usize>,
}

impl Pipelines {
    pub(super) fn new(gpu: &Gpu, dispatches: &[&Dispatch]) -> Result<Self, ExecError> {
        let record = record_layout(gpu);
        let mut keys: Vec<Key> = Vec::new();
        let mut known: HashMap<Key, usize> = HashMap::new();
        let of_dispatch = dispatches
            .iter()
            .map(|dispatch| {
                *known.entry(Key::of(dispatch)).or_insert_with_key(|key| {
                    keys.push(key.clone());
                    keys.len() - 1
                })
            })
            .collect();

        let mut modules: HashMap<(Shader, &[ArrayType]), Module> = HashMap::new();
        for key in &keys {
            modules
                .entry((key.shader, &key.types))
                .or_insert_with(|| Module::new(gpu, key.shader, &key.types, &record));
        }
        // Drivers compile one pipeline per thread.
        let pipelines = keys
            .par_iter()
            .map(|key| modules[&(key.shader, &key.types[..])].pipeline(gpu, key))
            .collect();
        gpu.failure.check()?;
        Ok(Self {
            record,
            pipelines,
            of_dispatch,
        })
    }
}

impl Module {
    fn new(gpu: &Gpu, shader: Shader, types: &[ArrayType], record: &wgpu::BindGroupLayout) -> Self {
        let parsed = shader.module(types);
        let bindings = reflect(&parsed);
        let entries: Vec<wgpu::BindGroupLayoutEntry> = bindings
            .iter()
            .filter(|binding| binding.group == 0)
            .map(|binding| layout_entry(binding.binding, binding.kind, false))
            .collect();
        let arrays = gpu
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(shader.name()),
                entries: &entries,
            });
        let reads_record = bindings.iter().any(|binding| binding.group == 1);
        let mut groups = vec![Some(&arrays)];
        if reads_record {
            groups.push(Some(record));
        }
        let layout = gpu
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(shader.name()),
                bind_group_layouts: &groups,
                immediate_size: 0,
            });
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(shader.name()),
            source: wgpu::ShaderSource::Naga(Cow::Owned(parsed)),
        };
        let module = if gpu.options.checked {
            gpu.device.create_shader_module(descriptor)
        } else {
            // SAFETY: every kernel keeps its indices inside the arrays that
            // the plan gave it, on every adapter: the kernel tests run with
            // checks on and with sentinels around results, and loops end
            // because their bounds are dimensions. Unchecked indexing is
            // what makes the inner loops fast.
            unsafe {
                gpu.device.create_shader_module_trusted(
                    descriptor,
                    wgpu::ShaderRuntimeChecks::unchecked(),
                )
            }
        };
        Self {
            module,
            arrays,
            layout,
            reads_record,
        }
    }

    fn pipeline(&self, gpu: &Gpu, key: &Key) -> Pipeline {
        let constants: Vec<(&str, f64)> = key
            .constants
            .iter()
            .map(|&(name, bits)| (name, f64::from_bits(bits)))
            .collect();
        let pipeline = gpu
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(key.entry),
                layout: Some(&self.layout),
                module: &self.module,
                entry_point: Some(key.entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            });
        Pipeline {
            pipeline,
            arrays: self.arrays.clone(),
            reads_record: self.reads_record,
        }
    }
}

fn record_layout(gpu: &Gpu) -> wgpu::BindGroupLayout {
    let size = size_of::<crate::exec::StepRecord>() as u32;
    gpu.device
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("step record"),
            entries: &[layout_entry(0, BindingKind::Uniform(size), true)],
        })
}

fn layout_entry(binding: u32, kind: BindingKind, dynamic: bool) -> wgpu::BindGroupLayoutEntry {
    let ty = match kind {
        BindingKind::Uniform(_) => wgpu::BufferBindingType::Uniform,
        BindingKind::Read => wgpu::BufferBindingType::Storage { read_only: true },
        BindingKind::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
    };
    let min_binding_size = match kind {
        BindingKind::Uniform(size) => wgpu::BufferSize::new(u64::from(size)),
        BindingKind::Read | BindingKind::ReadWrite => None,
    };
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: dynamic,
            min_binding_size,
        },
        count: None,
    }
}
