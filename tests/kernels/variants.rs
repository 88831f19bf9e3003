//! GPUs convolve by kernels that the static rule does not take.

use crate::case::Case;
use crate::cases::{self, conv_transpose2d, conv2d, dense_block};
use crate::compare::Trial;
use crate::executor::split_dispatches;
use crate::subjects::{self, Device, Subject};
use libtest_mimic::Trial as Test;
use srdiff::exec::gpu::{self, AdapterKind, AdapterSummary, GpuChooser};
use srdiff::graph::Element;
use srdiff::plan::{Choice, Chooser, Format, NodeOperands, Precision, Variant};
use std::cell::RefCell;
use std::sync::Arc;

const fn tile(pixels: usize, blocks: usize) -> Variant {
    Variant::RegisterTile { pixels, blocks }
}

const fn gemm(pixels: usize, outputs: usize, depth: usize) -> Variant {
    Variant::Gemm {
        pixels,
        outputs,
        depth,
    }
}

const fn spatial(width: usize, height: usize, outputs: usize) -> Variant {
    Variant::SpatialTile {
        width,
        height,
        outputs,
    }
}

const fn winograd(results: usize, [pixels, outputs, depth]: [usize; 3]) -> Variant {
    Variant::WinogradPasses {
        results,
        pixels,
        outputs,
        depth,
    }
}

/// With subgroups of as many invocations as the drivers of such matrices have.
const fn matrix(side: usize, [width, height, outputs]: [usize; 3], emulated: bool) -> Variant {
    Variant::MatrixTile {
        side,
        subgroup: if side == 16 { 32 } else { 8 },
        width,
        height,
        outputs,
        emulated,
    }
}

/// Register tiles compile fast, and are tried on all features.
const TILES: [Variant; 5] = [tile(1, 1), tile(2, 2), tile(4, 2), tile(8, 2), tile(4, 4)];

/// One of each kind of the others is tried on all features with its indices
/// checked, and on some in f16; other sizes of it on some.
const KINDS: [Variant; 4] = [
    gemm(32, 32, 16),
    spatial(8, 8, 32),
    winograd(2, [128, 16, 16]),
    winograd(4, [128, 16, 16]),
];
const SIZES: [Variant; 11] = [
    gemm(128, 16, 16),
    gemm(256, 32, 8),
    gemm(64, 64, 16),
    gemm(64, 128, 16),
    gemm(128, 128, 8),
    spatial(32, 16, 32),
    spatial(16, 16, 64),
    spatial(32, 16, 8),
    spatial(16, 32, 16),
    winograd(2, [64, 64, 16]),
    winograd(4, [128, 128, 8]),
];

/// Matrix units, played by plain code: with indices checked, the second on some
/// cases alone and the last on those of one tap, for drivers take seconds to
/// compile each specialisation.
const EMULATED: [Variant; 3] = [
    matrix(16, [16, 4, 16], true),
    matrix(8, [16, 2, 16], true),
    matrix(16, [16, 8, 128], true),
];

/// The tile that a driver in software with matrices of its own (Mesa 26's
/// lavapipe) compiles in good time.
const SMALLEST: Variant = matrix(8, [16, 2, 16], false);

/// What is listed for the convolutions of a case.
struct Listing {
    kernels: GpuChooser,
    device: AdapterSummary,
    listed: RefCell<Vec<Variant>>,
}

impl Chooser for Listing {
    fn format(&self, element: Element) -> Format {
        self.kernels.format(element)
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        for variant in gpu::variants(node, &self.device) {
            if !self.listed.borrow().contains(&variant) {
                self.listed.borrow_mut().push(variant);
            }
        }
        self.kernels.choose(node)
    }
}

