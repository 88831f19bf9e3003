//! `srdiff devices`.

use super::args::DevicesArgs;
use super::failure::Failure;
use super::terminal;
use srdiff::exec::gpu::{AdapterSummary, list_adapters};
use srdiff::upscale::{CpuSummary, Device};

const COLUMNS: [&str; 11] = [
    "index",
    "name",
    "type",
    "backend",
    "driver",
    "f16",
    "matrix",
    "subgroups",
    "timestamps",
    "largest array",
    "grid",
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

fn row(adapter: &AdapterSummary) -> [String; 11] {
    let has = |feature| if feature { "yes" } else { "no" }.to_owned();
    let bytes = adapter.max_binding_bytes.min(adapter.max_buffer_bytes);
    [
        adapter.index.to_string(),
        adapter.name.clone(),
        adapter.kind.name().to_owned(),
        adapter.backend.clone(),
        adapter.driver.clone(),
        has(adapter.f16),
        has(adapter.cooperative_matrix),
        has(adapter.subgroups),
        has(adapter.timestamps),
        format!("{} MiB", bytes >> 20),
        adapter.max_workgroups.to_string(),
    ]
}

/// Columns as wide as their widest entry.
fn table(adapters: &[AdapterSummary]) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(adapters.iter().map(row));
    let mut lines = vec![String::new(); rows.len()];
    for column in 0..COLUMNS.len() {
        let widths = rows.iter().map(|row| row[column].chars().count());
        let width = widths.max().unwrap_or(0);
        for (line, row) in lines.iter_mut().zip(&rows) {
            line.push_str(&format!("{:width$}  ", row[column]));
        }
    }
    let line = |line: &String| format!("{}\n", line.trim_end());
    lines.iter().map(line).collect()
}
