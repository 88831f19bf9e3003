//! Every distinct kernel of the real models, alone: time, and how much of
//! what the device can do. `cargo bench --bench kernels`; see `--help`.
//!
//! The rows are made from the models' own graphs, so they cannot go stale.
//! Bytes are those of operands and results, each once; arrays that stay in a
//! cache go faster than the measured peak, which is that of main memory.

#[path = "../tests/kernels/case.rs"]
mod case;
mod common;
#[path = "kernels/peak.rs"]
mod peak;

use case::{Case, Filled};
use common::{Device, Loaded};
use peak::Peak;
use srdiff::exec::ExecError;
use srdiff::graph::{Element, Graph, Node, Precision, Role, plan};
use srdiff::model::{Model, PhaseOptions, Settings, phases};
use srdiff::ops::{NoiseSource, Op};
use std::time::{Duration, Instant};

/// A kernel and where it is used.
struct Row {
    name: String,
    case: Case,
    /// `model phase` and how many times there.
    uses: Vec<(String, usize)>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, devices) = common::start()?;
    let rows = rows(options.quick);
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

/// Models of each size that SRDiff has been trained in, at 160 x 160.
fn models(quick: bool) -> Vec<(String, Settings)> {
    let starter = Model::starter().settings().clone();
    let sizes: &[(usize, &[usize])] = match quick {
        true => &[(32, &[1, 2, 2, 4])],
        false => &[
            (32, &[1, 2, 2, 4]),
            (64, &[1, 2, 2, 4]),
            (64, &[1, 2, 3, 4]),
        ],
    };
    let model = |&(hidden, mults): &(usize, &[usize])| {
        let words: Vec<String> = mults.iter().map(ToString::to_string).collect();
        let settings = Settings {
            hidden,
            mults: mults.to_vec(),
            rrdb_features: hidden,
            rrdb_growth: hidden / 2,
            ..starter.clone()
        };
        (format!("{hidden}/{}", words.join("-")), settings)
    };
    sizes.iter().map(model).collect()
}

fn rows(quick: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (model, settings) in models(quick) {
        let options = PhaseOptions {
            batch: 1,
            height: 160 / settings.scale,
            width: 160 / settings.scale,
            noise: NoiseSource::Generated,
            sr_head: false,
        };
        let graphs = phases::build(&settings, &options).expect("a size that fits");
        for graph in &graphs {
            for node in &graph.nodes {
                let name = describe(graph, node);
                let used = format!("{model} {}", graph.name);
                let row = match rows.iter_mut().position(|row| row.name == name) {
                    Some(at) => &mut rows[at],
                    None => {
                        let case = Case::of_node(graph, node);
                        let uses = Vec::new();
                        rows.push(Row { name, case, uses });
                        rows.last_mut().expect("just pushed")
                    }
                };
                match row.uses.iter_mut().find(|(name, _)| *name == used) {
                    Some((_, count)) => *count += 1,
                    None => row.uses.push((used, 1)),
                }
            }
        }
    }
    rows
}

/// All that tells one kernel from another: two nodes with the same words cost
/// the same.
fn describe(graph: &Graph, node: &Node) -> String {
    let x = match &node.inputs[..] {
        [x, ..] => graph.value(*x),
        [] => graph.value(node.outputs[0]),
    };
    let y = graph.value(node.outputs[0]);
    let mut words = vec![node.op.name().to_owned()];
    match &node.op {
        Op::Conv2d(op) => {
            words.push(format!("{}x{} s{}", op.kernel, op.kernel, op.stride));
            words.push(format!("{:?}", op.padding).to_lowercase());
        }
        Op::ConvTranspose2d(op) => words.push(format!("s{}", op.stride)),
        Op::UpsampleBicubic(op) => words.push(format!("x{}", op.factor)),
        Op::UpsampleNearest(op) => words.push(format!("x{}", op.factor)),
        Op::GroupNorm(op) => words.push(format!("{} groups", op.groups)),
        Op::LinearAttention(op) => words.push(format!("{} heads", op.heads)),
        Op::Copy(_)
        | Op::ImagePack(_)
        | Op::ImageUnpack(_)
        | Op::Linear(_)
        | Op::Mish(_)
        | Op::Noise(_)
        | Op::Reconstruct(_)
        | Op::SamplerUpdate(_) => (),
    }
    match x.shape.n {
        1 => words.push(format!(
            "{}->{} {}x{}",
            x.shape.c, y.shape.c, x.shape.h, x.shape.w
        )),
        rows => words.push(format!("{}->{} {rows} rows", x.shape.c, y.shape.c)),
    }
    if let Some((epilogue, _)) = node.op.epilogue() {
        let activation = format!("{:?}", epilogue.activation).to_lowercase();
        words.extend(activation.split([' ', '{']).next().map(str::to_owned));
        if epilogue.table_add {
            words.push("+table".to_owned());
        }
        words.extend(
            epilogue
                .residual_scales
                .iter()
                .map(|_| "+residual".to_owned()),
        );
    }
    if node
        .inputs
        .iter()
        .any(|&id| graph.root(id) == graph.root(node.outputs[0]))
    {
        words.push("in place".to_owned());
    }
    words.join(" ")
}

fn print_row(row: &Row, device: &Device, peak: &Peak, quick: bool) -> Result<(), ExecError> {
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
