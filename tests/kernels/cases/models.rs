//! Every distinct node of the models that SRDiff has been published in, alone.
//! Tests run them on small images, benchmarks on large ones.
#![allow(dead_code)] // only benchmarks say where a node is used

use crate::case::Case;
use srdiff::diffusion::{Sampler, Schedule};
use srdiff::exec::StepRecord;
use srdiff::graph::{Graph, Node, fuse};
use srdiff::model::{Model, PhaseOptions, Settings, phases};
use srdiff::ops::Op;
use srdiff::upscale::step_record;

/// How the names of these cases begin.
pub const MODEL_NODE: &str = "model node";

/// A node and where it is used.
pub struct NodeCase {
    /// All that tells one node from another: nodes of one name cost the same.
    pub name: String,
    pub case: Case,
    /// `model phase` and how many times there.
    pub uses: Vec<(String, usize)>,
}

/// The case list of the tests: results of 16 x 16, the smallest that the
/// deepest level of each model can work on.
pub fn cases() -> Vec<Case> {
    let nodes = nodes(&published(), 16).into_iter();
    nodes
        .map(|node| Case {
            name: format!("{MODEL_NODE}/{}", node.name),
            ..node.case
        })
        .collect()
}

/// The built-in model; those of the SRDiff paper for faces (CelebA, 8x) and
/// for photographs (DIV2K, 4x). Named by their U-Net and encoder.
pub fn published() -> Vec<(String, Settings)> {
    let starter = Model::starter().settings().clone();
    let size = |hidden, mults: [usize; 4], features, blocks, scale| Settings {
        hidden,
        mults: mults.to_vec(),
        rrdb_features: features,
        rrdb_blocks: blocks,
        rrdb_growth: features / 2,
        scale,
        ..starter.clone()
    };
    let faces = size(64, [1, 2, 2, 4], 32, 8, 8);
    let photographs = size(64, [1, 2, 3, 4], 64, 17, 4);
    [starter.clone(), faces, photographs]
        .map(|settings| (name(&settings), settings))
        .to_vec()
}

fn name(settings: &Settings) -> String {
    let mults: Vec<String> = settings.mults.iter().map(ToString::to_string).collect();
    format!(
        "{}x/{}/{}/{}x{}",
        settings.scale,
        settings.hidden,
        mults.join("-"),
        settings.rrdb_blocks,
        settings.rrdb_features
    )
}

/// The distinct nodes of all phases of `models`, for results of `side` pixels
/// squared. Made from the models' own graphs, so they cannot go stale.
///
/// # Panics
/// When a model cannot enlarge to that size.
pub fn nodes(models: &[(String, Settings)], side: usize) -> Vec<NodeCase> {
    let mut nodes: Vec<NodeCase> = Vec::new();
    for (model, settings) in models {
        let options = PhaseOptions::new([side / settings.scale, side / settings.scale]);
        let graphs = phases::build(settings, &options).expect("a size that fits");
        for graph in graphs.iter().map(fuse) {
            for node in &graph.nodes {
                let name = describe(&graph, node);
                let used = format!("{model} {}", graph.name);
                let known = match nodes.iter().position(|known| known.name == name) {
                    Some(at) => &mut nodes[at],
                    None => {
                        let mut case = Case::of_node(&graph, node);
                        case.records = vec![middle_step(settings)];
                        let uses = Vec::new();
                        nodes.push(NodeCase { name, case, uses });
                        nodes.last_mut().expect("just pushed")
                    }
                };
                match known.uses.iter_mut().find(|(name, _)| *name == used) {
                    Some((_, count)) => *count += 1,
                    None => known.uses.push((used, 1)),
                }
            }
        }
    }
    nodes
}

/// A step with noise, its coefficients of ordinary size.
fn middle_step(settings: &Settings) -> StepRecord {
    let schedule = Schedule::new(&settings.schedule, settings.timesteps);
    let schedule = schedule.expect("the schedule of a model");
    let steps = Sampler::Ddpm.steps(&schedule, settings.timesteps);
    let steps = steps.expect("every timestep");
    let place = StepRecord {
        seed_low: 7,
        ..StepRecord::default()
    };
    step_record(&steps[settings.timesteps / 2], place)
}

/// A node in words.
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
        Op::Accumulate(_)
        | Op::ActivationGradient(_)
        | Op::Adam(_)
        | Op::ChannelSum(_)
        | Op::Conv2dWeightGradient(_)
        | Op::ConvTranspose2dGradient(_)
        | Op::Convert(_)
        | Op::CountNonFinite(_)
        | Op::Dilate(_)
        | Op::EstimateX0(_)
        | Op::FoldBorder(_)
        | Op::GroupNormGradient(_)
        | Op::Linear(_)
        | Op::LinearAttentionGradient(_)
        | Op::Loss(_)
        | Op::Noise(_)
        | Op::Pack(_)
        | Op::Pointwise(_)
        | Op::Reconstruct(_)
        | Op::SamplerUpdate(_)
        | Op::SquaredNorms(_)
        | Op::UpsampleNearestGradient(_) => (),
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
