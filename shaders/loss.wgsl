// loss: mean(|d|) or mean(d^2) over all elements, d = prediction - target, and
// its gradient with respect to the prediction, times `scale`.
//
// Two kernels: `part_of_loss` where PARTS is 1, then `add_parts` where it is 0.
//
// Layout: prediction, wanted (the target) and gradient are (N, C/4, H, W) of vec4, padding
// channels zero; scale and loss are one vec4 whose first channel counts.
// partial_sums is (parts), the sums of PART vec4 each.
//
// Dispatch: part_of_loss: a workgroup of 256 for each part, grid (parts, 1, 1).
// add_parts: one workgroup of 256.
// Parameters: PARTS; where it is 1, NORM (1: |d|, 2: d^2), prediction_scalar,
// wanted_scalar, scale_scalar, gradient_scalar; where it is 0, loss_scalar.

const THREADS: u32 = 256u;

struct Dims {
    //: if PARTS
    count: u32, // vec4 of all samples
    of_sample: u32, // vec4
    prediction_offset: u32,
    prediction_batch: u32,
    wanted_offset: u32,
    wanted_batch: u32,
    scale_offset: u32,
    scale_batch: u32,
    gradient_offset: u32,
    gradient_batch: u32,
    //: else
    parts: u32,
    loss_offset: u32,
    loss_batch: u32,
    //: endif
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct

//: set SUM_TYPE = "f32"
//: include "include/workgroup_sum.wgsl"

//: if PARTS
override COUNT: f32 = 1.0; // elements
override PART: u32 = 4096u;

alias prediction_t = vec4<${prediction_scalar}>;
alias wanted_t = vec4<${wanted_scalar}>;
alias scale_t = vec4<${scale_scalar}>;
//: set STORED = gradient_scalar
//: include "include/stored.wgsl"
alias gradient_t = vec4<${gradient_scalar}>;
@group(0) @binding(1) var<storage, read> prediction: array<prediction_t>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read> wanted: array<wanted_t>; // (N, C/4, H, W)
@group(0) @binding(3) var<storage, read> scale: array<scale_t>; // (1)
@group(0) @binding(4) var<storage, read_write> gradient: array<gradient_t>; // (N, C/4, H, W)
@group(0) @binding(5) var<storage, read_write> partial_sums: array<f32>; // (parts)

//: if NORM == 1
// The sign of each number, and NaN of NaN. Told by its bits, for a driver may
// take it for granted that there is none.
fn slope(d: vec4<f32>) -> vec4<f32> {
    let is_nan = (bitcast<vec4<u32>>(d) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
    return select(sign(d), d, is_nan);
}

//: endif
@compute @workgroup_size(256, 1, 1)
fn part_of_loss(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    // The gradient is this times the sign of d, or times d.
    let factor = ${NORM}.0 * f32(scale[dims.scale_offset].x) / COUNT;
    let end = min((id.x + 1u) * PART, dims.count);
    var sum = vec4<f32>(0.0);
    for (var i = id.x * PART + thread; i < end; i += THREADS) {
        let n = i / dims.of_sample;
        let position = i % dims.of_sample;
        let d = vec4<f32>(prediction[dims.prediction_offset + n * dims.prediction_batch + position])
            - vec4<f32>(wanted[dims.wanted_offset + n * dims.wanted_batch + position]);
        //: if NORM == 1
        sum += abs(d);
        let r = factor * slope(d);
        //: else
        sum += d * d;
        let r = factor * d;
        //: endif
        gradient[dims.gradient_offset + n * dims.gradient_batch + position] = stored(r);
    }
    let total = workgroup_sum(thread, sum.x + sum.y + sum.z + sum.w);
    if thread == 0u {
        partial_sums[id.x] = total;
    }
}
//: else
override COUNT: f32 = 1.0; // elements

alias loss_t = vec4<${loss_scalar}>;
//: set STORED = loss_scalar
//: include "include/stored.wgsl"
@group(0) @binding(1) var<storage, read> partial_sums: array<f32>; // (parts)
@group(0) @binding(2) var<storage, read_write> loss: array<loss_t>; // (1)

@compute @workgroup_size(256, 1, 1)
fn add_parts(@builtin(local_invocation_index) thread: u32) {
    var sum = 0.0;
    for (var part = thread; part < dims.parts; part += THREADS) {
        sum += partial_sums[part];
    }
    let total = workgroup_sum(thread, sum);
    if thread == 0u {
        let r = vec4<f32>(total / COUNT, 0.0, 0.0, 0.0);
        loss[dims.loss_offset] = stored(r);
    }
}
//: endif
