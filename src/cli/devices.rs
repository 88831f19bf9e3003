//! `srdiff devices`.

use super::failure::Failure;
use super::terminal;
use clap::Args;
use serde::Serialize;
use srdiff::exec::gpu::{AdapterSummary, check_baseline, list_adapters};
use srdiff::upscale::{CpuSummary, Device};

/// Arguments of `devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A column of the table: its title, and what it says of an adapter.
type Column = (&'static str, fn(&AdapterSummary) -> String);

const COLUMNS: [Column; 12] = [
    ("index", |adapter| adapter.index.to_string()),
    ("name", |adapter| adapter.name.clone()),
    ("type", |adapter| adapter.kind.name().to_owned()),
    ("backend", |adapter| adapter.backend.clone()),
    ("driver", |adapter| adapter.driver.clone()),
    ("memory", |adapter| match adapter.memory_bytes {
        Some(bytes) => format!("{} MiB", bytes >> 20),
        None => "-".to_owned(),
    }),
    ("f16", |adapter| yes_or_no(adapter.f16)),
    ("matrix", |adapter| match adapter.matrix_sides.as_slice() {
        [] => "no".to_owned(),
        sides => {
            let shapes: Vec<_> = sides.iter().map(|side| format!("{side}x{side}")).collect();
            shapes.join(" ")
        }
    }),
    ("subgroups", |adapter| yes_or_no(adapter.subgroups)),
    ("timestamps", |adapter| yes_or_no(adapter.timestamps)),
    ("largest array", |adapter| {
        let bytes = adapter.max_binding_bytes.min(adapter.max_buffer_bytes);
        format!("{} MiB", bytes >> 20)
    }),
    ("grid", |adapter| adapter.max_workgroups.to_string()),
];

pub fn run(args: &DevicesArgs) -> Result<(), Failure> {
    let adapters = list_adapters();
    let cpu = CpuSummary::of_this_machine();
    if args.json {
        let adapters: Vec<Listed> = adapters.iter().map(Listed::new).collect();
        let devices = serde_json::json!({ "adapters": adapters, "cpu": cpu });
        return terminal::answer(&format!("{devices:#}\n"));
    }
    let listed = match adapters.is_empty() {
        true => "no adapters (Vulkan, Metal, DX12)\n".to_owned(),
        false => table(&adapters),
    };
    terminal::answer(&format!("{listed}cpu    {}\n", Device::Cpu(cpu)))
}

/// An adapter, and why it cannot run the kernels.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    adapter: &'a AdapterSummary,
    unfit: Option<String>,
}

impl<'a> Listed<'a> {
    fn new(adapter: &'a AdapterSummary) -> Self {
        let unfit = check_baseline(adapter).err();
        Self {
            adapter,
            unfit: unfit.map(|error| error.to_string()),
        }
    }
}

fn yes_or_no(has: bool) -> String {
    if has { "yes" } else { "no" }.to_owned()
}

/// Columns as wide as their widest entry, and below them which adapters cannot run the
/// kernels.
fn table(adapters: &[AdapterSummary]) -> String {
    let mut lines = vec![String::new(); 1 + adapters.len()];
    for (title, entry) in COLUMNS {
        let mut column = vec![title.to_owned()];
        column.extend(adapters.iter().map(entry));
        let widths = column.iter().map(|entry| entry.chars().count());
        let width = widths.max().unwrap_or(0);
        for (line, entry) in lines.iter_mut().zip(&column) {
            line.push_str(&format!("{entry:width$}  "));
        }
    }
    let listed = adapters.iter().map(Listed::new);
    lines.extend(listed.filter_map(|listed| {
        let index = listed.adapter.index;
        Some(format!("device {index} is not used: {}", listed.unfit?))
    }));
    let line = |line: &String| format!("{}\n", line.trim_end());
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_run_the_kernels_is_told() {
        let fit = AdapterSummary::baseline();
        let unfit = AdapterSummary {
            index: 1,
            name: "Old".to_owned(),
            max_arrays: 4,
            ..fit.clone()
        };
        let adapters = [fit, unfit];
        assert_eq!(table(&adapters[..1]).lines().count(), 2);
        let listed = table(&adapters);
        let [_, _, _, last] = listed.lines().collect::<Vec<_>>()[..] else {
            panic!("{listed}");
        };
        let reason = "Old cannot run this: the number of arrays of a kernel is 8, its limit is 4";
        assert_eq!(last, format!("device 1 is not used: {reason}"));
        let json = serde_json::to_value(Listed::new(&adapters[1])).unwrap();
        assert_eq!(
            (&json["name"], &json["unfit"]),
            (&"Old".into(), &reason.into())
        );
    }
}
