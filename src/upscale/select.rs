//! Chooses the device to run on.

use super::device::{CpuSummary, Device, DeviceError};
use crate::exec::gpu::{AdapterKind, AdapterSummary, check_baseline};
use std::str::FromStr;

/// As text: `auto`, `cpu`, `gpu`, an adapter's index or part of its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The best hardware GPU, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// The best hardware GPU.
    Gpu,
    /// The index of an adapter, a number in its name, or a part of its name,
    /// backend or driver in any case.
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
    pub device: Device,
    pub reason: String,
}

impl Selected {
    /// The CPU of this machine.
    pub(super) fn cpu(reason: String) -> Self {
        let device = Device::Cpu(CpuSummary::of_this_machine());
        Self { device, reason }
    }
}

/// Chooses one of `adapters` or the CPU.
///
/// The best GPU is the first of the best kind: discrete, integrated, virtual,
/// unknown. It must be able to run the kernels. A software adapter is only
/// chosen by its name.
///
/// # Errors
/// When no device, or more than one, matches the choice.
pub fn select(
    choice: &DeviceChoice,
    adapters: &[AdapterSummary],
    cpu: impl FnOnce() -> CpuSummary,
) -> Result<Selected, DeviceError> {
    let (device, reason) = match choice {
        DeviceChoice::Cpu => (Device::Cpu(cpu()), "asked for".to_owned()),
        DeviceChoice::Named(name) => (named(name, adapters)?, "asked for".to_owned()),
        DeviceChoice::Gpu => best(adapters).ok_or_else(|| DeviceError::NoGpu {
            listed: list(adapters),
        })?,
        DeviceChoice::Auto => best(adapters).unwrap_or_else(|| {
            let reason = match adapters {
                [] => "no GPU found".to_owned(),
                _ => unfit(adapters).unwrap_or("no GPU found but software".to_owned()),
            };
            (Device::Cpu(cpu()), reason)
        }),
    };
    Ok(Selected { device, reason })
}

/// Why the first hardware GPU that cannot run the kernels cannot.
fn unfit(adapters: &[AdapterSummary]) -> Option<String> {
    let mut hardware = adapters.iter().filter(|a| rank(a.kind).is_some());
    let error = hardware.find_map(|a| check_baseline(a).err())?;
    Some(error.to_string())
}

fn best(adapters: &[AdapterSummary]) -> Option<(Device, String)> {
    let fit: Vec<&AdapterSummary> = adapters
        .iter()
        .filter(|a| rank(a.kind).is_some() && check_baseline(a).is_ok())
        .collect();
    // The first of equals: the system lists its preferred adapter first.
    let adapter = *fit.iter().min_by_key(|a| rank(a.kind))?;
    let alike = fit.iter().filter(|a| a.kind == adapter.kind).count();
    let kind = match adapter.kind {
        AdapterKind::Unknown => "",
        kind => &format!("{} ", kind.name()),
    };
    let mut reason = match (fit.len(), alike) {
        (1, _) => "the only GPU found".to_owned(),
        (_, 1) => format!("the {kind}GPU of this machine"),
        (_, alike) => format!("the first of {alike} {kind}GPUs"),
    };
    if let Some(unfit) = unfit(adapters) {
        reason.push_str(&format!("; {unfit}"));
    }
    Some((Device::Gpu(adapter.clone()), reason))
}

/// Lower is better; `None` for what must be named.
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
    let mut matching = adapters.to_vec();
    matching.retain(|adapter| matches_name(adapter, &wanted));
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

/// Whether `wanted`, in lower case, is part of an adapter's description.
fn matches_name(a: &AdapterSummary, wanted: &str) -> bool {
    let name = a.name.to_lowercase();
    if wanted.parse::<usize>().is_ok() {
        // Not an index but a model number like 4090, which is a whole word. A
        // driver's version is full of numbers that nobody asks for, and software
        // has one in its name.
        let mut words = name.split(|c: char| !c.is_alphanumeric());
        return a.kind != AdapterKind::Software && words.any(|word| word == wanted);
    }
    let text = format!("{name} ({}) {}", a.backend, a.driver.to_lowercase());
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
