//! What a GPU reaches at most, measured: the benchmarks' yardstick.

use super::adapter::Gpu;
use super::buffers::{buffer, uniform_usage};
use super::readback;
use super::shader::Shader;
use crate::exec::ExecError;
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// vec4 of each array: 64 MiB, more than a cache holds.
const COUNT: u32 = 4 << 20;
/// vec4 that a row of workgroups covers.
const COLUMNS: u32 = 1024 * 256;
/// vec4 that the arithmetic is done on: a slow adapter is busy enough.
const ARITHMETIC_COUNT: u32 = COLUMNS;
/// Floating-point operations of a round on one vec4: 32 multiply-adds.
const ROUND_FLOPS: u64 = 32 * 4 * 2;
/// A measurement shorter than this is repeated with twice the work.
const LONG_ENOUGH: Duration = Duration::from_millis(150);

/// Rates of kernels that do nothing but compute, or nothing but copy.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// f32 operations a second (a multiply-add counts two).
    pub flops: f64,
    /// Bytes read and written a second.
    pub bytes: f64,
}

impl Gpu {
    /// Measures `shaders/peak.wgsl`; takes a second or two.
    ///
    /// # Errors
    /// When the device fails, or has no room for two arrays of 64 MiB.
    pub fn measure_peak(&self) -> Result<Peak, ExecError> {
        let bench = Bench::new(self);
        let (rounds, time) = bench.double(1, |rounds| {
            bench.run(&bench.multiply_add, ARITHMETIC_COUNT, rounds, 1)
        })?;
        let flops = f64::from(ARITHMETIC_COUNT) * (ROUND_FLOPS * u64::from(rounds)) as f64;
        let (repeats, copying) =
            bench.double(1, |repeats| bench.run(&bench.stream, COUNT, 0, repeats))?;
        let bytes = 2.0 * 16.0 * f64::from(COUNT) * f64::from(repeats);
        Ok(Peak {
            flops: flops / time.as_secs_f64(),
            bytes: bytes / copying.as_secs_f64(),
        })
    }
}

struct Bench<'a> {
    gpu: &'a Gpu,
    dims: wgpu::Buffer,
    multiply_add: (wgpu::ComputePipeline, wgpu::BindGroup),
    stream: (wgpu::ComputePipeline, wgpu::BindGroup),
}

impl<'a> Bench<'a> {
    fn new(gpu: &'a Gpu) -> Self {
        let module = gpu
            .device
            .create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(Shader::Peak.name()),
                source: wgpu::ShaderSource::Naga(Cow::Owned(Shader::Peak.module(&[]))),
            });
        let dims = buffer(gpu, "dims", 16, uniform_usage());
        let array = |label| {
            let size = 16 * u64::from(COUNT);
            buffer(gpu, label, size, wgpu::BufferUsages::STORAGE)
        };
        let (x, y) = (array("x"), array("y"));
        let pipeline = |entry: &str| {
            let pipeline = gpu
                .device
                .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: Some(entry),
                    layout: None,
                    module: &module,
                    entry_point: Some(entry),
                    compilation_options: Default::default(),
                    cache: None,
                });
            let entries: Vec<_> = [&dims, &x, &y]
                .into_iter()
                .zip(0..)
                .map(|(buffer, binding)| wgpu::BindGroupEntry {
                    binding,
                    resource: buffer.as_entire_binding(),
                })
                .collect();
            let layout = pipeline.get_bind_group_layout(0);
            let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(entry),
                layout: &layout,
                entries: &entries,
            });
            (pipeline, group)
        };
        Self {
            gpu,
            multiply_add: pipeline("multiply_add"),
            stream: pipeline("stream"),
            dims,
        }
    }

    /// Doubles the work until it takes long enough to be timed.
    fn double(
        &self,
        first: u32,
        run: impl Fn(u32) -> Result<Duration, ExecError>,
    ) -> Result<(u32, Duration), ExecError> {
        let mut work = first;
        run(work)?; // the driver's compilation
        loop {
            let time = run(work)?;
            if time >= LONG_ENOUGH {
                // Now that the clock is up, once more.
                return Ok((work, time.min(run(work)?)));
            }
            work *= 2;
        }
    }

    fn run(
        &self,
        (pipeline, group): &(wgpu::ComputePipeline, wgpu::BindGroup),
        count: u32,
        rounds: u32,
        repeats: u32,
    ) -> Result<Duration, ExecError> {
        let gpu = self.gpu;
        let dims = [COLUMNS, rounds, 0, 0];
        gpu.queue
            .write_buffer(&self.dims, 0, bytemuck::cast_slice(&dims));
        gpu.queue.submit([]);
        readback::wait(gpu, None)?;
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            for _ in 0..repeats {
                pass.dispatch_workgroups(COLUMNS / 256, count / COLUMNS, 1);
            }
        }
        let start = Instant::now();
        let index = gpu.queue.submit([encoder.finish()]);
        readback::wait(gpu, Some(index))?;
        Ok(start.elapsed())
    }
}
