//! The kernels that a GPU has for a node: each that is listed is taken when it
//! is asked for, lowered, and fits the device.

use super::models::cases;
use srdiff::exec::gpu::{
    self, AdapterKind, AdapterSummary, GpuChooser, MAX_DISPATCH_FLOPS, variants,
};
use srdiff::graph::{Element, Graph, fuse};
use srdiff::ops::Op;
use srdiff::plan::{Choice, Chooser, Format, NodeOperands, Precision, Variant, choose, plan};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Takes the variant at this index of each node's list, or its last.
struct Listed {
    kernels: GpuChooser,
    device: AdapterSummary,
    index: usize,
    /// Operations and what was listed for them.
    seen: RefCell<Vec<(Op, Vec<Variant>)>>,
}

impl Listed {
    fn new(precision: Precision, index: usize) -> Self {
        Self {
            kernels: GpuChooser::new(precision),
            device: AdapterSummary::baseline(),
            index,
            seen: RefCell::default(),
        }
    }
}

impl Chooser for Listed {
    fn format(&self, element: Element) -> Format {
        self.kernels.format(element)
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        let listed = variants(node, &self.device);
        assert_eq!(self.kernels.choose(node)?.variant, listed[0]);
        let variant = listed[self.index.min(listed.len() - 1)];
        self.seen.borrow_mut().push((node.op.clone(), listed));
        let choice = self.kernels.choose_variant(node, variant)?;
        assert_eq!(choice.variant, variant);
        Ok(choice)
    }
}

fn is_convolution(op: &Op) -> bool {
    matches!(op, Op::Conv2d(_) | Op::ConvTranspose2d(_))
}

#[test]
fn every_listed_kernel_is_lowered() {
    for case in cases() {
        let graphs: Vec<Graph> = case.graphs().iter().map(fuse).collect();
        for precision in [Precision::F32, Precision::F16] {
            let (mut index, mut most) = (0, 1);
            while index < most {
                let chooser = Listed::new(precision, index);
                let chosen = choose(&graphs, &chooser, false).expect("listed kernels");
                let program = plan(&chosen, 1, precision).expect("listed kernels");
                program.check().expect("a sound program");
                gpu::lower(&program, MAX_DISPATCH_FLOPS).expect("listed kernels");
                for (op, listed) in chooser.seen.into_inner() {
                    match is_convolution(&op) {
                        true => assert!(listed.len() > 1, "{listed:?}"),
                        false => assert_eq!(listed, [Variant::Only]),
                    }
                    for (at, variant) in listed.iter().enumerate() {
                        assert!(!listed[..at].contains(variant), "{variant:?} twice");
                    }
                    most = most.max(listed.len());
                }
                index += 1;
            }
        }
    }
}

/// A device with matrix units, and memory for their tiles.
fn with_matrices(sides: Vec<u32>) -> AdapterSummary {
    AdapterSummary {
        subgroup_size: Some(32),
        matrix_sides: sides,
        workgroup_bytes: 48 << 10,
        ..AdapterSummary::baseline()
    }
}

/// The sides of the matrices that are listed for a model, all of whose nodes
/// get their last kernels.
fn listed_sides(precision: Precision, device: AdapterSummary) -> BTreeSet<usize> {
    let graphs: Vec<Graph> = cases()[0].graphs().iter().map(fuse).collect();
    let chooser = Listed {
        kernels: GpuChooser::of(&device, precision),
        device,
        ..Listed::new(precision, usize::MAX)
    };
    let chosen = choose(&graphs, &chooser, false).expect("listed kernels");
    let program = plan(&chosen, 1, precision).expect("listed kernels");
    gpu::lower(&program, MAX_DISPATCH_FLOPS).expect("listed kernels");
    let seen = chooser.seen.into_inner();
    let all = seen.iter().flat_map(|(_, listed)| listed);
    all.filter_map(|variant| match variant {
        Variant::MatrixTile { emulated: true, .. } => panic!("{variant:?} is for tests"),
        Variant::MatrixTile { side, .. } => Some(*side),
        _ => None,
    })
    .collect()
}

