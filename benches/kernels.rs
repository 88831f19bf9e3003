//! Every distinct kernel of the real models, alone: time, and how much of
//! what the device can do. `cargo bench --bench kernels`; see `--help`.
//!
//! The rows are the nodes of the published models at 160 x 160, which
//! `tests/kernels.rs` checks on smaller pictures; they are made from the
//! models' own graphs, so they cannot go stale.
//! Bytes are those of operands and results, each once; arrays that stay in a
//! cache go faster than the measured peak, which is that of main memory.

#[path = "../tests/kernels/case.rs"]
mod case;
mod common;
#[path = "../tests/kernels/cases/models.rs"]
mod models;
#[path = "kernels/peak.rs"]
mod peak;

use case::{Case, Filled};
use common::{Device, Loaded};
use models::NodeCase;
use peak::Peak;
use srdiff::exec::ExecError;
use srdiff::graph::{Element, Precision, Role, plan};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, devices) = common::start()?;
    let mut models = models::published();
    if options.quick {
        models.truncate(1);
    }
    let rows = models::nodes(&models, 160);
    for device in &devices {
        println!("\n{}", device.name());
        let peak = peak::measure(device)?;
        println!(
            "measured peak: {:.1} GFLOP/s, {:.1} GB/s\n",
            peak.flops / 1e9,
            peak.bytes / 1e9
        );
        println!(
            "{:>10} {:>9} {:>6} {:>8} {:>6}  kernel (uses)",
            "ms", "GFLOP/s", "%peak", "GB/s", "%peak"
        );
        let shown = rows.iter().filter(|row| row.name.contains(&options.filter));
        for row in shown {
            print_row(row, device, &peak, options.quick)?;
        }
    }
    Ok(())
}

fn print_row(row: &NodeCase, device: &Device, peak: &Peak, quick: bool) -> Result<(), ExecError> {
    let program = plan(std::slice::from_ref(&row.case.graph), device.plan_options())
        .expect("one phase agrees with itself");
    let step = &program.phases[0].steps[0];
    let flops = program.phases[0].step_flops(step) as f64;
    let bytes = program.phases[0].step_bytes(step) as f64;
    let time = measure(&row.case, device, program, quick)?.as_secs_f64();
    let uses: Vec<String> = row
        .uses
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    println!(
        "{:>10.4} {:>9.1} {:>5.0}% {:>8.1} {:>5.0}%  {} ({})",
        time * 1e3,
        flops / time / 1e9,
        100.0 * flops / time / peak.flops,
        bytes / time / 1e9,
        100.0 * bytes / time / peak.bytes,
        row.name,
        uses.join(", ")
    );
    Ok(())
}

/// Median time of a run.
fn measure(
    case: &Case,
    device: &Device,
    program: srdiff::graph::Program,
    quick: bool,
) -> Result<Duration, ExecError> {
    let halves = device.plan_options().precision == Precision::F16;
    let mut loaded = device.open(program, &Filled { case, halves })?;
    for value in &case.graph.values {
        if value.role != Role::State || value.view_of.is_some() {
            continue;
        }
        let executor = loaded.executor();
        if value.element == Element::Pixel {
            executor.write_pixels(&value.name, &case.pixels(value))?;
        } else {
            executor.write(&value.name, &case.values(value, false))?;
        }
    }
    let (least, budget) = match quick {
        true => (3, Duration::from_millis(50)),
        false => (7, Duration::from_millis(300)),
    };
    loaded.executor().set_steps(&case.records)?;
    once(&mut loaded)?;
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < least || (start.elapsed() < budget && times.len() < 1000) {
        times.push(once(&mut loaded)?);
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// One run: by the GPU's own clock where it has one, else by ours, of as many
/// runs at once as hide the cost of a submit.
fn once(loaded: &mut Loaded) -> Result<Duration, ExecError> {
    if let Loaded::Gpu(gpu) = loaded
        && let Some(times) = gpu.profile(0, 0)?
    {
        return Ok(times.iter().map(|dispatch| dispatch.time).sum());
    }
    let runs = match loaded {
        Loaded::Cpu(_) => 1,
        Loaded::Gpu(_) => 16,
    };
    let executor = loaded.executor();
    executor.wait(0)?;
    let start = Instant::now();
    for _ in 0..runs {
        executor.run(0, 0)?;
    }
    executor.wait(0)?;
    Ok(start.elapsed() / runs)
}