/// The kernels on matrix units that a device has for a case in f16.
fn on_matrix_units(case: &Case, device: &AdapterSummary) -> Vec<Variant> {
    let is_software = device.kind == AdapterKind::Software;
    let chooser = Listing {
        kernels: GpuChooser::new(Precision::F16),
        // Drivers in software are asked, though users of theirs never get these.
        device: AdapterSummary {
            kind: AdapterKind::Unknown,
            ..device.clone()
        },
        listed: RefCell::default(),
    };
    Trial::plan(case, &chooser).expect("a valid case");
    let mut listed = chooser.listed.into_inner();
    listed.retain(|variant| matches!(variant, Variant::MatrixTile { .. }));
    listed.retain(|variant| !is_software || *variant == SMALLEST);
    listed
}

/// A GPU by each variant, and what is tried there.
pub fn tried(subject: &Arc<Subject>) -> Vec<(Arc<Subject>, Case)> {
    let mut tried = Vec::new();
    let mut add_to = |subject: &Arc<Subject>, variants: &[Variant], cases: &[Case]| {
        for &variant in variants {
            if let Some(by) = subjects::with_variant(subject, variant).map(Arc::new) {
                let cases = cases.iter().filter(|case| takes(case, &by, variant));
                tried.extend(cases.map(|case| (by.clone(), case.clone())));
            }
        }
    };
    if subject.precision() == Precision::F16 && subject.is_gpu() {
        let checked = Arc::new(subject.with_checks().expect("a GPU that was opened before"));
        let tiled = |words: [&str; 2]| {
            let mut cases = conv2d::tiled();
            cases.retain(|case| words.iter().any(|word| case.name.contains(word)));
            cases
        };
        add_to(&checked, &EMULATED[..2], &conv2d::few());
        add_to(&checked, &EMULATED[..1], &dense_block::tiled()[..1]);
        add_to(&checked, &EMULATED[..1], &tiled(["1x67x9", "1x1x1"]));
        let mut one_tap = tiled(["Mish", "no bias"]);
        one_tap.retain(|case| case.name.starts_with("conv2d/1x1"));
        add_to(&checked, &EMULATED[2..], &one_tap);
    }
    if let (Device::Gpu(gpu), Precision::F16) = (subject.device(), subject.precision()) {
        let cases = [conv2d::tiled(), conv2d::few(), dense_block::tiled()];
        for case in cases.iter().flatten() {
            let variants = on_matrix_units(case, gpu.summary());
            add_to(subject, &variants, std::slice::from_ref(case));
        }
    }
    let mut add = |variants: &[Variant], cases: &[Case]| add_to(subject, variants, cases);
    match (subject.precision(), subject.checked) {
        (Precision::F32, true) => {
            add(&KINDS, &conv2d::tiled());
            add(&KINDS, &dense_block::tiled()[..1]);
            add(&KINDS, &conv_transpose2d::tiled());
        }
        (Precision::F32, false) => {
            add(&TILES, &cases::tiled());
            add(&SIZES, &conv2d::few());
            add(&SIZES[..2], &conv_transpose2d::few());
        }
        _ => {
            add(&KINDS, &conv2d::few());
            add(&KINDS, &conv_transpose2d::few());
        }
    }
    tried
}

/// Each kind in parts.
pub fn tests(subjects: &[Arc<Subject>]) -> Vec<Test> {
    let mut tests = Vec::new();
    for subject in subjects {
        let variants: &[Variant] = match (subject.precision(), subject.checked) {
            (Precision::F32, true) => &KINDS,
            (Precision::F16, _) => &EMULATED[..1],
            _ => &[],
        };
        for &variant in variants {
            let Some(by) = subjects::with_variant(subject, variant) else {
                continue;
            };
            let name = format!("executor/split dispatches compute the same on {}", by.name);
            tests.push(Test::test(name, move || match by.device() {
                Device::Gpu(gpu) => split_dispatches(gpu, &by),
                Device::Cpu => Ok(()),
            }));
        }
    }
    tests
}

/// Whether a convolution of the case is computed by this variant.
fn takes(case: &Case, subject: &Subject, variant: Variant) -> bool {
    let (_, program) = Trial::plan(case, subject.kernels()).expect("a valid case");
    let nodes = program.phases.iter().flat_map(|phase| &phase.nodes);
    nodes.into_iter().any(|node| node.variant == variant)
}
