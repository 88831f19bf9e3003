//! Every distinct kernel of the real models, alone: time, and how much of
//! what the device can do. `cargo bench --bench kernels`; see `--help`.
//!
//! The rows are the nodes of the published models at 160 x 160, which
//! `tests/kernels.rs` checks on smaller images; they are made from the
//! models' own graphs, so they cannot go stale.
//! `-- --roofline` shows one step and the encoder of a model, the starter or
//! `--model FILE`, sorted by the time that each kernel loses to the least that the
//! peaks allow; `-- --variants` each convolution by every kernel that a GPU has for it.
//! Bytes are those of operands and results, each once; arrays that stay in a
//! cache go faster than the measured peak, which is that of main memory.

#[path = "../tests/kernels/case.rs"]
mod case;
mod common;
#[path = "kernels/variants.rs"]
mod kernels;
#[path = "../tests/kernels/cases/models.rs"]
mod models;
#[path = "kernels/peak.rs"]
mod peak;

use case::Case;
use common::Device;
use models::NodeCase;
use peak::Peak;
use srdiff::exec::gpu::GpuExecutor;
use srdiff::exec::{Backend, ExecError, Executor, PrepareError, Prepared};
use srdiff::graph::Role;
use srdiff::model::{Model, names};
use srdiff::plan::{Chooser, PACK, Precision};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, devices) = common::start()?;
    let mut models = models::published();
    if let Some(path) = &options.model {
        let settings = Model::open(path)?.settings().clone();
        models = vec![(path.display().to_string(), settings)];
    }
    if options.quick || options.roofline {
        models.truncate(1);
    }
    let side = match options.roofline {
        true => options.size * models[0].1.scale,
        false => 160,
    };
    let rows = models::nodes(&models, side);
    for device in &devices {
        println!("\n{}", device.name());
        let peak = peak::measure(device)?;
        println!(
            "measured peak: {:.1} GFLOP/s ({}), {:.1} GB/s\n",
            peak.flops / 1e9,
            peak.by,
            peak.bytes / 1e9
        );
        let shown: Vec<&NodeCase> = rows
            .iter()
            .filter(|row| row.name.contains(&options.filter))
            .collect();
        if options.roofline {
            roofline(&shown, device, &peak, options.quick)?;
            continue;
        }
        if let (true, Device::Gpu(gpu, precision, _)) = (options.variants, device) {
            for row in shown {
                let kernels = kernels::variants(row, gpu.summary(), *precision);
                print_variants(row, device, &kernels, options.quick)?;
            }
            continue;
        }
        println!(
            "{:>10} {:>9} {:>6} {:>8} {:>6}  kernel (uses)",
            "ms", "GFLOP/s", "%peak", "GB/s", "%peak"
        );
        for row in shown {
            print_row(row, device, &peak, options.quick)?;
        }
    }
    Ok(())
}

/// What a kernel took, and what it had to do.
struct Measured {
    /// Seconds.
    time: f64,
    /// Of the operation's definition: an algorithm that needs fewer may go
    /// beyond the peak.
    flops: f64,
    /// Operands and results, each once.
    bytes: f64,
}

impl Measured {
    fn of(row: &NodeCase, device: &Device, quick: bool) -> Result<Self, PrepareError> {
        Self::by(row, device, &*device.target().chooser(), quick)
    }

    /// By the kernel that this chooser takes.
    fn by(
        row: &NodeCase,
        device: &Device,
        chooser: &dyn Chooser,
        quick: bool,
    ) -> Result<Self, PrepareError> {
        let case = Arc::new(row.case.clone());
        let backend = device.backend(case.clone());
        let target = device.target();
        let graphs = std::slice::from_ref(&case.graph);
        // The node is what fusion has made of it.
        let prepared = target.prepare_with(graphs, chooser, false)?;
        let (mut flops, mut bytes) = (0, 0);
        let phases = prepared.program().phases.iter();
        for phase in phases.filter(|phase| phase.name != PACK) {
            flops += phase.flops();
            bytes += phase.nodes.iter().map(|n| phase.node_bytes(n)).sum::<u64>();
        }
        Ok(Self {
            time: measure(&case, &backend, prepared, quick)?.as_secs_f64(),
            flops: flops as f64,
            bytes: bytes as f64,
        })
    }

    /// The least time that the peaks allow, in seconds.
    fn limit(&self, peak: &Peak) -> f64 {
        (self.flops / peak.flops).max(self.bytes / peak.bytes)
    }
}

