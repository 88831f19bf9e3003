//! A model on a GPU.

use super::adapter::Gpu;
use super::executor::GpuExecutor;
use crate::exec::gpu::Lowered;
use crate::exec::{ExecError, lock};
use crate::graph::Parameters;
use crate::plan::Precision;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A model on a GPU, its weights packed once for all that it loads. Compiled
/// pipelines belong to the [`Gpu`] and serve all models.
pub struct GpuBackend {
    gpu: Arc<Gpu>,
    precision: Precision,
    parameters: Arc<dyn Parameters>,
    packed: Mutex<HashMap<String, wgpu::Buffer>>,
}

impl GpuBackend {
    pub fn new(gpu: Arc<Gpu>, precision: Precision, parameters: Arc<dyn Parameters>) -> Self {
        Self {
            gpu,
            precision,
            parameters,
            packed: Mutex::default(),
        }
    }

    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    pub fn packed_weights(&self) -> usize {
        lock(&self.packed).len()
    }

    /// Loads a program: allocates its memory, compiles the kernels and packs
    /// the weights that no earlier program needed.
    ///
    /// # Errors
    /// When the program exceeds a limit or the memory of the GPU, is in f16 and
    /// the GPU has none, a parameter is missing, or the driver fails.
    ///
    /// # Safety
    /// Shaders check no index unless [`GpuOptions::checked`](super::GpuOptions)
    /// says so. Each must keep to the buffers that its commands bind, as those
    /// that [`lower`](crate::exec::gpu::lower) makes do.
    pub unsafe fn load(&self, lowered: Lowered) -> Result<GpuExecutor, ExecError> {
        let mut packed = lock(&self.packed);
        GpuExecutor::new(self.gpu.clone(), lowered, &*self.parameters, &mut packed)
    }
}
