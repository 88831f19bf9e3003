//! Which device a choice selects.

use srdiff::exec::cpu::has_bf16;
use srdiff::exec::gpu::{AdapterKind, AdapterSummary};
use srdiff::plan::Precision;
use srdiff::upscale::{CpuSummary, Device, DeviceError, PrecisionChoice, Selected, select};

fn adapters(kinds: &[(&str, AdapterKind)]) -> Vec<AdapterSummary> {
    let adapter = |(index, &(name, kind)): (usize, &(&str, AdapterKind))| AdapterSummary {
        index,
        name: name.to_owned(),
        kind,
        backend: "vulkan".to_owned(),
        driver: "mesa".to_owned(),
        f16: name.contains("f16"),
        ..AdapterSummary::baseline()
    };
    kinds.iter().enumerate().map(adapter).collect()
}

fn cpu() -> CpuSummary {
    CpuSummary {
        name: "Test".to_owned(),
        threads: 2,
    }
}

fn machine() -> Vec<AdapterSummary> {
    adapters(&[
        ("llvmpipe", AdapterKind::Software),
        ("Small Graphics", AdapterKind::Integrated),
        ("Big 4090 f16", AdapterKind::Discrete),
        ("Big 3060", AdapterKind::Discrete),
    ])
}

fn choose(asked: &str, adapters: &[AdapterSummary]) -> Result<Selected, DeviceError> {
    let Ok(choice) = asked.parse();
    select(&choice, adapters, cpu)
}

fn chosen(asked: &str, adapters: &[AdapterSummary]) -> String {
    choose(asked, adapters).unwrap().device.to_string()
}

#[test]
fn auto_takes_the_best_kind() {
    let selected = choose("auto", &machine()).unwrap();
    assert_eq!(selected.device.to_string(), "Big 4090 f16 (vulkan)");
    assert_eq!(selected.reason, "the first of 2 discrete GPUs");
    assert_eq!(chosen("auto", &machine()[..2]), "Small Graphics (vulkan)");
    assert_eq!(chosen("gpu", &machine()[..2]), "Small Graphics (vulkan)");
}

#[test]
fn software_must_be_named() {
    let software = &machine()[..1];
    assert_eq!(chosen("auto", software), "CPU (Test, 2 threads)");
    let error = choose("gpu", software).unwrap_err().to_string();
    assert!(error.contains("0: llvmpipe, software"), "{error}");
    let error = choose("0", software).unwrap_err();
    assert!(matches!(error, DeviceError::Software { index: 0, .. }));
    assert_eq!(chosen("LLVM", software), "llvmpipe (vulkan)");
}

#[test]
fn an_adapter_that_cannot_run_the_kernels_is_skipped() {
    let mut machine = machine();
    machine[2].max_arrays = 4;
    let selected = choose("auto", &machine).unwrap();
    assert_eq!(selected.device.to_string(), "Big 3060 (vulkan)");
    assert!(selected.reason.contains("; Big 4090 f16 cannot run this: "));
    let alone = &machine[2..3];
    let selected = choose("auto", alone).unwrap();
    assert!(matches!(selected.device, Device::Cpu(_)));
    assert!(
        selected.reason.contains("its limit is 4"),
        "{}",
        selected.reason
    );
    let error = choose("gpu", alone).unwrap_err().to_string();
    assert!(error.contains("which cannot run the kernels"), "{error}");
}

#[test]
fn adapters_are_chosen_by_name_or_index() {
    assert_eq!(chosen("3", &machine()), "Big 3060 (vulkan)");
    assert_eq!(chosen("4090", &machine()), "Big 4090 f16 (vulkan)");
    assert_eq!(chosen("small", &machine()), "Small Graphics (vulkan)");
    let error = choose("big", &machine()).unwrap_err().to_string();
    assert!(error.contains("2: Big 4090 f16"), "{error}");
    assert!(!error.contains("llvmpipe"), "{error}");
    // "3" of a driver's version is no adapter 3.
    let mut few = machine();
    few.truncate(3);
    few[1].driver = "Mesa 22.3.6".to_owned();
    let error = choose("3", &few).unwrap_err();
    assert!(matches!(error, DeviceError::Unknown { .. }), "{error}");
    assert_eq!(chosen("22.3", &few), chosen("1", &few));
    // Nor are those of software's name.
    let mut machine = machine();
    machine[0].name = "llvmpipe (LLVM 15.0.6, 256 bits)".to_owned();
    for unknown in ["9", "6", "15", "256", "voodoo", ""] {
        let error = choose(unknown, &machine).unwrap_err();
        assert!(matches!(error, DeviceError::Unknown { .. }), "{error}");
    }
    assert_eq!(chosen("256 bits", &machine), chosen("llvm", &machine));
    assert_eq!(chosen("CPU", &machine), "CPU (Test, 2 threads)");
}

#[test]
fn bf16_needs_a_cpu_that_multiplies_it() {
    let on_cpu = Device::Cpu(cpu()).precision(PrecisionChoice::Bf16);
    match has_bf16() {
        true => assert_eq!(on_cpu, Ok(Precision::Bf16)),
        false => assert!(on_cpu.unwrap_err().to_string().contains("AVX-512 BF16")),
    }
    let gpu = choose("4090", &machine()).unwrap().device;
    let error = gpu.precision(PrecisionChoice::Bf16).unwrap_err();
    assert!(error.to_string().contains("which is for CPUs"), "{error}");
    let auto = Device::Cpu(cpu()).precision(PrecisionChoice::Auto);
    assert_eq!(
        auto,
        Ok(Precision::F32),
        "only who asks gets less precision"
    );
}

#[test]
fn f16_needs_a_device_with_f16() {
    let with = choose("4090", &machine()).unwrap().device;
    let without = choose("3060", &machine()).unwrap().device;
    assert_eq!(with.precision(PrecisionChoice::Auto), Ok(Precision::F16));
    assert_eq!(with.precision(PrecisionChoice::F32), Ok(Precision::F32));
    assert_eq!(without.precision(PrecisionChoice::Auto), Ok(Precision::F32));
    for device in [without, Device::Cpu(cpu())] {
        let error = device.precision(PrecisionChoice::F16).unwrap_err();
        assert!(error.to_string().contains("has no f16"), "{error}");
    }
}
