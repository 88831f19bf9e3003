//! The words of a dispatch's uniform struct, each against what its name in the
//! shader says, worked out here from the plan alone.

use super::contract::Planned;
use naga::{Handle, Module, Type, TypeInner};
use srdiff::exec::gpu::kernels::Binding;
use srdiff::exec::gpu::shader::Shader;
use srdiff::graph::PlannedValue;

/// A member that is no struct: its name and its first word.
struct Member {
    name: String,
    word: usize,
    /// Words, if it is an array.
    array: Option<usize>,
}

/// All members of a struct, of structs in it too.
fn members(module: &Module, ty: Handle<Type>, start: usize) -> Vec<Member> {
    let TypeInner::Struct { members, .. } = &module.types[ty].inner else {
        panic!("dims is a struct");
    };
    let mut all = Vec::new();
    for member in members {
        let word = start + member.offset as usize / 4;
        let name = member.name.clone().unwrap_or_default();
        match &module.types[member.ty].inner {
            TypeInner::Struct { .. } => all.extend(self::members(module, member.ty, word)),
            TypeInner::Scalar(_) => all.push(Member {
                name,
                word,
                array: None,
            }),
            inner => all.push(Member {
                name,
                word,
                array: Some(inner.size(module.to_ctx()) as usize / 4),
            }),
        }
    }
    all
}

/// The value behind a variable of the shader, `None` where a variant lacks it.
fn value_of<'a>(planned: &'a Planned, module: &Module, variable: &str) -> Option<&'a PlannedValue> {
    let mut variables = module.global_variables.iter();
    let (_, found) = variables.find(|(_, v)| v.name.as_deref() == Some(variable))?;
    let at = found.binding.as_ref()?.binding;
    let (_, binding) = planned.dispatch.bindings.iter().find(|(b, _)| *b == at)?;
    match binding {
        Binding::Value(value) => Some(&planned.values[*value]),
        // Extended in place: bound once, as the result.
        Binding::Dummy if variable == "x" => Some(&planned.values[planned.step.inputs[0]]),
        _ => None,
    }
}

/// vec4 before a value's first one in its array.
fn offset(value: &PlannedValue) -> usize {
    value.place().1 / 4 * value.shape.h * value.shape.w
}

/// vec4 from one sample of a value to the next.
fn batch(value: &PlannedValue) -> usize {
    value.place().2 / 4 * value.shape.h * value.shape.w
}

/// What the word of this name has to hold.
fn expected(planned: &Planned, module: &Module, name: &str) -> Option<usize> {
    let input = || &planned.values[planned.step.inputs[0]];
    let output = || &planned.values[planned.step.outputs[0]];
    // Both are of one size, except where the shader works from its operand.
    let sized = || match planned.dispatch.shader {
        Shader::UpsampleBicubic => input(),
        _ => output(),
    };
    let of = |variable: &str, count: fn(&PlannedValue) -> usize| {
        value_of(planned, module, variable).map_or(0, count)
    };
    Some(match name {
        "height" => sized().shape.h,
        "width" => sized().shape.w,
        "in_height" => input().shape.h,
        "in_width" => input().shape.w,
        "out_height" => output().shape.h,
        "out_width" => output().shape.w,
        "rows" => input().shape.n,
        "blocks" => output().stored_channels() / 4,
        "statistics_stride" => of("statistics", PlannedValue::stored_channels),
        "table_blocks" => of("table", batch),
        _ if name.starts_with("padding") => 0,
        _ => {
            let (variable, what) = name.rsplit_once('_')?;
            match what {
                "offset" => of(variable, offset),
                "batch" | "row" => of(variable, batch),
                _ => return None,
            }
        }
    })
}

/// Checks every word of the dispatch.
pub fn check(planned: &Planned, module: &Module) -> Result<(), String> {
    let mut variables = module.global_variables.iter();
    let (_, dims) = variables
        .find(|(_, v)| v.name.as_deref() == Some("dims"))
        .ok_or("no dims")?;
    let words = &planned.dispatch.dims;
    for Member { name, word, array } in members(module, dims.ty, 0) {
        if let Some(count) = array {
            check_taps(planned, &words[word..word + count]).map_err(|e| format!("{name}: {e}"))?;
            continue;
        }
        let expected = expected(planned, module, &name)
            .ok_or_else(|| format!("nobody knows what {name} is to hold"))?;
        let found = words[word] as usize;
        if found != expected {
            return Err(format!("{name} (word {word}) is {found}, not {expected}"));
        }
    }
    Ok(())
}

/// Four taps for each phase of the enlargement, which sum to one; zeros after.
fn check_taps(planned: &Planned, words: &[u32]) -> Result<(), String> {
    let constants = &planned.dispatch.constants;
    let factor = constants.iter().find(|(name, _)| *name == "FACTOR");
    let factor = factor.ok_or("no FACTOR")?.1 as usize;
    for (phase, taps) in words.chunks_exact(4).enumerate() {
        let sum: f32 = taps.iter().map(|&tap| f32::from_bits(tap)).sum();
        let expected = if phase < factor { 1.0 } else { 0.0 };
        if (sum - expected).abs() > 1e-6 {
            return Err(format!("taps of phase {phase} sum to {sum}"));
        }
    }
    Ok(())
}
