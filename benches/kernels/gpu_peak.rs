//! The most that a GPU reaches, measured by `shaders/peak.wgsl`: kernels that
//! do nothing but compute, or nothing but copy.

use srdiff::exec::gpu::shader::Specialised;
use srdiff::exec::gpu::template::Parameters as TemplateParameters;
use srdiff::exec::gpu::{
    Access, Bound, Buffer, BufferUse, Command, Gpu, GpuBackend, GpuExecutor, GpuOptions, Lowered,
    LoweredPhase, Module, Pipeline, PipelineBinding, UNIFORM_STRIDE,
};
use srdiff::exec::{ExecError, Executor};
use srdiff::graph::{ParameterError, Parameters, Shape};
use srdiff::plan::{MemoryReport, Owner, Precision};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rates a second.
#[derive(Debug)]
pub struct Peak {
    /// Operations; a multiply-add counts two.
    pub flops: f64,
    /// What computes so many.
    pub by: String,
    /// Bytes read and written.
    pub bytes: f64,
}

/// What computes.
#[derive(Clone, Copy)]
enum Unit {
    Vectors(Precision),
    /// Matrices of f16 with so many rows and columns, held by so many
    /// invocations.
    Matrices {
        side: u32,
        subgroup: u32,
    },
}

/// vec4 of each array: 256 MiB, if arrays may be so large. There are GPUs with
/// caches of 128 MiB.
fn count(gpu: &Gpu) -> u32 {
    let summary = gpu.summary();
    let most = summary.max_binding_bytes.min(summary.max_buffer_bytes) / 16;
    let count = most.min(16 << 20) as u32;
    count / COLUMNS * COLUMNS
}

/// vec4 that a row of workgroups covers, and that the arithmetic is done on: a
/// slow adapter is busy enough.
const COLUMNS: u32 = 1024 * 256;
/// Floating-point operations of a round: 32 multiply-adds on each vec4.
const ROUND_FLOPS: u64 = 32 * 4 * 2 * COLUMNS as u64;
/// Copies that follow one another in a phase.
const COPIES: usize = 16;
/// A measurement shorter than this is repeated with twice the work.
const LONG_ENOUGH: Duration = Duration::from_millis(150);
/// The work is doubled so often at most.
const DOUBLINGS: usize = 20;

/// Takes some seconds. What stores in f16 may compute in it, or on matrix units.
pub fn measure(gpu: &Arc<Gpu>, precision: Precision) -> Result<Peak, ExecError> {
    let count = count(gpu);
    // SAFETY: each invocation has a vec4 of both arrays.
    let load = |gpu: &Arc<Gpu>, unit| unsafe { backend(gpu).load(program(count, unit)) };
    let mut executor = load(gpu, Unit::Vectors(Precision::F32))?;
    let copied = COPIES as u64 * 2 * 16 * u64::from(count);
    let copies = rate(&mut executor, "stream")?;
    let mut peak = Peak {
        flops: ROUND_FLOPS as f64 * rate(&mut executor, "multiply_add")?,
        by: "vectors of f32".to_owned(),
        bytes: copied as f64 * copies,
    };
    drop(executor);
    if precision != Precision::F16 {
        return Ok(peak);
    }
    let mut units = vec![(Unit::Vectors(Precision::F16), "vectors of f16".to_owned())];
    let subgroup = gpu.summary().subgroup_size.unwrap_or(0);
    for &side in &gpu.summary().matrix_sides {
        let name = format!("matrices of f16, {side}x{side}");
        units.push((Unit::Matrices { side, subgroup }, name));
    }
    for (unit, by) in units {
        // A device of its own: what fails there harms no other work.
        let options = GpuOptions { checked: false };
        let measured = Gpu::open(gpu.summary().index, options).and_then(|gpu| {
            let mut executor = load(&Arc::new(gpu), unit)?;
            rate(&mut executor, unit.entry())
        });
        match measured {
            Ok(rounds) => {
                let flops = unit.round_flops() as f64 * rounds;
                println!("{by}: {:.1} GFLOP/s", flops / 1e9);
                if flops > peak.flops {
                    (peak.flops, peak.by) = (flops, by);
                }
            }
            Err(error) => println!("{by}: {error}"),
        }
    }
    Ok(peak)
}

impl Unit {
    fn entry(self) -> &'static str {
        match self {
            Unit::Vectors(_) => "multiply_add",
            Unit::Matrices { .. } => "multiply_matrices",
        }
    }

    /// Floating-point operations of a round.
    fn round_flops(self) -> u64 {
        match self {
            Unit::Vectors(_) => ROUND_FLOPS,
            // 32 products by each subgroup.
            Unit::Matrices { side, subgroup } => {
                u64::from(COLUMNS / subgroup) * 32 * 2 * u64::from(side).pow(3)
            }
        }
    }
}

fn backend(gpu: &Arc<Gpu>) -> GpuBackend {
    GpuBackend::new(gpu.clone(), Precision::F32, Arc::new(NoParameters))
}

