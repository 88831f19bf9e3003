//! Runs a program on the CPU.

use super::kernel::{Kernel, Loading};
use super::memory::{Slots, View};
use super::{
    conv_transpose2d, conv2d, copy, group_norm, image_pack, linear, linear_attention, mish, noise,
    reconstruct, sampler_update, upsample,
};
use crate::exec::{ExecError, Executor, Parameters, StepRecord};
use crate::graph::{Layout, Program};
use crate::ops::Op;

/// A program loaded on the CPU: its memory, and a kernel for each step.
pub struct CpuExecutor {
    // Kernels hold addresses inside the slots, so they go first.
    phases: Vec<Vec<Kernel>>,
    slots: Slots,
    program: Program,
    records: Vec<StepRecord>,
}

impl CpuExecutor {
    /// Loads a program: packs its weights and allocates its memory. Work is
    /// spread over the threads of rayon's current pool.
    ///
    /// # Errors
    /// When a weight is missing or memory runs out.
    ///
    /// # Panics
    /// When the program was not planned with [`plan_options`](super::plan_options),
    /// or is none that the planner makes.
    pub fn new(program: Program, parameters: &dyn Parameters) -> Result<Self, ExecError> {
        assert_eq!(
            program.options.layout,
            Layout::ChannelsLast,
            "the CPU's layout"
        );
        // Kernels write through addresses: what the planner promises must hold.
        for plan in &program.phases {
            plan.check().unwrap_or_else(|error| panic!("{error}"));
        }
        let mut slots = Slots::new(&program)?;
        let phases = program
            .phases
            .iter()
            .map(|plan| {
                plan.steps
                    .iter()
                    .map(|step| {
                        load(Loading {
                            plan,
                            step,
                            slots: &mut slots,
                            parameters,
                        })
                    })
                    .collect()
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            phases,
            slots,
            program,
            records: vec![StepRecord::default()],
        })
    }

    fn view(&mut self, name: &str) -> Result<View, ExecError> {
        let value = self
            .program
            .find_persistent(name)
            .ok_or_else(|| ExecError::Device {
                device: "the CPU".to_owned(),
                reason: format!("no value '{name}' to read or write"),
            })?;
        Ok(self.slots.view(value))
    }
}

/// Chooses the kernel of a step and packs its weights.
fn load(mut loading: Loading) -> Result<Kernel, ExecError> {
    let loading = &mut loading;
    Ok(match &loading.step.op {
        Op::Conv2d(op) => conv2d::load(loading, op)?,
        Op::ConvTranspose2d(op) => conv_transpose2d::load(loading, op)?,
        Op::Copy(_) => copy::load(loading),
        Op::GroupNorm(op) => group_norm::load(loading, op)?,
        Op::ImagePack(_) => image_pack::load_pack(loading),
        Op::ImageUnpack(op) => image_pack::load_unpack(loading, op),
        Op::Linear(_) => linear::load(loading)?,
        Op::LinearAttention(op) => linear_attention::load(loading, op),
        Op::Mish(_) => mish::load(loading),
        Op::Noise(_) => noise::load(loading),
        Op::Reconstruct(op) => reconstruct::load(loading, op),
        Op::SamplerUpdate(op) => sampler_update::load(loading, op),
        Op::UpsampleBicubic(op) => upsample::load_bicubic(loading, op),
        Op::UpsampleNearest(op) => upsample::load_nearest(loading, op),
    })
}

impl Executor for CpuExecutor {
    fn write(&mut self, name: &str, elements: &[f32]) -> Result<(), ExecError> {
        let view = self.view(name)?;
        let shape = view.shape;
        assert_eq!(elements.len(), shape.elements(), "writing '{name}' {shape}");
        let plane = shape.pixels();
        for p in 0..shape.n * plane {
            // SAFETY: no kernel runs while the executor is borrowed here.
            let pixel = unsafe { view.pixel_mut(p) };
            for (c, element) in pixel.iter_mut().enumerate() {
                *element = elements[(p / plane * shape.c + c) * plane + p % plane];
            }
        }
        Ok(())
    }

    fn write_pixels(&mut self, name: &str, pixels: &[u32]) -> Result<(), ExecError> {
        let view = self.view(name)?;
        assert_eq!(pixels.len(), view.shape.elements(), "writing '{name}'");
        for (p, &rgba) in pixels.iter().enumerate() {
            // SAFETY: as above.
            unsafe { view.pixel_mut(p)[0] = f32::from_bits(rgba) };
        }
        Ok(())
    }

    fn set_steps(&mut self, steps: &[StepRecord]) -> Result<(), ExecError> {
        self.records = steps.to_vec();
        Ok(())
    }

    fn run(&mut self, phase: usize, step: usize) -> Result<(), ExecError> {
        let record = self.records[step];
        for kernel in &self.phases[phase] {
            kernel(&record);
        }
        Ok(())
    }

    fn wait(&mut self, _pending: usize) -> Result<(), ExecError> {
        // Runs are done when they return.
        Ok(())
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, ExecError> {
        let view = self.view(name)?;
        let shape = view.shape;
        let plane = shape.pixels();
        let mut elements = vec![0.0; shape.elements()];
        for p in 0..shape.n * plane {
            // SAFETY: as above.
            let pixel = unsafe { view.pixel(p) };
            for (c, &element) in pixel.iter().enumerate() {
                elements[(p / plane * shape.c + c) * plane + p % plane] = element;
            }
        }
        Ok(elements)
    }

    fn read_pixels(&mut self, name: &str) -> Result<Vec<u32>, ExecError> {
        let view = self.view(name)?;
        Ok((0..view.shape.elements())
            // SAFETY: as above.
            .map(|p| unsafe { view.pixel(p)[0].to_bits() })
            .collect())
    }

    fn program(&self) -> &Program {
        &self.program
    }
}
