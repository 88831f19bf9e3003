//! Parsing, validation, limits and translation of every specialisation.

use super::specialisations::{Specialisation, specialisations};
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use srdiff::exec::gpu::shader::validated;
use srdiff::exec::gpu::template::shaders;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::Command;

/// WebGPU's default limits (the specification's table).
const MAX_STORAGE_BUFFERS: usize = 8;
const MAX_UNIFORM_BUFFERS: usize = 12;
const MAX_WORKGROUP_BYTES: u32 = 16 * 1024;
const MAX_INVOCATIONS: u32 = 256;
const MAX_WORKGROUP_SIZE: [u32; 3] = [256, 256, 64];

fn expanded(specialisation: &Specialisation) -> (String, naga::Module, ModuleInfo) {
    let Specialisation {
        shader, parameters, ..
    } = specialisation;
    validated(shader, parameters).unwrap_or_else(|error| panic!("{error}"))
}

fn all() -> impl Iterator<Item = Specialisation> {
    [false, true].into_iter().flat_map(specialisations)
}

#[test]
fn every_shader_is_specialised() {
    let tried: BTreeSet<&str> = all().map(|s| s.shader).collect();
    assert_eq!(tried, shaders().collect());
    let entries: BTreeSet<(&str, String)> = all()
        .flat_map(|s| {
            let (_, module, _) = expanded(&s);
            let found: Vec<String> = module.entry_points.into_iter().map(|e| e.name).collect();
            assert_eq!(found, s.entries, "{} {}", s.shader, s.parameters);
            found.into_iter().map(move |entry| (s.shader, entry))
        })
        .collect();
    assert!(entries.len() > tried.len());
}

#[test]
fn baseline_is_standard_wgsl_within_default_limits() {
    for specialisation in specialisations(false) {
        let (source, module, _) = expanded(&specialisation);
        let name = format!("{} {}", specialisation.shader, specialisation.parameters);
        for word in ["enable ", "requires ", "immediate", "subgroup"] {
            let mut code = source.lines().map(|line| line.split("//").next());
            let used = code.any(|line| line.is_some_and(|line| line.contains(word)));
            assert!(!used, "{name} uses '{word}'");
        }
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        if let Err(error) = validator.validate(&module) {
            panic!("{name}: {error:?}");
        }
        check_limits(&name, &module);
    }
}

fn check_limits(name: &str, module: &naga::Module) {
    let variables = || module.global_variables.iter().map(|(_, variable)| variable);
    let storage = variables()
        .filter(|v| matches!(v.space, naga::AddressSpace::Storage { .. }))
        .count();
    let uniforms = variables()
        .filter(|v| v.space == naga::AddressSpace::Uniform)
        .count();
    let workgroup: u32 = variables()
        .filter(|v| v.space == naga::AddressSpace::WorkGroup)
        .map(|v| module.types[v.ty].inner.size(module.to_ctx()))
        .sum();
    assert!(
        storage <= MAX_STORAGE_BUFFERS,
        "{name}: {storage} storage buffers"
    );
    assert!(
        uniforms <= MAX_UNIFORM_BUFFERS,
        "{name}: {uniforms} uniforms"
    );
    assert!(
        workgroup <= MAX_WORKGROUP_BYTES,
        "{name}: {workgroup} bytes"
    );
    assert!(!module.entry_points.is_empty(), "{name} has no entry point");
    for entry in &module.entry_points {
        let size = entry.workgroup_size;
        let invocations: u32 = size.iter().product();
        assert!(
            invocations <= MAX_INVOCATIONS,
            "{name}/{}: {size:?}",
            entry.name
        );
        for (side, most) in size.iter().zip(MAX_WORKGROUP_SIZE) {
            assert!(*side <= most, "{name}/{}: {size:?}", entry.name);
        }
    }
}

#[test]
fn every_specialisation_translates_to_spirv_msl_and_hlsl() {
    for specialisation in all() {
        let name = format!("{} {}", specialisation.shader, specialisation.parameters);
        let (_, module, info) = expanded(&specialisation);
        let none = naga::back::PipelineConstants::default();
        for entry in &module.entry_points {
            let at = (naga::ShaderStage::Compute, entry.name.as_str());
            let (module, info) =
                naga::back::pipeline_constants::process_overrides(&module, &info, Some(at), &none)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
            translate(&name, &module, &info, &entry.name);
        }
    }
}

fn has_matrices(module: &naga::Module) -> bool {
    let mut types = module.types.iter();
    types.any(|(_, ty)| matches!(ty.inner, naga::TypeInner::CooperativeMatrix { .. }))
}

