//! Specialised shaders: expanded, validated, and what naga's reflection says
//! of them.

use super::template::{Parameters, expand};
use crate::exec::lock;
use naga::front::wgsl;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ScalarKind, StorageAccess, TypeInner};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

/// A shader with its template parameters decided.
#[derive(Debug)]
pub struct Specialised {
    pub source: String,
    pub entries: Vec<Entry>,
    /// Names of its `override`s.
    pub overrides: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    /// The bindings that it uses, by group and index.
    pub bindings: Vec<Binding>,
}

impl Entry {
    /// The uniform struct and the arrays.
    pub fn group_0(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(|binding| binding.group == 0)
    }
}

/// One `@group(..) @binding(..)` that an entry point uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    pub group: u32,
    pub index: u32,
    pub name: String,
    pub kind: BindingKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BindingKind {
    Uniform {
        bytes: u32,
        members: Vec<Member>,
    },
    Array {
        writes: bool,
        scalar: (ScalarKind, u8),
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub name: String,
    /// First word.
    pub word: usize,
    pub words: usize,
}

/// Shaders are specialised again for every program; this remembers them.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
type Known = HashMap<(String, Parameters), Arc<Specialised>>;

impl Specialised {
    /// Expands, parses and validates a shader.
    ///
    /// # Errors
    /// When its template, WGSL or types are wrong: names the file and line.
    pub fn new(shader: &str, parameters: &Parameters) -> Result<Arc<Self>, String> {
        let mut known = lock(&KNOWN);
        let key = (shader.to_owned(), parameters.clone());
        if let Some(specialised) = known.get(&key) {
            return Ok(specialised.clone());
        }
        let specialised = Arc::new(Self::make(shader, parameters)?);
        known.insert(key, specialised.clone());
        Ok(specialised)
    }

    fn make(shader: &str, parameters: &Parameters) -> Result<Self, String> {
        let (source, module, info) = validated(shader, parameters)?;
        let entries = module.entry_points.iter().enumerate();
        let entries = entries.map(|(index, entry)| Entry {
            name: entry.name.clone(),
            bindings: bindings(&module, &info, index),
        });
        let overrides = module.overrides.iter();
        Ok(Self {
            source,
            entries: entries.collect(),
            overrides: overrides.filter_map(|(_, o)| o.name.clone()).collect(),
        })
    }

    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// The WGSL of a specialisation with its parsed and validated module.
///
/// # Errors
/// As [`Specialised::new`].
pub fn validated(
    shader: &str,
    parameters: &Parameters,
) -> Result<(String, Module, ModuleInfo), String> {
    let expanded = expand(shader, parameters).map_err(|error| error.to_string())?;
    let fault = |at: Option<naga::SourceLocation>, error: &dyn std::fmt::Display| {
        let origin = at.and_then(|at| expanded.origin(at.line_number as usize));
        match origin {
            Some((file, line)) => format!("{file}:{line} ({parameters}): {error}"),
            None => format!("{shader}.wgsl ({parameters}): {error}"),
        }
    };
    let module = wgsl::parse_str(&expanded.text)
        .map_err(|error| fault(error.location(&expanded.text), &error))?;
    // What shaders may use beyond WebGPU, where the adapter has it.
    let extensions = Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX;
    let mut validator = Validator::new(ValidationFlags::all(), extensions);
    let info = validator
        .validate(&module)
        .map_err(|error| fault(error.location(&expanded.text), error.as_inner()))?;
    Ok((expanded.text, module, info))
}

fn bindings(module: &Module, info: &ModuleInfo, entry: usize) -> Vec<Binding> {
    let uses = info.get_entry_point(entry);
    let mut bindings: Vec<Binding> = module
        .global_variables
        .iter()
        .filter(|(handle, _)| !uses[*handle].is_empty())
        .filter_map(|(_, variable)| {
            let at = variable.binding.as_ref()?;
            let inner = &module.types[variable.ty].inner;
            let kind = match variable.space {
                AddressSpace::Uniform => BindingKind::Uniform {
                    bytes: inner.size(module.to_ctx()),
                    members: members(module, inner),
                },
                AddressSpace::Storage { access } => BindingKind::Array {
                    writes: access.contains(StorageAccess::STORE),
                    scalar: scalar(module, inner),
                },
                _ => return None,
            };
            Some(Binding {
                group: at.group,
                index: at.binding,
                name: variable.name.clone().unwrap_or_default(),
                kind,
            })
        })
        .collect();
    bindings.sort_by_key(|binding| (binding.group, binding.index));
    bindings
}

fn members(module: &Module, inner: &TypeInner) -> Vec<Member> {
    let TypeInner::Struct { members, .. } = inner else {
        return Vec::new();
    };
    let member = |member: &naga::StructMember| Member {
        name: member.name.clone().unwrap_or_default(),
        word: member.offset as usize / 4,
        words: module.types[member.ty].inner.size(module.to_ctx()) as usize / 4,
    };
    members.iter().map(member).collect()
}

/// The scalars that an array is made of.
fn scalar(module: &Module, inner: &TypeInner) -> (ScalarKind, u8) {
    match inner {
        TypeInner::Array { base, .. } => scalar(module, &module.types[*base].inner),
        TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } => (scalar.kind, scalar.width),
        _ => (ScalarKind::Bool, 0),
    }
}
