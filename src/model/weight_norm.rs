//! Convolutions under weight normalisation: finds the pairs of tensors that
//! stand for a weight, and folds them.

use std::collections::BTreeMap;

use super::ModelProblem;

/// A weight as a file stores it.
pub(super) enum Stored<T> {
    Plain(T),
    /// Magnitude and direction, PyTorch's `weight_norm` with dim 0.
    WeightNorm {
        g: T,
        v: T,
    },
}

impl<T> Stored<T> {
    /// The tensor that has the shape of the weight.
    pub fn shaped(&self) -> &T {
        match self {
            Self::Plain(tensor) | Self::WeightNorm { v: tensor, .. } => tensor,
        }
    }
}

/// `w = g * v / ||v||`, the norm over all dimensions but the first
/// (PyTorch `torch._weight_norm(v, g, 0)`).
///
/// `g` has one element per outermost slice of `v`. A slice of zeros has no
/// direction and comes out as NaN, as it does in PyTorch.
pub(super) fn fold_weight_norm(g: &[f32], v: &[f32]) -> Vec<f32> {
    let slices = v.chunks_exact(v.len() / g.len());
    let mut w = Vec::with_capacity(v.len());
    for (&g, slice) in g.iter().zip(slices) {
        let squares = slice.iter().map(|&x| f64::from(x).powi(2));
        let norm = squares.sum::<f64>().sqrt();
        let fold = |&x: &f32| (f64::from(g) * f64::from(x) / norm) as f32;
        w.extend(slice.iter().map(fold));
    }
    w
}

/// Puts each `weight_g` and `weight_v` together under the name `weight`.
pub(super) fn pair_weight_norms<T>(
    mut raws: BTreeMap<String, T>,
    shape: impl Fn(&T) -> &[usize],
) -> Result<BTreeMap<String, Stored<T>>, ModelProblem> {
    let problem = |name: &str, reason| ModelProblem::WeightNorm {
        name: name.to_owned(),
        reason,
    };
    let mut tensors = BTreeMap::new();
    while let Some((name, raw)) = raws.pop_first() {
        let (name, stored) = if let Some(stem) = name.strip_suffix("weight_g") {
            let v = raws
                .remove(&format!("{stem}weight_v"))
                .ok_or_else(|| problem(&name, "has no `weight_v` beside it"))?;
            if !is_weight_norm_of(shape(&raw), shape(&v)) {
                let reason = "does not have the shape of magnitudes of its `weight_v`";
                return Err(problem(&name, reason));
            }
            (format!("{stem}weight"), Stored::WeightNorm { g: raw, v })
        } else if name.ends_with("weight_v") {
            return Err(problem(&name, "has no `weight_g` beside it"));
        } else {
            (name, Stored::Plain(raw))
        };
        if tensors.contains_key(&name) {
            return Err(problem(&name, "is there both plain and normalised"));
        }
        tensors.insert(name, stored);
    }
    Ok(tensors)
}

/// Whether `g` is `[v[0], 1, 1, ...]`, and neither is empty.
fn is_weight_norm_of(g: &[usize], v: &[usize]) -> bool {
    let ones = v.iter().skip(1).map(|_| &1);
    let magnitudes = v.iter().take(1).chain(ones);
    !v.is_empty() && !v.contains(&0) && g.iter().eq(magnitudes)
}
