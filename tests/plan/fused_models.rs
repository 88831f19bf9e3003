//! What is left of the models' graphs after fusion.

use super::models::cases;
use srdiff::graph::{Graph, Node, Role, ValueId, fuse};
use srdiff::model::{Settings, names};
use srdiff::ops::{Activation, Epilogue, Op};

fn fused_phase(graphs: &[Graph], name: &str) -> Graph {
    let phase = graphs.iter().find(|graph| graph.name == name);
    fuse(phase.expect(name))
}

pub fn names_of<'a>(graph: &'a Graph, ids: &[ValueId]) -> Vec<&'a str> {
    ids.iter().map(|&id| &*graph.value(id).name).collect()
}

fn convolutions(graph: &Graph) -> Vec<(&Node, &Epilogue)> {
    let nodes = graph.nodes.iter();
    nodes
        .filter_map(|node| match &node.op {
            Op::Conv2d(op) => Some((node, &op.epilogue)),
            _ => None,
        })
        .collect()
}

fn pointwise(graph: &Graph) -> Vec<(&Node, &Epilogue)> {
    let nodes = graph.nodes.iter();
    nodes
        .filter_map(|node| match &node.op {
            Op::Pointwise(op) => Some((node, &op.epilogue)),
            _ => None,
        })
        .collect()
}

/// The convolutions of the encoder with their epilogues: the dense blocks end
/// in residuals, of which the last one of each block has the block's own too.
fn check_encoder(graph: &Graph, settings: &Settings) {
    let leaky = Activation::LeakyRelu { slope: 0.2 };
    let epilogue = |node: &Node| node.op.epilogue().expect("a convolution").0.clone();
    for block in 0..settings.rrdb_blocks {
        for rdb in 1..=3 {
            let prefix = format!("rrdb.RRDB_trunk.{block}.RDB{rdb}");
            let input = match (block, rdb) {
                (0, 1) => "encoder.first".to_owned(),
                (_, 1) => format!("encoder.feat.{}", block - 1),
                _ => format!("{prefix}.input"),
            };
            let of_block = match block {
                0 => "encoder.first".to_owned(),
                _ => format!("encoder.feat.{}", block - 1),
            };
            for k in 1..=5 {
                let weight = format!("{prefix}.conv{k}.weight");
                let node = reader(graph, &weight);
                let read = names_of(graph, &node.inputs[3..]);
                if k < 5 {
                    assert_eq!(epilogue(node), Epilogue::activation(leaky), "{weight}");
                    assert!(read.is_empty());
                    continue;
                }
                let (scale, scales, residuals) = match rdb {
                    3 => (0.2 * 0.2, vec![0.2, 1.0], vec![&*input, &*of_block]),
                    _ => (0.2, vec![1.0], vec![&*input]),
                };
                let expected = Epilogue {
                    scale,
                    residual_scales: scales,
                    ..Epilogue::none()
                };
                assert_eq!(epilogue(node), expected, "{weight}");
                assert_eq!(read, residuals, "{weight}");
                let written = names_of(graph, &node.outputs);
                let place = match rdb {
                    3 => format!("encoder.feat.{block}"),
                    _ => format!("rrdb.RRDB_trunk.{block}.RDB{}.input", rdb + 1),
                };
                assert_eq!(written, [place], "{weight}");
            }
        }
    }
    let trunk = reader(graph, "rrdb.trunk_conv.weight");
    assert_eq!(names_of(graph, &trunk.inputs[3..]), ["encoder.first"]);
    assert_eq!(epilogue(trunk).residual_scales, [1.0]);
}

/// The node that reads a weight.
fn reader<'a>(graph: &'a Graph, weight: &str) -> &'a Node {
    let id = graph.find(weight).expect(weight);
    let mut nodes = graph.nodes.iter();
    nodes.find(|node| node.inputs.contains(&id)).expect(weight)
}

