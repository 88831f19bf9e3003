//! What a table holds for, and what is made of it.

use super::convolution;
use crate::exec::Target;
use crate::exec::gpu::tuning::{Tuned, Tuning, Work, class, node_graph};
use crate::exec::gpu::{AdapterSummary, GpuChooser, variants};
use crate::graph::Element;
use crate::ops::Op;
use crate::plan::{Choice, Chooser, Format, NodeOperands, Precision, Variant};
use std::cell::RefCell;
use std::sync::Arc;

/// Notes the class of every node.
struct Classes {
    rule: GpuChooser,
    seen: RefCell<Vec<String>>,
}

impl Chooser for Classes {
    fn format(&self, element: Element) -> Format {
        self.rule.format(element)
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        self.seen.borrow_mut().extend(class(node, &self.rule));
        self.rule.choose(node)
    }
}

fn class_of(channels: usize, size: [usize; 2], precision: Precision) -> String {
    let classes = Classes {
        rule: GpuChooser::new(precision),
        seen: RefCell::default(),
    };
    let graph = convolution(channels, size).graph;
    crate::plan::choose(&[graph], &classes, false).unwrap();
    classes.seen.take().remove(0)
}

#[test]
fn classes_tell_channels_formats_and_sizes_apart() {
    let class = class_of(32, [100, 160], Precision::F32);
    assert_eq!(class, "conv2d 3x3 s1 32->32 128 px f32->f32 by f32");
    let same = [[128, 128], [160, 100], [91, 91], [181, 181]];
    for size in same {
        assert_eq!(class_of(32, size, Precision::F32), class, "{size:?}");
    }
    for size in [[90, 90], [182, 182]] {
        assert_ne!(class_of(32, size, Precision::F32), class, "{size:?}");
    }
    assert_ne!(class_of(31, [128, 128], Precision::F32), class);
    assert_ne!(class_of(32, [128, 128], Precision::F16), class);
    let large = [[256, 256], [1, 65536], [4000, 3000]];
    let large = large.map(|size| class_of(32, size, Precision::F32));
    assert_eq!(large[0], large[1]);
    assert_eq!(large[0], large[2]);
}

/// What is timed for a large image is of its class, and small.
#[test]
fn large_images_are_timed_in_part() {
    for size in [[4000, 3000], [70000, 3], [400, 400], [300, 300]] {
        let Work { graph, .. } = convolution(32, size);
        let part = node_graph::smaller(&graph, &graph.nodes[0], class::MOST_PIXELS);
        let part = part.unwrap_or(size);
        assert!(
            part[0] * part[1] <= 2 * class::MOST_PIXELS,
            "{size:?}: {part:?}"
        );
        let classes = [size, part].map(|size| class_of(32, size, Precision::F32));
        assert_eq!(classes[0], classes[1], "{size:?}: {part:?}");
    }
}

#[test]
fn a_tuned_program_has_the_kernels_of_the_table() {
    let adapter = AdapterSummary::baseline();
    let work = convolution(32, [128, 128]);
    let kernel = |variant| {
        let class = class_of(32, [128, 128], Precision::F32);
        let tuned = Tuned {
            variant,
            times: None,
        };
        let tuning = Arc::new(Tuning::from_iter([(class, tuned)]));
        let target = Target::gpu(&adapter, Precision::F32).tuned(tuning);
        let options = crate::exec::PrepareOptions::default();
        let prepared = target
            .prepare(std::slice::from_ref(&work.graph), &options)
            .unwrap();
        let phase = prepared.program().phase("predict").unwrap();
        phase.nodes[0].variant
    };
    let all = {
        struct All(RefCell<Vec<Variant>>);
        impl Chooser for All {
            fn format(&self, element: Element) -> Format {
                GpuChooser::new(Precision::F32).format(element)
            }
            fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
                if let Op::Conv2d(_) = node.op {
                    *self.0.borrow_mut() = variants(node, &AdapterSummary::baseline());
                }
                GpuChooser::new(Precision::F32).choose(node)
            }
        }
        let all = All(RefCell::default());
        crate::plan::choose(std::slice::from_ref(&work.graph), &all, false).unwrap();
        all.0.into_inner()
    };
    assert!(all.len() > 1);
    for &variant in &all {
        assert_eq!(kernel(variant), variant);
    }
    // One that the node cannot have.
    assert_eq!(kernel(Variant::Winograd), all[0]);
}
