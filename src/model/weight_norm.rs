//! Convolutions under weight normalisation: finding the pairs that stand for
//! a weight, and folding them into it.

use std::collections::BTreeMap;

use super::ModelProblem;

/// A tensor of some file, or the pair that stands for it.
pub(super) enum Stored<T> {
    Plain(T),
    /// Magnitude and direction, PyTorch's `weight_norm` with dim 0.
    WeightNorm {
        g: T,
        v: T,
    },
}

/// What has the shape of a tensor.
pub(super) trait Shaped {
    fn shape(&self) -> &[usize];
}

impl<T: Shaped> Shaped for Stored<T> {
    fn shape(&self) -> &[usize] {
        match self {
            Self::Plain(tensor) | Self::WeightNorm { v: tensor, .. } => tensor.shape(),
        }
    }
}

/// `w = g * v / ||v||`, the norm over all dimensions but the first
/// (PyTorch `torch._weight_norm(v, g, 0)`).
///
/// `g` has one element per outermost slice of `v`. A slice of zeros has no
/// direction and comes out as NaN, as it does in PyTorch.
pub(super) fn fold_weight_norm(g: &[f32], v: &[f32]) -> Vec<f32> {
    assert!(
        !g.is_empty() && v.len().is_multiple_of(g.len()),
        "weight_norm: {} magnitudes for {} elements",
        g.len(),
        v.len()
    );
    let slice = v.len() / g.len();
    let mut w = Vec::with_capacity(v.len());
    for (&g, v) in g.iter().zip(v.chunks_exact(slice.max(1))) {
        let norm = v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        w.extend(
            v.iter()
                .map(|&x| (f64::from(g) * f64::from(x) / norm) as f32),
        );
    }
    w
}

/// Puts each `weight_g` and `weight_v` together under the name `weight`.
pub(super) fn pair_weight_norms<T: Shaped>(
    mut raws: BTreeMap<String, T>,
) -> Result<BTreeMap<String, Stored<T>>, ModelProblem> {
    let problem = |name: &str, reason| ModelProblem::WeightNorm {
        name: name.to_owned(),
        reason,
    };
    let mut tensors = BTreeMap::new();
    while let Some((name, raw)) = raws.pop_first() {
        let stored = if let Some(stem) = name.strip_suffix("weight_g") {
            let v = raws
                .remove(&format!("{stem}weight_v"))
                .ok_or_else(|| problem(&name, "has no `weight_v` beside it"))?;
            if !is_weight_norm_of(raw.shape(), v.shape()) {
                return Err(problem(
                    &name,
                    "does not have the shape of magnitudes of its `weight_v`",
                ));
            }
            (format!("{stem}weight"), Stored::WeightNorm { g: raw, v })
        } else if name.ends_with("weight_v") {
            return Err(problem(&name, "has no `weight_g` beside it"));
        } else {
            (name, Stored::Plain(raw))
        };
        if tensors.contains_key(&stored.0) {
            return Err(problem(&stored.0, "is there both plain and normalised"));
        }
        tensors.insert(stored.0, stored.1);
    }
    Ok(tensors)
}

/// Is `g` the shape of the magnitudes of a weight normalisation of `v`,
/// that is `[v[0], 1, 1, ...]`?
fn is_weight_norm_of(g: &[usize], v: &[usize]) -> bool {
    g.len() == v.len()
        && g.first() == v.first()
        && g.iter().skip(1).all(|&size| size == 1)
        && v.iter().all(|&size| size > 0)
        && !v.is_empty()
}
