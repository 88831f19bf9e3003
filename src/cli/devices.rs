//! `srdiff devices`.

use super::args::DevicesArgs;
use super::failure::Failure;
use super::terminal;
use srdiff::exec::gpu::{AdapterSummary, list_adapters};
use srdiff::upscale::{CpuSummary, Device};

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
    ("matrix", |adapter| yes_or_no(adapter.cooperative_matrix)),
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
        let devices = serde_json::json!({ "adapters": adapters, "cpu": cpu });
        return terminal::answer(&format!("{devices:#}\n"));
    }
    let listed = match adapters.is_empty() {
        true => "no adapters (Vulkan, Metal, DX12)\n".to_owned(),
        false => table(&adapters),
    };
    terminal::answer(&format!("{listed}cpu    {}\n", Device::Cpu(cpu)))
}

fn yes_or_no(has: bool) -> String {
    if has { "yes" } else { "no" }.to_owned()
}

/// Columns as wide as their widest entry.
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
    let line = |line: &String| format!("{}\n", line.trim_end());
    lines.iter().map(line).collect()
}