fn print_row(
    row: &NodeCase,
    device: &Device,
    peak: &Peak,
    quick: bool,
) -> Result<(), PrepareError> {
    let Measured { time, flops, bytes } = Measured::of(row, device, quick)?;
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

/// All kernels of a convolution, and how many times as fast as the first each is.
fn print_variants(
    row: &NodeCase,
    device: &Device,
    kernels: &[kernels::By],
    quick: bool,
) -> Result<(), PrepareError> {
    if kernels.len() < 2 {
        return Ok(());
    }
    println!("{}", row.name);
    let mut first = None;
    for by in kernels {
        let Measured { time, flops, .. } = Measured::by(row, device, by, quick)?;
        let first = *first.get_or_insert(time);
        println!(
            "{:>10.4} ms {:>9.1} GFLOP/s {:>6.2}x  {}",
            time * 1e3,
            flops / time / 1e9,
            first / time,
            by.variant
        );
    }
    Ok(())
}

/// One step and the encoder: kernels by the time that they lose to the limit
/// of the device's peaks, and the sum.
fn roofline(
    rows: &[&NodeCase],
    device: &Device,
    peak: &Peak,
    quick: bool,
) -> Result<(), PrepareError> {
    let measured: Result<Vec<_>, _> = rows
        .iter()
        .map(|row| Ok::<_, PrepareError>((*row, Measured::of(row, device, quick)?)))
        .collect();
    let measured = measured?;
    let parts = [
        ("one step", &[names::PREDICT, names::UPDATE][..]),
        ("encoder", &[names::IMAGE, names::CONDITION][..]),
    ];
    for (part, phases) in parts {
        // In ms, all uses of each kernel together: lost, taken, least.
        let mut kernels: Vec<([f64; 3], &NodeCase, usize, &Measured)> = Vec::new();
        for (row, measured) in &measured {
            let uses = row.uses.iter().filter(|(used, _)| {
                let phase = used.rsplit(' ').next();
                phases.iter().any(|&name| phase == Some(name))
            });
            let count: usize = uses.map(|(_, count)| count).sum();
            let times = [measured.time, measured.limit(peak)].map(|t| t * count as f64 * 1e3);
            if count > 0 {
                kernels.push((
                    [times[0] - times[1], times[0], times[1]],
                    row,
                    count,
                    measured,
                ));
            }
        }
        kernels.sort_by(|a, b| f64::total_cmp(&b.0[0], &a.0[0]));
        let total = |column: usize| kernels.iter().map(|(times, ..)| times[column]).sum::<f64>();
        let [taken, least] = [total(1), total(2)];
        // Kernels that are beyond the limit make up for nothing.
        let lost: f64 = kernels.iter().map(|([lost, ..], ..)| lost.max(0.0)).sum();
        println!(
            "\n{part}: {taken:.2} ms, least {least:.2} ms ({:.0}%)",
            100.0 * least / taken
        );
        println!(
            "{:>9} {:>6} {:>9} {:>9} {:>6} {:>9} {:>9}  kernel",
            "lost ms", "%lost", "ms", "least", "share", "MFLOP", "MB"
        );
        for ([lost_here, taken, least], row, count, measured) in kernels {
            println!(
                "{lost_here:>9.3} {:>5.0}% {taken:>9.3} {least:>9.3} {:>5.0}% {:>9.1} {:>9.2}  {count} x {}",
                100.0 * lost_here.max(0.0) / lost,
                100.0 * least / taken,
                measured.flops / 1e6,
                measured.bytes / 1e6,
                row.name
            );
        }
    }
    Ok(())
}

/// A node that is loaded.
enum Loaded {
    Cpu(Box<dyn Executor>),
    Gpu(Box<GpuExecutor>),
}

impl Loaded {
    fn executor(&mut self) -> &mut dyn Executor {
        match self {
            Loaded::Cpu(executor) => executor.as_mut(),
            Loaded::Gpu(executor) => executor.as_mut(),
        }
    }
}

/// Median time of a run.
fn measure(
    case: &Case,
    backend: &Backend,
    prepared: Prepared,
    quick: bool,
) -> Result<Duration, ExecError> {
    let mut loaded = match (backend, prepared.lowered()) {
        (Backend::Gpu(gpu), Some(lowered)) => {
            // SAFETY: lowered by `Target`.
            Loaded::Gpu(Box::new(unsafe { gpu.load(lowered.clone()) }?))
        }
        _ => Loaded::Cpu(backend.load_prepared(prepared)?),
    };
    for value in &case.graph.values {
        if value.role == Role::State && value.view_of.is_none() {
            let values = case.values(value, Precision::F32);
            loaded.executor().write(&value.name, &values)?;
        }
    }
    let (least, budget) = match quick {
        true => (3, Duration::from_millis(50)),
        false => (7, Duration::from_millis(300)),
    };
    loaded.executor().set_records(&case.records)?;
    let phase = case.graph.name.as_str();
    once(&mut loaded, phase)?;
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < least || (start.elapsed() < budget && times.len() < 1000) {
        times.push(once(&mut loaded, phase)?);
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// One run: by the GPU's own clock where it has one, else by ours, of as many
/// runs at once as hide the cost of a submit.
fn once(loaded: &mut Loaded, phase: &str) -> Result<Duration, ExecError> {
    if let Loaded::Gpu(gpu) = loaded
        && let Some(times) = gpu.profile(phase, 0)?
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
        executor.run(phase, 0)?;
    }
    executor.wait(0)?;
    Ok(start.elapsed() / runs)
}
