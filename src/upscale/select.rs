//! Which device runs, and why.

use super::device::{CpuSummary, Device, DeviceError};
use crate::exec::gpu::{AdapterKind, AdapterSummary, check_baseline};
use std::str::FromStr;

/// What was asked for: `auto`, `cpu`, `gpu`, an index or (part of) a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The best real GPU, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The best real GPU.
    Gpu,
    /// A part of an adapter's name, backend or driver, in any case, or the
    /// index of an adapter.
    Named(String),
}

impl FromStr for DeviceChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.to_lowercase().as_str() {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            _ => Self::Named(text.to_owned()),
        })
    }
}

/// A device to run on, and why it was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// The device.
    pub device: Device,
    /// Why, in words.
    pub reason: String,
}

/// Chooses among `adapters` and `cpu`.
///
/// The best GPU is the first of the best kind: discrete, integrated, virtual,
/// unknown. One that cannot run the kernels is passed over, and a software
/// adapter is chosen by name alone.
///
/// # Errors
/// When what was asked for is not there, or not one device.
pub fn select(
    choice: &DeviceChoice,
    adapters: &[AdapterSummary],
    cpu: impl FnOnce() -> CpuSummary,
) -> Result<Selected, DeviceError> {
    let asked = |device| Selected {
        device,
        reason: "asked for".to_owned(),
    };
    match choice {
        DeviceChoice::Cpu => Ok(asked(Device::Cpu(cpu()))),
        DeviceChoice::Auto => Ok(best(adapters).unwrap_or_else(|| Selected {
            device: Device::Cpu(cpu()),
            reason: match adapters {
                [] => "no GPU found".to_owned(),
                _ => unfit(adapters).unwrap_or("no GPU found but software".to_owned()),
            },
        })),
        DeviceChoice::Gpu => best(adapters).ok_or_else(|| DeviceError::NoGpu {
            listed: list(adapters),
        }),
        DeviceChoice::Named(name) => named(name, adapters).map(asked),
    }
}

/// Why the first real GPU that cannot run the kernels cannot, if there is one.
fn unfit(adapters: &[AdapterSummary]) -> Option<String> {
    let mut real = adapters.iter().filter(|a| rank(a.kind).is_some());
    real.find_map(|a| check_baseline(a).err())
        .map(|error| error.to_string())
}

fn best(adapters: &[AdapterSummary]) -> Option<Selected> {
    let fit = || adapters.iter().filter(|a| check_baseline(a).is_ok());
    let real = || fit().filter_map(|a| Some((rank(a.kind)?, a)));
    // The first of equals: the system lists its preferred adapter first.
    let (_, adapter) = real().min_by_key(|&(rank, _)| rank)?;
    let alike = real().filter(|(_, a)| a.kind == adapter.kind).count();
    let kind = match adapter.kind {
        AdapterKind::Unknown => "",
        kind => &format!("{} ", kind.name()),
    };
    let mut reason = match (real().count(), alike) {
        (1, _) => "the only GPU found".to_owned(),
        (_, 1) => format!("the {kind}GPU of this machine"),
        (_, alike) => format!("the first of {alike} {kind}GPUs"),
    };
    if let Some(unfit) = unfit(adapters) {
        reason.push_str(&format!("; {unfit}"));
    }
    Some(Selected {
        device: Device::Gpu(adapter.clone()),
        reason,
    })
}

/// Lower is better; none for what must be asked for by name.
fn rank(kind: AdapterKind) -> Option<u8> {
    match kind {
        AdapterKind::Discrete => Some(0),
        AdapterKind::Integrated => Some(1),
        AdapterKind::Virtual => Some(2),
        AdapterKind::Unknown => Some(3),
        AdapterKind::Software => None,
    }
}

fn named(asked: &str, adapters: &[AdapterSummary]) -> Result<Device, DeviceError> {
    let index = asked.parse::<usize>().ok();
    if let Some(adapter) = adapters.iter().find(|a| Some(a.index) == index) {
        return match adapter.kind {
            AdapterKind::Software => Err(DeviceError::Software {
                index: adapter.index,
                name: adapter.name.clone(),
            }),
            _ => Ok(Device::Gpu(adapter.clone())),
        };
    }
    let wanted = asked.trim().to_lowercase();
    let matching: Vec<AdapterSummary> = adapters
        .iter()
        .filter(|adapter| is_called(adapter, &wanted))
        .cloned()
        .collect();
    let asked = asked.to_owned();
    match &matching[..] {
        [] => Err(DeviceError::Unknown {
            asked,
            listed: list(adapters),
        }),
        [adapter] => Ok(Device::Gpu(adapter.clone())),
        _ => Err(DeviceError::Ambiguous {
            asked,
            listed: list(&matching),
        }),
    }
}

/// Whether an adapter goes by a name in lower case.
fn is_called(adapter: &AdapterSummary, wanted: &str) -> bool {
    let AdapterSummary {
        name,
        backend,
        driver,
        ..
    } = adapter;
    let text = format!("{name} ({backend}) {driver}").to_lowercase();
    if wanted.parse::<usize>().is_ok() {
        // A number that is no index may be a model's, like 4090: a whole word.
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        return words.any(|word| word == wanted);
    }
    !wanted.is_empty() && text.contains(wanted)
}

fn list(adapters: &[AdapterSummary]) -> String {
    if adapters.is_empty() {
        return "there is no adapter".to_owned();
    }
    let line = |a: &AdapterSummary| {
        let unfit = match check_baseline(a) {
            Ok(()) => "",
            Err(_) => ", which cannot run the kernels",
        };
        let kind = a.kind.name();
        format!("{}: {}, {kind}, {}{unfit}", a.index, a.name, a.backend)
    };
    let lines: Vec<String> = adapters.iter().map(line).collect();
    format!("there is {}", lines.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Precision;
    use crate::upscale::PrecisionChoice;

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
    fn software_is_never_chosen_unnamed() {
        let software = &machine()[..1];
        assert_eq!(chosen("auto", software), "CPU (Test, 2 threads)");
        let error = choose("gpu", software).unwrap_err().to_string();
        assert!(error.contains("0: llvmpipe, software"), "{error}");
        let error = choose("0", software).unwrap_err();
        assert!(matches!(error, DeviceError::Software { index: 0, .. }));
        assert_eq!(chosen("LLVM", software), "llvmpipe (vulkan)");
    }

    #[test]
    fn what_cannot_run_the_kernels_is_passed_over() {
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
    fn names_and_indices() {
        assert_eq!(chosen("3", &machine()), "Big 3060 (vulkan)");
        assert_eq!(chosen("4090", &machine()), "Big 4090 f16 (vulkan)");
        assert_eq!(chosen("small", &machine()), "Small Graphics (vulkan)");
        let error = choose("big", &machine()).unwrap_err().to_string();
        assert!(error.contains("2: Big 4090 f16"), "{error}");
        assert!(!error.contains("llvmpipe"), "{error}");
        for unknown in ["9", "voodoo", ""] {
            let error = choose(unknown, &machine()).unwrap_err();
            assert!(matches!(error, DeviceError::Unknown { .. }), "{error}");
        }
        assert_eq!(chosen("CPU", &machine()), "CPU (Test, 2 threads)");
    }

    #[test]
    fn f16_needs_a_device_that_has_it() {
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
}
