//! What a short run takes before its first step, part by part.

use super::common::{NO_DEVICE, Options};
use super::graphs;
use srdiff::exec::gpu::{AdapterKind, Adapters, Gpu, GpuOptions};
use srdiff::exec::{Backend, Executor, PrepareOptions, Target};
use srdiff::image::Picture;
use srdiff::model::{Model, names};
use srdiff::plan::Precision;
use srdiff::upscale::{SampleOptions, Upscaler, UpscalerOptions};
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// Prints how long each part takes, one after the other, and then all of them as
/// an upscaler does them.
pub fn print(options: &Options) -> Result<(), Box<dyn Error>> {
    let device = options.device.as_deref().unwrap_or("cpu");
    let open = || match &options.model {
        Some(path) => Model::open(path),
        None => Ok(Model::starter()),
    };
    println!("\n{:>9}  on {device}", "ms");
    let model = timed("open the model", open)?;
    let size = model.settings().padded_lr_side(options.size);
    let model = Arc::new(model);
    let precision = Precision::F32;
    let (target, backend, choice) = match device {
        "cpu" => (
            Target::cpu(precision),
            Backend::cpu(precision, model.clone()),
            "cpu".to_owned(),
        ),
        wanted => {
            let adapters = timed("list adapters", || Ok::<_, String>(Adapters::list()))?;
            let mut summaries = adapters.summaries().iter();
            let summary = summaries.find(|summary| match wanted {
                "gpu" => summary.kind != AdapterKind::Software,
                index => index == summary.index.to_string(),
            });
            let summary = summary.ok_or_else(|| format!("--device {wanted}: {NO_DEVICE}"))?;
            let gpu = timed("open the adapter", || {
                Gpu::open_listed(&adapters, summary.index, GpuOptions { checked: false })
            })?;
            let target = Target::gpu(gpu.summary(), precision);
            let backend = Backend::gpu(Arc::new(gpu), precision, model.clone());
            (target, backend, summary.name.clone())
        }
    };
    let graphs = graphs(&model, size, size)?;
    let prepared = timed("choose kernels, plan, lower", || {
        target.prepare(&graphs, &PrepareOptions::default())
    })?;
    if let (Backend::Gpu(gpu), Some(lowered)) = (&backend, prepared.lowered()) {
        timed("compile kernels", || gpu.gpu().compile(lowered))?;
    }
    let mut executor: Box<dyn Executor> = timed("allocate, pack weights", || {
        let executor = backend.load_prepared(prepared)?;
        Ok::<_, srdiff::exec::ExecError>(executor)
    })?;
    super::inputs(executor.as_mut(), model.settings(), size * size)?;
    for phase in [names::MODEL, names::IMAGE, names::PREDICT] {
        timed(&format!("run '{phase}'"), || {
            executor.run(phase, 0)?;
            executor.wait(0)
        })?;
    }
    drop((executor, backend));

    let side = options.size;
    let colors = (0..3 * side * side).map(|i| (i * 7 % 251) as u8);
    let picture = Picture::new(side, side, colors.collect());
    let started = Instant::now();
    let upscaler_options = UpscalerOptions {
        device: choice.parse()?,
        ..UpscalerOptions::default()
    };
    let model = open()?;
    let sample = SampleOptions::seeded(model.settings(), 1);
    let mut upscaler = timed("all: an upscaler", || {
        Upscaler::new(model, &upscaler_options)
    })?;
    for name in ["all: its first image", "all: its second image"] {
        timed(name, || {
            upscaler.upscale(&picture, &sample, &mut |_| ControlFlow::Continue(()))
        })?;
    }
    println!("{:>9.1}  all", started.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

fn timed<T, E>(name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    let done = work();
    println!("{:>9.1}  {name}", start.elapsed().as_secs_f64() * 1e3);
    done
}