/// HLSL has no cooperative matrices, and MSL has them with a side of 8.
///
/// spirv-val is run on none that has them: releases before 2024 do not know
/// cooperative matrices, and later ones refuse the strides that naga
/// gives to arrays in workgroup memory under the Vulkan memory model, which
/// these need, and drivers take them.
fn translate_matrices(name: &str, module: &naga::Module, info: &ModuleInfo, entry: &str) {
    let pipeline = spv::PipelineOptions {
        shader_stage: naga::ShaderStage::Compute,
        entry_point: entry.to_owned(),
    };
    let options = spv::Options {
        lang_version: (1, 6),
        ..Default::default()
    };
    let words = spv::write_vec(module, info, &options, Some(&pipeline))
        .unwrap_or_else(|error| panic!("{name}/{entry} to SPIR-V: {error}"));
    // OpCooperativeMatrixMulAddKHR
    let multiplies = instructions(&words).filter(|opcode| *opcode == 4459);
    assert!(
        multiplies.count() > 0,
        "{name}/{entry}: SPIR-V multiplies no matrices"
    );

    if !name.contains("SIDE=8") {
        return;
    }
    let options = msl::Options {
        fake_missing_bindings: true,
        lang_version: (2, 4),
        ..Default::default()
    };
    let (text, _) = msl::write_string(module, info, &options, &msl::PipelineOptions::default())
        .unwrap_or_else(|error| panic!("{name}/{entry} to MSL: {error}"));
    let multiplies = text.contains("simdgroup_multiply_accumulate");
    assert!(multiplies, "{name}/{entry}: MSL multiplies no matrices");
}

/// The opcodes of a SPIR-V module.
fn instructions(words: &[u32]) -> impl Iterator<Item = u32> {
    // Behind the header.
    let mut rest = words.get(5..).unwrap_or_default();
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        rest = rest
            .get((first >> 16).max(1) as usize..)
            .unwrap_or_default();
        Some(first & 0xffff)
    })
}

fn translate(name: &str, module: &naga::Module, info: &ModuleInfo, entry: &str) {
    if has_matrices(module) {
        return translate_matrices(name, module, info, entry);
    }
    let pipeline = spv::PipelineOptions {
        shader_stage: naga::ShaderStage::Compute,
        entry_point: entry.to_owned(),
    };
    let words = spv::write_vec(module, info, &spv::Options::default(), Some(&pipeline))
        .unwrap_or_else(|error| panic!("{name}/{entry} to SPIR-V: {error}"));
    if let Err(problem) = spirv_val(&words) {
        panic!("{name}/{entry} as SPIR-V: {problem}");
    }

    let options = msl::Options {
        fake_missing_bindings: true,
        lang_version: (2, 4),
        ..Default::default()
    };
    let (text, _) = msl::write_string(module, info, &options, &msl::PipelineOptions::default())
        .unwrap_or_else(|error| panic!("{name}/{entry} to MSL: {error}"));
    assert!(
        text.contains("kernel void"),
        "{name}/{entry}: MSL without a kernel"
    );

    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_2,
        ..Default::default()
    };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions::default())
        .write(module, info, None)
        .unwrap_or_else(|error| panic!("{name}/{entry} to HLSL: {error}"));
    assert!(
        text.contains("numthreads"),
        "{name}/{entry}: HLSL without a kernel"
    );
}

#[test]
fn a_shader_beyond_the_limits_is_noticed() {
    let source = "var<workgroup> big: array<f32, 5000>;
        @compute @workgroup_size(64) fn main() { big[0] = 1.0; }";
    let module = naga::front::wgsl::parse_str(source).expect("valid WGSL");
    let result = std::panic::catch_unwind(|| check_limits("big", &module));
    assert!(result.is_err());
}

/// Runs the Khronos validator over SPIR-V, where it is installed
/// (spirv-tools).
fn spirv_val(words: &[u32]) -> Result<(), String> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    file.write_all(&bytes).expect("writing a temporary file");
    let validator = Command::new("spirv-val")
        .args(["--target-env", "vulkan1.1"])
        .arg(file.path())
        .output();
    match validator {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(_) if !crate::support::spirv_val_required() => Ok(()),
        Err(error) => Err(format!("spirv-val, of spirv-tools: {error}")),
    }
}

#[test]
fn invalid_spirv_is_noticed() {
    if Command::new("spirv-val").arg("--version").output().is_err() {
        assert!(
            !crate::support::spirv_val_required(),
            "spirv-val is not installed"
        );
        println!("skipped: spirv-val is not installed");
        return;
    }
    // A header and an instruction of no length.
    assert!(spirv_val(&[0x0723_0203, 0x0001_0300, 0, 1, 0, 0]).is_err());
}