/// Rounds, or phases of copies, a second.
fn rate(executor: &mut GpuExecutor, entry: &str) -> Result<f64, ExecError> {
    let mut run = |doublings: usize| -> Result<Duration, ExecError> {
        let (phase, repeats) = work(entry, doublings);
        executor.wait(0)?;
        let start = Instant::now();
        for _ in 0..repeats {
            executor.run(&phase, 0)?;
        }
        executor.wait(0)?;
        Ok(start.elapsed())
    };
    run(0)?; // the driver's compilation
    let mut doublings = 0;
    loop {
        let time = run(doublings)?;
        if time >= LONG_ENOUGH || doublings == DOUBLINGS {
            // Now that the clock is up, once more.
            let time = time.min(run(doublings)?);
            return Ok((1u64 << doublings) as f64 / time.as_secs_f64());
        }
        doublings += 1;
    }
}

/// A phase, and how often it runs: `1 << doublings` rounds of arithmetic, or
/// times the copies.
fn work(entry: &str, doublings: usize) -> (String, usize) {
    match entry {
        "stream" => (entry.to_owned(), 1 << doublings),
        _ => (format!("{entry} {doublings}"), 1),
    }
}

/// A phase for each number of rounds of multiply-adds, and one of copies.
fn program(count: u32, unit: Unit) -> Lowered {
    let mut parameters = TemplateParameters::default();
    let (scalar, side) = match unit {
        Unit::Vectors(Precision::F32) => ("f32", 0),
        Unit::Vectors(_) => ("f16", 0),
        Unit::Matrices { side, subgroup } => {
            parameters.number("SUBGROUP", subgroup.into());
            ("f16", side.into())
        }
    };
    parameters.word("x_scalar", scalar);
    parameters.number("SIDE", side);
    let specialised = Specialised::new("peak", &parameters).expect("a valid shader");
    let slot = |name: &str| BufferUse::Slot(Owner::Value(name.to_owned()));
    let array_bytes = 16 * u64::from(count);
    let buffers = [
        (slot("x"), array_bytes),
        (slot("y"), array_bytes),
        (BufferUse::Uniforms, UNIFORM_STRIDE * (DOUBLINGS as u64 + 1)),
        (BufferUse::Records, UNIFORM_STRIDE),
        (BufferUse::Readback, UNIFORM_STRIDE),
    ];
    let dims = Access::Uniform(8);
    let bindings = [
        ("dims", dims),
        ("x", Access::Read),
        ("y", Access::ReadWrite),
    ];
    let pipeline = |entry: &str| Pipeline {
        module: 0,
        entry: entry.to_owned(),
        constants: Default::default(),
        bindings: (0..)
            .zip(bindings)
            .map(|(index, (name, access))| PipelineBinding {
                index,
                name: name.to_owned(),
                access,
            })
            .collect(),
        reads_record: false,
    };
    let phase = |name: String, commands: usize, pipeline: usize, rows: u32, doublings: usize| {
        let bound = |index: u32, name: &str, buffer: usize, offset: u64, bytes: u64| Bound {
            index,
            name: name.to_owned(),
            buffer,
            offset,
            bytes,
        };
        let command = Command {
            pipeline,
            node: 0,
            bindings: vec![
                bound(0, "dims", 2, UNIFORM_STRIDE * doublings as u64, 8),
                bound(1, "x", 0, 0, array_bytes),
                bound(2, "y", 1, 0, array_bytes),
            ],
            workgroups: [COLUMNS / 256, rows, 1],
            flops: 0,
        };
        LoweredPhase {
            name,
            commands: vec![command; commands],
        }
    };
    let arithmetic = (0..=DOUBLINGS).map(|n| phase(work(unit.entry(), n).0, 1, 0, 1, n));
    let mut phases: Vec<LoweredPhase> = arithmetic.collect();
    let mut entries = vec![unit.entry()];
    if let Unit::Vectors(_) = unit {
        phases.push(phase("stream".to_owned(), COPIES, 1, count / COLUMNS, 0));
        entries.push("stream");
    }
    let mut uniforms = vec![0; UNIFORM_STRIDE as usize / 4 * (DOUBLINGS + 1)];
    for (n, dims) in uniforms
        .chunks_exact_mut(UNIFORM_STRIDE as usize / 4)
        .enumerate()
    {
        dims[..2].copy_from_slice(&[COLUMNS, 1 << n]);
    }
    Lowered {
        memory: MemoryReport {
            persistent_bytes: 2 * array_bytes,
            executor_bytes: buffers[2..].iter().map(|(_, bytes)| bytes).sum(),
            ..MemoryReport::default()
        },
        buffers: buffers.map(|(role, bytes)| Buffer { role, bytes }).to_vec(),
        modules: vec![Module {
            shader: "peak".to_owned(),
            source: specialised.source.clone(),
            parameters,
        }],
        pipelines: entries.into_iter().map(pipeline).collect(),
        uniforms,
        values: Vec::new(),
        weights: Vec::new(),
        trainable: false,
        time_tables: Vec::new(),
        phases,
    }
}

/// The model of a program without weights.
struct NoParameters;

impl Parameters for NoParameters {
    fn parameter(&self, name: &str, _: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        Err(ParameterError {
            name: name.to_owned(),
            reason: "this program has no weights".to_owned(),
        })
    }
}
