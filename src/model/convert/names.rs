//! Where in a checkpoint the model is, and what its tensors are called there.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::{
    ConvertProblem, Result,
    pickle::{Pickle, Tensor, Value, ValueId},
};
use crate::model::printable;

/// Keys under which trainers put a model's state dict; wrappers put the same
/// words, with a dot, before its names.
const SECTIONS: [&str; 8] = [
    "state_dict",
    "model",
    "module",
    "ema",
    "ema_model",
    "model_ema",
    "online_model",
    "_orig_mod",
];
/// Levels of sections within sections.
const MAX_DEPTH: usize = 4;
/// Bytes of a tensor's name with its prefix; no model has longer ones. A hostile
/// file may use one long string as the key of a million entries.
const MAX_NAME: usize = 512;

/// Buffers that follow from the noise schedule.
const SCHEDULE_BUFFERS: [&str; 12] = [
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
];

type Tensors<'a> = BTreeMap<String, Tensor<'a>>;

/// The tensors of one model in a checkpoint.
#[derive(Debug)]
pub struct Found<'a> {
    /// Where it is, such as `state_dict/model`, with the prefix of its names;
    /// empty for a plain state dict.
    pub section: String,
    /// By the names of a model file; weight normalisation is `weight_g` and
    /// `weight_v`.
    pub tensors: Tensors<'a>,
    pub buffers: Tensors<'a>,
    pub others: Vec<String>,
}

/// Finds the model in a checkpoint. Prefers averaged weights (`ema`): a trainer
/// that keeps them evaluates them.
pub fn find<'a>(pickle: &Pickle<'a>) -> Result<Found<'a>> {
    let mut models = Vec::new();
    let mut encoder = false;
    for (section, dict) in sections(pickle) {
        for (prefix, tensors) in by_prefix(pickle, dict) {
            if tensors.keys().any(|name| name.starts_with("denoise_fn.")) {
                models.push((join(&section, &prefix), tensors));
            } else {
                encoder |= tensors.contains_key("conv_first.weight");
            }
        }
    }
    models.sort_by_key(|(section, _)| !section.contains("ema"));
    let mut models = models.into_iter();
    let Some((section, all)) = models.next() else {
        return Err(match encoder {
            true => ConvertProblem::EncoderOnly,
            false => ConvertProblem::NoModel,
        });
    };
    let is_buffer = |(name, _): &(String, _)| SCHEDULE_BUFFERS.contains(&name.as_str());
    let (buffers, tensors) = all.into_iter().partition(is_buffer);
    Ok(Found {
        section,
        tensors,
        buffers,
        others: models.map(|(section, _)| section).collect(),
    })
}

/// The root and the sections in it, outermost first, each of them once.
fn sections<'p, 'a>(pickle: &'p Pickle<'a>) -> Vec<(String, &'p Value<'a>)> {
    let mut found = Vec::new();
    let mut seen: HashSet<ValueId> = HashSet::new();
    let mut queue = VecDeque::from([(String::new(), pickle.root(), 0)]);
    while let Some((path, dict, depth)) = queue.pop_front() {
        for (key, id) in pickle.entries(dict) {
            let value = pickle.get(id);
            let is_section = matches!(value, Value::Dict { .. }) && SECTIONS.contains(&key);
            if is_section && depth < MAX_DEPTH && seen.insert(id) {
                queue.push_back((join(&path, key), value, depth + 1));
            }
        }
        found.push((path, dict));
    }
    found
}

/// The tensors of a dictionary, grouped by the prefix of their names.
fn by_prefix<'a>(pickle: &Pickle<'a>, dict: &Value<'a>) -> BTreeMap<String, Tensors<'a>> {
    let mut groups: BTreeMap<String, Tensors> = BTreeMap::new();
    let entries = pickle.entries(dict);
    for (full_name, id) in entries.filter(|(name, _)| name.len() <= MAX_NAME) {
        if let Value::Tensor(tensor) = pickle.get(id) {
            let name = strip_prefix(full_name);
            let prefix = &full_name[..full_name.len() - name.len()];
            let group = groups.entry(prefix.to_owned()).or_default();
            group.insert(plain_name(name), Tensor::clone(tensor));
        }
    }
    groups
}

/// A name without the prefixes of wrappers.
fn strip_prefix(mut name: &str) -> &str {
    while let Some((word, rest)) = name.split_once('.')
        && SECTIONS.contains(&word)
    {
        name = rest;
    }
    name
}

/// The name of a model file for a tensor under PyTorch's newer form of weight
/// normalisation. Escapes characters that no tensor of a model has in its name.
fn plain_name(name: &str) -> String {
    printable(name)
        .replace("parametrizations.weight.original0", "weight_g")
        .replace("parametrizations.weight.original1", "weight_v")
}

fn join(path: &str, key: &str) -> String {
    match (path, key.trim_end_matches('.')) {
        ("", key) => key.to_owned(),
        (path, "") => path.to_owned(),
        (path, key) => format!("{path}/{key}"),
    }
}
