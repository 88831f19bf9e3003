//! One training step of each stage: seconds of each phase, and the memory.
//! `cargo bench --bench training -- --device cpu --size 24 --batch 8`: 24 is the
//! side of LR images. `benches/peers/pytorch_training.py` times the same in PyTorch.

mod common;

use common::Device;
use srdiff::exec::{PrepareOptions, StepRecord};
use srdiff::model::objective::{self, ObjectiveOptions, Stage, names};
use srdiff::model::{Model, time::sinusoidal_embedding};
use srdiff::ops::{Adam, AdamStep, Norm};
use srdiff::plan::PACK;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

const STAGES: [(&str, Stage); 3] = [
    ("encoder", Stage::Encoder),
    ("denoiser", Stage::Denoiser),
    ("joint", Stage::Joint),
];

fn main() -> Result<(), Box<dyn Error>> {
    let (options, devices) = common::start()?;
    let model = Arc::new(match &options.model {
        Some(path) => Model::open(path)?,
        None => Model::starter(),
    });
    let settings = model.settings();
    let (size, batch) = (settings.padded_lr_side(options.size), options.batch);
    let hr = size * settings.scale;
    println!(
        "{}, batches of {batch} images of {hr}x{hr}, {size}x{size} in LR",
        model.file()
    );
    for device in &devices {
        println!("\n{}\n", device.name());
        println!(
            "{:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "stage", "gradient s", "norms s", "adam s", "pack s", "images/s", "MiB"
        );
        for (name, stage) in STAGES {
            if name.contains(&options.filter) {
                let rounds = if options.quick { 2 } else { 7 };
                measure(
                    &model,
                    device,
                    (name, stage),
                    [batch, size, options.segments],
                    rounds,
                )?;
            }
        }
    }
    Ok(())
}

fn measure(
    model: &Arc<Model>,
    device: &Device,
    (name, stage): (&str, Stage),
    [batch, size, segments]: [usize; 3],
    rounds: usize,
) -> Result<(), Box<dyn Error>> {
    let settings = model.settings();
    let objective = objective::build(
        settings,
        &ObjectiveOptions {
            stage,
            norm: Norm::L1,
            batch,
            height: size,
            width: size,
            accumulates: false,
            segments,
            adam: Adam {
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
            },
        },
    )?;
    let trainable = PrepareOptions {
        fuse: true,
        trainable: true,
    };
    let mut executor = device
        .backend(model.clone())
        .load(&objective.graphs, &trainable)?;
    executor.set_records(&[StepRecord::with_rows_in_order()])?;
    let pixels = 3 * batch * size * size;
    let of_hr = pixels * settings.scale * settings.scale;
    let numbers = |count: usize| -> Vec<f32> {
        let number = |i: u32| (i.wrapping_mul(0x9E37_79B9) >> 24) as f32 / 255.0;
        (0..count as u32).map(number).collect()
    };
    executor.write(names::LR, &numbers(pixels))?;
    executor.write(names::SCALE, &[1.0])?;
    if stage.trains_encoder() {
        executor.write(names::HR, &numbers(of_hr))?;
    }
    if stage.trains_denoiser() {
        executor.write(names::X, &numbers(of_hr))?;
        executor.write(names::EPS, &numbers(of_hr))?;
        let rows = sinusoidal_embedding(batch, settings.hidden);
        executor.write(names::TIME, &rows)?;
    }
    // So small a rate that rounds are alike.
    let step = AdamStep {
        rate: 1e-9,
        gradient_scale: 1.0,
        l2: 0.0,
        decay: 0.0,
        correction1: 0.1,
        correction2: 0.001,
        average: 0.999,
    };
    executor.write(names::STEP, &step.elements())?;
    let phases = [names::GRADIENT, names::NORMS, names::ADAM, PACK];
    let mut times: [Vec<f64>; 4] = Default::default();
    for round in 0..=rounds {
        for (phase, times) in phases.iter().zip(&mut times) {
            let start = Instant::now();
            executor.run(phase, 0)?;
            executor.wait(0)?;
            // The first round warms up.
            if round > 0 {
                times.push(start.elapsed().as_secs_f64());
            }
        }
    }
    let medians = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    let rate = batch as f64 / medians.iter().sum::<f64>();
    let [gradient, norms, adam, pack] = medians;
    let memory = executor.memory().total_bytes() >> 20;
    println!(
        "{name:>9} {gradient:>10.4} {norms:>9.4} {adam:>9.4} {pack:>9.4} {rate:>9.2} {memory:>9}"
    );
    Ok(())
}
