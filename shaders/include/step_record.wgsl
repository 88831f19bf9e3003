// The record of the running step: one row of a table that is uploaded once,
// chosen by dynamic offset. Twin of `exec::StepRecord` (240 bytes).

// One element of the batch: where in the noise it lies, and its row of the
// time tables.
struct Place {
    origin: vec2<u32>,
    sample: u32,
    table_row: u32,
}

struct StepRecord {
    padding_0: u32,
    noise_step: u32,
    seed: vec2<u32>,
    clip: f32,
    x0_from_x: f32,
    x0_from_eps: f32,
    from_x: f32,
    from_x0: f32,
    from_previous_x0: f32,
    sigma: f32,
    padding_1: u32,
    places: array<Place, 12>,
}

@group(1) @binding(0) var<uniform> record: StepRecord; // one record
