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

/// The tensors of one dictionary whose names have one prefix.
struct Group<'a> {
    /// The dictionary, with the prefix.
    section: String,
    tensors: Tensors<'a>,
}

impl Group<'_> {
    fn is_model(&self) -> bool {
        let mut names = self.tensors.keys();
        names.any(|name| name.starts_with("denoise_fn."))
    }

    fn is_averaged(&self) -> bool {
        self.section.contains("ema")
    }
}

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
    /// The section of tensors that the model's own lacks.
    pub completed_from: Option<String>,
}

/// Finds the model in a checkpoint. Prefers averaged weights (`ema`): a trainer
/// that keeps them evaluates them.
pub fn find<'a>(pickle: &Pickle<'a>) -> Result<Found<'a>> {
    let mut groups = Vec::new();
    for (section, dict) in sections(pickle) {
        let entries = pickle.entries(dict);
        let tensors = entries.filter_map(|(name, id)| match pickle.get(id) {
            Value::Tensor(tensor) => Some((name, Tensor::clone(tensor))),
            _ => None,
        });
        groups.extend(by_prefix(&section, tensors));
    }
    model_of(groups)
}

/// As [`find`], among the tensors of a file without sections.
pub fn find_flat<'a>(tensors: impl Iterator<Item = (&'a str, Tensor<'a>)>) -> Result<Found<'a>> {
    model_of(by_prefix("", tensors).collect())
}

fn model_of(groups: Vec<Group<'_>>) -> Result<Found<'_>> {
    let (mut models, rest): (Vec<Group>, Vec<Group>) =
        groups.into_iter().partition(Group::is_model);
    if models.is_empty() {
        let mut rest = rest.iter();
        return Err(
            match rest.any(|group| group.tensors.contains_key("conv_first.weight")) {
                true => ConvertProblem::EncoderOnly,
                false => ConvertProblem::NoModel,
            },
        );
    }
    models.sort_by_key(|group| !group.is_averaged());
    let taken = models.remove(0);
    // Some trainers average only what they train.
    let mut others = models.iter().filter(|_| taken.is_averaged());
    let trained = others.find(|group| !group.is_averaged());
    let lacking = trained.map_or_else(Tensors::new, |group| lacking(&taken.tensors, group));
    let completed_from = trained
        .filter(|_| !lacking.is_empty())
        .map(|group| group.section.clone());
    // An average of parameters has no buffers.
    let mut all = std::iter::once(&taken).chain(&models).chain(&rest);
    let scheduled = all.find(|group| group.tensors.contains_key("betas"));
    let is_buffer = |(name, _): &(String, _)| SCHEDULE_BUFFERS.contains(&name.as_str());
    let buffers = scheduled.unwrap_or(&taken).tensors.clone();
    let tensors = taken.tensors.into_iter().chain(lacking);
    Ok(Found {
        section: taken.section,
        tensors: tensors.filter(|entry| !is_buffer(entry)).collect(),
        buffers: buffers.into_iter().filter(is_buffer).collect(),
        others: models.into_iter().map(|group| group.section).collect(),
        completed_from,
    })
}

/// The model's tensors of a group that are not among others, in any form of
/// weight normalisation.
fn lacking<'a>(tensors: &Tensors<'a>, group: &Group<'a>) -> Tensors<'a> {
    let is_there = |name: &str| {
        let weight = name.strip_suffix("_g").or(name.strip_suffix("_v"));
        let weight = weight.unwrap_or(name);
        let forms = ["", "_g", "_v"].map(|half| format!("{weight}{half}"));
        forms.iter().any(|form| tensors.contains_key(form))
    };
    let is_model = |name: &str| name.starts_with("denoise_fn.") || name.starts_with("rrdb.");
    let all = group.tensors.iter();
    all.filter(|(name, _)| is_model(name) && !is_there(name))
        .map(|(name, tensor)| (name.clone(), tensor.clone()))
        .collect()
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
fn by_prefix<'a>(
    section: &str,
    tensors: impl Iterator<Item = (&'a str, Tensor<'a>)>,
) -> impl Iterator<Item = Group<'a>> {
    let mut groups: BTreeMap<&str, Tensors> = BTreeMap::new();
    for (full_name, tensor) in tensors.filter(|(name, _)| name.len() <= MAX_NAME) {
        let name = strip_prefix(full_name);
        let prefix = &full_name[..full_name.len() - name.len()];
        let group = groups.entry(prefix).or_default();
        group.insert(plain_name(name), tensor);
    }
    groups.into_iter().map(move |(prefix, tensors)| Group {
        section: join(section, prefix),
        tensors,
    })
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
