//! Programs for another device, and weights packed for another kernel, are
//! refused.

use super::check::{SHAPE, check_refused, node, prepared, refused, targets, value};
use super::errors::{copy, mish};
use super::models::cases;
use srdiff::exec::{PrepareOptions, Target};
use srdiff::graph::{Element, Graph, GraphBuilder, Role, Shape, fuse};
use srdiff::model::names;
use srdiff::ops::{ChannelMap, Coordinate, Noise, Op, Packing};
use srdiff::plan::{PACK, PlannedValue, Precision, Program, Variant};

#[test]
fn weights_that_packing_does_not_write_are_refused() {
    let noise = |shape| Op::Noise(Noise { shape });
    check_refused(&[
        ("pointwise is not for phase 'pack'", &|p| {
            p.phases[0].nodes[0].op = copy();
        }),
        ("noise is not for phase 'pack'", &|p| {
            let node = &mut p.phases[0].nodes[0];
            node.inputs.clear();
            let shape = p.phases[0].values[p.phases[0].nodes[0].outputs[0]].shape;
            p.phases[0].nodes[0].op = noise(shape);
        }),
        ("pack is not for phase 'phase'", &|p| {
            p.phases[1].name = PACK.to_owned();
            p.phases[0].name = "phase".to_owned();
        }),
        ("pointwise writes the weight 'w as", &|p| {
            let shape = p.phases[1].find("normed").unwrap().shape;
            let at = node(p, "pointwise").outputs[0];
            let weight = value(p, "phase", "w as").clone();
            let packing = weight.packing.clone().map(|packing| Packing {
                plain: shape,
                ..packing
            });
            p.phases[1].values[at] = PlannedValue {
                shape,
                packing,
                segments: vec![4],
                ..weight
            };
        }),
        ("pack writes", &|p| {
            let plain = p.phases[0].nodes[0].inputs[0];
            p.phases[0].nodes[0].outputs[0] = plain;
        }),
        ("pack the plain tensor must be", &|p| {
            let Op::Pack(op) = &mut p.phases[0].nodes[0].op else {
                panic!()
            };
            op.packing.plain.n += 1;
        }),
    ]);
}

#[test]
fn weights_packed_for_another_kernel_are_refused() {
    let packings = |p: &mut Program, change: &dyn Fn(&mut Packing)| {
        for phase in &mut p.phases {
            for value in &mut phase.values {
                if value.name.starts_with("w as") {
                    change(value.packing.as_mut().unwrap());
                }
            }
            for node in &mut phase.nodes {
                if let Op::Pack(op) = &mut node.op
                    && op.packing.plain == Shape::new(4, 4, 3, 3)
                {
                    change(&mut op.packing);
                }
            }
        }
    };
    let changes: [&dyn Fn(&mut Packing); 3] = [
        &|packing| packing.axes.swap(0, 1),
        &|packing| {
            packing
                .axes
                .iter_mut()
                .for_each(|axis| axis.reversed = true)
        },
        &|packing| packing.axes.iter_mut().for_each(|axis| axis.size = 1),
    ];
    for target in targets() {
        for change in changes {
            let mut program = prepared(&target);
            packings(&mut program, change);
            program.check().expect("it is packed somehow");
            let message = refused(&target, &program).expect("its kernel reads another order");
            assert!(message.contains("'w as"), "{message}");
            // Its kernel's packing, but not that of the phase that packs.
            let mut program = prepared(&target);
            let Op::Pack(op) = &mut program.phases[0].nodes[0].op else {
                panic!()
            };
            change(&mut op.packing);
            refused(&target, &program).expect("it is packed in another way");
        }
    }
    check_refused(&[
        ("is packed as", &|p| {
            packings(p, &|packing| packing.axes[0].size = 1 << 40)
        }),
        ("is packed as", &|p| {
            packings(p, &|packing| packing.axes[0].size = 1 << 63)
        }),
        ("is packed as", &|p| {
            packings(p, &|packing| packing.axes[0].step = usize::MAX)
        }),
        ("is packed as", &|p| {
            packings(p, &|packing| {
                packing.precision = match packing.precision {
                    Precision::F32 => Precision::F16,
                    Precision::F16 | Precision::Bf16 => Precision::F32,
                }
            });
        }),
        ("is packed as", &|p| {
            packings(p, &|packing| {
                packing.channels = Some(ChannelMap {
                    coordinate: Coordinate::C,
                    segments: vec![4],
                    alignment: 0,
                });
            });
        }),
        ("is packed as", &|p| {
            packings(p, &|packing| {
                packing.channels = Some(ChannelMap {
                    coordinate: Coordinate::C,
                    segments: vec![usize::MAX, 5],
                    alignment: 4,
                });
            });
        }),
        ("is packed as", &|p| {
            value(p, "phase", "w as").packing.as_mut().unwrap().plain.n = 8;
        }),
    ]);
}

#[test]
fn programs_for_another_device_are_refused() {
    let mut b = GraphBuilder::new("phase");
    let x = b.value("x", SHAPE, Role::Input, Element::F32).unwrap();
    let y = b.value("y", SHAPE, Role::Output, Element::F32).unwrap();
    b.push_into(&[y], mish(), &[x]).unwrap();
    let graphs = [b.build()];
    let [cpu, gpu, half] = targets();
    let program = |target: &Target| {
        let prepared = target.prepare(&graphs, &PrepareOptions::default());
        prepared.unwrap().program().clone()
    };
    let message = refused(&cpu, &program(&gpu)).expect("blocks of 4");
    assert!(message.contains("not channels-last in f32"), "{message}");
    for target in [&gpu, &half] {
        let message = refused(target, &program(&cpu)).expect("channels last");
        assert!(message.contains("'x' in channels last f32"), "{message}");
    }
    for (made, used) in [(&cpu, &gpu), (&gpu, &cpu), (&half, &cpu), (&cpu, &half)] {
        refused(used, &prepared(made)).expect("it is for another device");
    }
}

#[test]
fn kernels_that_a_device_does_not_have_are_refused() {
    for (index, target) in targets().iter().enumerate() {
        let mut program = prepared(target);
        node(&mut program, "conv2d").variant = match index {
            0 => Variant::RegisterTile {
                pixels: 4,
                blocks: 2,
            },
            _ => Variant::Winograd,
        };
        refused(target, &program).expect("another device's kernel");
    }
}

#[test]
fn a_memory_report_that_is_wrong_does_no_harm() {
    for target in targets() {
        let mut program = prepared(&target);
        program.memory.temporary_bytes = u64::MAX / 2;
        let lowered = target.lower(program).expect("its slots are sound");
        if let Some(lowered) = lowered.lowered() {
            assert!(lowered.memory.executor_bytes < 1 << 20);
        }
    }
}

#[test]
fn models_pass_the_check() {
    for case in cases() {
        for target in targets() {
            let graphs: Vec<Graph> = case.graphs().iter().map(fuse).collect();
            let prepared = target.prepare(&graphs, &PrepareOptions::default());
            let prepared = prepared.expect(case.name);
            prepared.program().check().expect(case.name);
            assert!(prepared.program().phase(names::PREDICT).is_some());
        }
    }
}
