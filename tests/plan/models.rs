//! Models to plan: the sizes of real ones, and odd settings.

use super::checker::Planned;
use srdiff::exec::Target;
use srdiff::exec::gpu::AdapterSummary;
use srdiff::graph::{Graph, fuse};
use srdiff::model::{Attention, Model, PhaseOptions, Settings, names, phases};
use srdiff::ops::NoiseSource;
use srdiff::plan::{PACK, Precision};

/// A model's settings and a size to run it at.
pub struct Case {
    pub name: &'static str,
    pub settings: Settings,
    pub options: PhaseOptions,
    /// Slots of temporaries may take this many times the largest live set.
    pub most_over_lower_bound: f64,
}

const REAL: f64 = 1.15;
/// With few channels and pixels, small arrays weigh as much as large ones.
const ODD: f64 = 1.3;

/// States that a phase reads before any phase wrote them: the estimate of x0
/// before the first step, which has weight zero.
pub const UNWRITTEN: &[&str] = &[names::X0_PREVIOUS];

/// A sample of two steps, and another of two.
pub const ORDER: &[&str] = &[
    PACK,
    names::MODEL,
    names::IMAGE,
    names::CONDITION,
    names::START,
    names::PREDICT,
    names::UPDATE,
    names::PREDICT,
    names::UPDATE,
    names::FINISH,
    names::MODEL,
    names::IMAGE,
    names::IMAGE,
    names::CONDITION,
    names::START,
    names::PREDICT,
    names::UPDATE,
    names::PREDICT,
    names::UPDATE,
    names::FINISH,
];

fn settings(hidden: usize, mults: &[usize], features: usize, blocks: usize) -> Settings {
    Settings {
        hidden,
        mults: mults.to_vec(),
        rrdb_features: features,
        rrdb_blocks: blocks,
        rrdb_growth: features / 2,
        ..Model::starter().settings().clone()
    }
}

fn options(batch: usize, height: usize, width: usize) -> PhaseOptions {
    PhaseOptions {
        batch,
        ..PhaseOptions::new([width, height])
    }
}

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "32, 1-2-2-4, 32x8, 4x",
            most_over_lower_bound: REAL,
            settings: settings(32, &[1, 2, 2, 4], 32, 8),
            options: options(1, 40, 40),
        },
        Case {
            name: "64, 1-2-3-4, 64x17, 4x",
            most_over_lower_bound: REAL,
            settings: settings(64, &[1, 2, 3, 4], 64, 17),
            options: options(1, 40, 40),
        },
        Case {
            name: "64, 1-2-2-4, 32x8, 8x, everything",
            most_over_lower_bound: REAL,
            settings: Settings {
                scale: 8,
                groups: Some(8),
                attention: Some(Attention {
                    heads: 4,
                    head_dim: 32,
                }),
                up_input: true,
                ..settings(64, &[1, 2, 2, 4], 32, 8)
            },
            options: PhaseOptions {
                noise: NoiseSource::Replayed,
                sr_head: true,
                ..options(2, 20, 20)
            },
        },
        Case {
            name: "6, 1, 10x2, 2x",
            most_over_lower_bound: ODD,
            settings: Settings {
                scale: 2,
                groups: Some(3),
                ..settings(6, &[1], 10, 2)
            },
            options: options(1, 3, 5),
        },
        Case {
            name: "10, 1-3, 6x3 growing by 5, 2x",
            most_over_lower_bound: ODD,
            settings: Settings {
                scale: 2,
                rrdb_growth: 5,
                up_input: true,
                ..settings(10, &[1, 3], 6, 3)
            },
            options: PhaseOptions {
                sr_head: true,
                ..options(3, 4, 2)
            },
        },
        Case {
            name: "8, 1-1-5-2-3, 7x5 growing by 3, 16x",
            most_over_lower_bound: ODD,
            settings: Settings {
                scale: 16,
                rrdb_growth: 3,
                ..settings(8, &[1, 1, 5, 2, 3], 7, 5)
            },
            options: options(1, 2, 3),
        },
    ]
}

impl Case {
    pub fn graphs(&self) -> Vec<Graph> {
        phases::build(&self.settings, &self.options).expect(self.name)
    }

    pub fn planned(&self, setup: &Setup) -> Planned {
        setup.plan(self.graphs(), false).expect(self.name)
    }
}

/// What graphs are planned for.
#[derive(Debug)]
pub struct Setup {
    pub target: Target,
    pub fuse: bool,
}

impl Setup {
    pub fn cpu(threads: usize, fuse: bool) -> Self {
        let target = Target::Cpu {
            threads,
            precision: Precision::F32,
        };
        Self { target, fuse }
    }

    pub fn gpu(precision: Precision, fuse: bool) -> Self {
        let target = Target::gpu(&AdapterSummary::baseline(), precision);
        Self { target, fuse }
    }

    pub fn plan(
        &self,
        mut graphs: Vec<Graph>,
        trainable: bool,
    ) -> Result<Planned, srdiff::plan::PlanError> {
        if self.fuse {
            graphs = graphs.iter().map(fuse).collect();
        }
        Planned::new(graphs, &*self.target.chooser(), trainable)
    }
}

/// CPUs of several numbers of threads and GPUs of both precisions, with and
/// without fusion.
pub fn setups() -> Vec<Setup> {
    let mut all = Vec::new();
    for fuse in [true, false] {
        all.extend([1, 2, 7].map(|threads| Setup::cpu(threads, fuse)));
        all.extend([Precision::F32, Precision::F16].map(|p| Setup::gpu(p, fuse)));
    }
    all
}