#[test]
fn matrix_units_convolve_f16_where_they_are() {
    let sides = |precision, sides: &[u32]| listed_sides(precision, with_matrices(sides.to_vec()));
    assert!(sides(Precision::F16, &[]).is_empty());
    assert!(sides(Precision::F32, &[16, 8]).is_empty());
    assert_eq!(sides(Precision::F16, &[16]), [16].into());
    assert_eq!(sides(Precision::F16, &[8]), [8].into());
    assert_eq!(sides(Precision::F16, &[16, 8]), [8, 16].into());
    let cramped = AdapterSummary {
        workgroup_bytes: 0,
        ..with_matrices(vec![16, 8])
    };
    assert!(listed_sides(Precision::F16, cramped).is_empty());
    let software = AdapterSummary {
        kind: AdapterKind::Software,
        ..with_matrices(vec![16, 8])
    };
    assert!(listed_sides(Precision::F16, software).is_empty());
}

#[test]
fn smaller_devices_have_fewer_kernels() {
    let case = &cases()[0];
    let graphs: Vec<Graph> = case.graphs().iter().map(fuse).collect();
    let chooser = Listed {
        device: AdapterSummary {
            max_invocations: 64,
            workgroup_bytes: 0,
            ..AdapterSummary::baseline()
        },
        ..Listed::new(Precision::F32, usize::MAX)
    };
    choose(&graphs, &chooser, false).expect("the static rule fits");
    let seen = chooser.seen.into_inner();
    let listed = seen.iter().filter(|(op, _)| is_convolution(op));
    let is_tile = |variant: &Variant| matches!(variant, Variant::RegisterTile { .. });
    assert!(listed.clone().all(|(_, listed)| listed.iter().all(is_tile)));
    assert!(listed.count() > 0);
}

#[test]
fn kernels_whose_scratch_memory_no_array_can_be_are_not_listed() {
    let case = &cases()[0];
    let graphs: Vec<Graph> = case.graphs().iter().map(fuse).collect();
    let by_passes = |max_binding_bytes| {
        let chooser = Listed {
            device: AdapterSummary {
                max_binding_bytes,
                ..AdapterSummary::baseline()
            },
            ..Listed::new(Precision::F32, 0)
        };
        choose(&graphs, &chooser, false).expect("the static rule");
        let seen = chooser.seen.into_inner();
        let listed = seen.iter().flat_map(|(_, listed)| listed);
        let is_winograd = |variant: &&Variant| matches!(variant, Variant::WinogradPasses { .. });
        listed.filter(is_winograd).count()
    };
    assert!(by_passes(128 << 20) > 0);
    assert_eq!(by_passes(64), 0);
}

#[test]
fn kernels_of_other_operations_are_refused() {
    struct Refuses(RefCell<usize>);
    impl Chooser for Refuses {
        fn format(&self, element: Element) -> Format {
            GpuChooser::new(Precision::F32).format(element)
        }
        fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
            let kernels = GpuChooser::new(Precision::F32);
            let wrong = match is_convolution(node.op) {
                true => vec![
                    Variant::Only,
                    Variant::Winograd,
                    Variant::RegisterTile {
                        pixels: 9,
                        blocks: 2,
                    },
                ],
                false => vec![Variant::RegisterTile {
                    pixels: 4,
                    blocks: 2,
                }],
            };
            for variant in wrong {
                let refused = kernels.choose_variant(node, variant);
                let reason = refused.expect_err("another operation's kernel");
                assert!(reason.contains(&format!("{variant:?}")), "{reason}");
                *self.0.borrow_mut() += 1;
            }
            kernels.choose(node)
        }
    }
    let refuses = Refuses(RefCell::new(0));
    let graphs = cases()[0].graphs();
    choose(&graphs, &refuses, false).expect("the static rule");
    assert!(*refuses.0.borrow() > 10);
}
