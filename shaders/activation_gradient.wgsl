// activation_gradient: dx = SCALE * activation'(x) * dy.
//
// Layout: x, dy and dx are (N, C/4, H, W) of vec4.
// Dispatch: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: ACTIVATION (0 none, which does not read x, 1 LeakyReLU, 2 Mish),
// x_scalar, dy_scalar, dx_scalar.

//: if ACTIVATION == 1
override SLOPE: f32 = 0.2;
//: endif
override SCALE: f32 = 1.0;

struct Dims {
    height: u32,
    width: u32,
    blocks: u32, // C / 4
    //: if ACTIVATION > 0
    x_offset: u32,
    x_batch: u32,
    //: endif
    dy_offset: u32,
    dy_batch: u32,
    dx_offset: u32,
    dx_batch: u32,
}

//: if ACTIVATION > 0
alias x_t = vec4<${x_scalar}>;
//: endif
alias dy_t = vec4<${dy_scalar}>;
//: set STORED = dx_scalar
//: include "include/stored.wgsl"
alias dx_t = vec4<${dx_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
//: if ACTIVATION > 0
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
//: endif
@group(0) @binding(2) var<storage, read> dy: array<dy_t>; // (N, C/4, H, W)
@group(0) @binding(3) var<storage, read_write> dx: array<dx_t>; // (N, C/4, H, W)

//: if ACTIVATION == 1
// At zero it is that of negative numbers, as PyTorch has it.
fn slope(v: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(SLOPE), vec4<f32>(1.0), v > vec4<f32>(0.0));
}

//: endif
//: if ACTIVATION == 2
// With e = exp(v) and n = e * (e + 2), the derivative of Mish, v * n / (n + 2),
// is n / (n + 2) + 4 v e (e + 1) / (n + 2)^2. From 20 on it is 1 in f32, and
// from -100 down e is 0.
fn slope(v: vec4<f32>) -> vec4<f32> {
    let held = clamp(v, vec4<f32>(-100.0), vec4<f32>(20.0));
    let e = exp(held);
    let n = e * (e + 2.0);
    let m = n + 2.0;
    return n / m + (4.0 * held * e / m) * ((e + 1.0) / m);
}

//: endif
@compute @workgroup_size(16, 4, 1)
fn activation_gradient(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let block = id.z % dims.blocks;
    let n = id.z / dims.blocks;
    let position = (block * dims.height + id.y) * dims.width + id.x;
    var r = SCALE * vec4<f32>(dy[dims.dy_offset + n * dims.dy_batch + position]);
    //: if ACTIVATION > 0
    r *= slope(vec4<f32>(x[dims.x_offset + n * dims.x_batch + position]));
    //: endif
    dx[dims.dx_offset + n * dims.dx_batch + position] = stored(r);
}
