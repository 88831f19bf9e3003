//! Names and shapes of a model's tensors.

use std::collections::{BTreeMap, BTreeSet};

use super::{ModelProblem, PhaseOptions, Settings, phases};
use crate::graph::{GraphError, Role};
use crate::ops::{Conv2d, ConvTranspose2d, Linear, Op};

/// Shapes of tensors by name, weight normalisation already folded.
pub(super) type Shapes = BTreeMap<String, Vec<usize>>;

/// The learnt gate of the attention.
pub(super) const ATTENTION_GATE: &str = "denoise_fn.mid_attn.fn.g";

/// The tensor of one element that a parameter of the graphs is multiplied by,
/// if any: they leave the attention's gate to its output layer.
pub(crate) fn gate(parameter: &str) -> Option<&'static str> {
    let is_gated = parameter.starts_with("denoise_fn.mid_attn.fn.fn.to_out.");
    is_gated.then_some(ATTENTION_GATE)
}

/// Every tensor of a model with these settings, its name and shape: the
/// parameters of its graphs.
///
/// Names and layouts are PyTorch's: a convolution's weight is
/// `[out, in, height, width]`, a transposed convolution's `[in, out, height, width]`,
/// a linear layer's `[out, in]`.
///
/// # Panics
/// When no model has these settings; those that a file was read with are fine.
pub fn expected_tensors(settings: &Settings) -> Vec<(String, Vec<usize>)> {
    let tensors = expected(settings).expect("the settings of a model");
    tensors.into_iter().collect()
}

/// As [`expected_tensors`], for settings that may be those of no model.
pub(super) fn expected(settings: &Settings) -> Result<Shapes, GraphError> {
    let side = settings.padded_lr_side(1);
    let options = PhaseOptions {
        sr_head: settings.has_sr_head,
        ..PhaseOptions::new([side, side])
    };
    let graphs = phases::build(settings, &options)?;
    let mut tensors = Shapes::new();
    for graph in &graphs {
        for node in &graph.nodes {
            for (at, &id) in node.inputs.iter().enumerate() {
                let value = graph.value(id);
                if value.role == Role::Parameter {
                    let shape = value.shape;
                    let shape = match (&node.op, at) {
                        (Op::Linear(_), Linear::WEIGHT) => vec![shape.n, shape.c],
                        (Op::Conv2d(_), Conv2d::WEIGHT)
                        | (Op::ConvTranspose2d(_), ConvTranspose2d::WEIGHT) => {
                            vec![shape.n, shape.c, shape.h, shape.w]
                        }
                        _ => vec![shape.c],
                    };
                    tensors.insert(value.name.clone(), shape);
                }
            }
        }
    }
    if settings.attention.is_some() {
        tensors.insert(ATTENTION_GATE.to_owned(), vec![1]);
    }
    Ok(tensors)
}

/// Checks that `shapes` are those of a model with these settings.
pub(super) fn check(settings: &Settings, shapes: &Shapes) -> Result<(), ModelProblem> {
    let mut expected = expected(settings).map_err(ModelProblem::Graph)?;
    for (name, found) in shapes {
        let Some(expected) = expected.remove(name) else {
            return Err(ModelProblem::Extra(name.clone()));
        };
        if expected != *found {
            return Err(ModelProblem::Shape {
                name: name.clone(),
                found: found.clone(),
                expected,
            });
        }
    }
    match expected.into_keys().next() {
        Some(name) => Err(ModelProblem::Missing(name)),
        None => Ok(()),
    }
}

/// Whether `name` is part of the encoder's own super-resolution head, which
/// diffusion does not need.
pub(super) fn is_sr_head(name: &str) -> bool {
    name.strip_prefix("rrdb.").is_some_and(|name| {
        ["upconv", "HRconv.", "conv_last."]
            .iter()
            .any(|part| name.starts_with(part))
    })
}

/// Whether the encoder's own head enlarges to another scale than the model:
/// published code makes heads of 4x and 8x alone.
pub(super) fn has_other_sr_head(
    settings: &Settings,
    shapes: &Shapes,
) -> Result<bool, ModelProblem> {
    fn enlargements(shapes: &Shapes) -> BTreeSet<&str> {
        let layers = shapes
            .keys()
            .filter_map(|name| name.strip_prefix("rrdb.upconv"));
        layers.filter_map(|layer| layer.split('.').next()).collect()
    }
    let expected = expected(settings).map_err(ModelProblem::Graph)?;
    Ok(settings.has_sr_head && enlargements(shapes) != enlargements(&expected))
}
