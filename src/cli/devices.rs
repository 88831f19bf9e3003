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

/// Lists the adapters and the CPU.
pub fn run(args: &DevicesArgs) -> Result<(), Failure> {
    let adapters = list_adapters();
    let cpu = CpuSummary::of_this_machine();
    if args.json {
        let devices = serde_json::json!({ "adapters": adapters, "cpu": cpu });
        return terminal::answer(&format!("{devices:#}\n"));
    }
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(adapters.iter().map(row));
    let mut text = if adapters.is_empty() {
        "no adapters (Vulkan, Metal, DX12)\n".to_owned()
    } else {
        table(&rows)
    };
    text.push_str(&format!("cpu    {}\n", Device::Cpu(cpu)));
    terminal::answer(&text)
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
fn table(rows: &[[String; 11]]) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let line = |row: &[String; 11]| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