#[test]
fn nothing_pointwise_is_left_of_the_encoder_but_its_copies() {
    for case in cases() {
        let (settings, graphs) = (&case.settings, case.graphs());
        let graph = fused_phase(&graphs, names::IMAGE);
        check_encoder(&graph, settings);
        let left = pointwise(&graph);
        let signed = left.iter().filter(|(node, epilogue)| {
            let affine = Epilogue {
                scale: 2.0,
                shift: -1.0,
                ..Epilogue::none()
            };
            names_of(&graph, &node.outputs) == ["lr.signed"] && **epilogue == affine
        });
        assert_eq!(signed.count(), 1, "{}", case.name);
        let copies = left.iter().filter(|(node, epilogue)| {
            let into = names_of(&graph, &node.outputs);
            into[0].starts_with("encoder.map.") && epilogue.is_identity()
        });
        let maps = (2..settings.rrdb_blocks - 1).step_by(3).count();
        assert_eq!(copies.count(), maps, "{}", case.name);
        assert_eq!(left.len(), 1 + maps, "{}", case.name);

        let head = match case.options.sr_head {
            true => settings.scale.ilog2() as usize + 2,
            false => 0,
        };
        let count = 2 + 15 * settings.rrdb_blocks + head;
        assert_eq!(convolutions(&graph).len(), count, "{}", case.name);

        // A conditioning that adds the enlarged image is folded into that convolution.
        let graph = fused_phase(&graphs, names::CONDITION);
        assert!(pointwise(&graph).is_empty(), "{}", case.name);
        let count = usize::from(settings.up_input);
        assert_eq!(convolutions(&graph).len(), count, "{}", case.name);
    }
}

#[test]
fn everything_pointwise_of_the_denoiser_is_folded() {
    for case in cases() {
        let (settings, graphs) = (&case.settings, case.graphs());
        let graph = fused_phase(&graphs, names::PREDICT);
        assert!(pointwise(&graph).is_empty(), "{}", case.name);
        let levels = settings.mults.len();
        // The blocks of the U-Net: two on each level, on both sides, and two.
        let blocks = 2 * levels + 2 + 2 * (levels - 1);
        let mut finals = 0;
        for node in &graph.nodes {
            let Some((epilogue, first)) = node.op.epilogue() else {
                continue;
            };
            let made = names_of(&graph, &node.outputs)[0];
            let read = names_of(&graph, &node.inputs[first..]);
            if epilogue.table_add {
                assert_eq!(epilogue.activation, Activation::Mish, "{made}");
                let block = made.strip_suffix(".hidden").expect(made);
                assert_eq!(read, [format!("time.{block}")]);
                finals += 1;
            }
            let scales = &epilogue.residual_scales;
            assert!(scales.iter().all(|&scale| scale == 1.0), "{made}");
            assert_eq!((epilogue.scale, epilogue.shift), (1.0, 0.0), "{made}");
        }
        assert_eq!(finals, blocks, "{}", case.name);
        // The first level adds the conditioning.
        let conditioned = graph.find(names::CONDITIONING).unwrap();
        let node = graph.nodes.iter().find(|n| n.inputs.contains(&conditioned));
        let node = node.expect("something reads it");
        assert_eq!(names_of(&graph, &node.outputs), ["unet.down.0"]);
        let (epilogue, _) = node.op.epilogue().unwrap();
        assert_eq!(epilogue.residual_scales, [1.0, 1.0]);
        assert_eq!(epilogue.activation, Activation::Mish);
    }
}

#[test]
fn the_time_tables_keep_their_activations() {
    // A linear layer has no epilogue.
    for case in cases() {
        let graph = fused_phase(&case.graphs(), names::MODEL);
        let left = pointwise(&graph);
        let mish = Epilogue::activation(Activation::Mish);
        assert!(left.iter().all(|(_, epilogue)| **epilogue == mish));
        assert_eq!(left.len(), 2, "{}", case.name);
    }
}

#[test]
fn fused_graphs_keep_what_others_see_and_drop_what_is_gone() {
    for case in cases() {
        for graph in case.graphs() {
            let fused = fuse(&graph);
            assert_eq!(fuse(&fused), fused, "{}: once is enough", case.name);
            let kept = |graph: &Graph| -> Vec<String> {
                let kept = graph.values.iter().filter(|v| v.role != Role::Temporary);
                kept.map(|value| value.name.clone()).collect()
            };
            assert_eq!(kept(&fused), kept(&graph), "{}", case.name);
            let folded = graph.nodes.len() - fused.nodes.len();
            let before = pointwise(&graph).len();
            assert_eq!(folded, before - pointwise(&fused).len(), "{}", case.name);
        }
    }
}
