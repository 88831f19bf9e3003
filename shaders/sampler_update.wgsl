// sampler_update: one reverse diffusion step, for every sampler. The
// coefficients of the running step make it DDPM (Ho et al. 2020), DDIM (Song
// et al. 2021) or DPM-Solver++(2M) (Lu et al. 2022).
//
//   x'        = from_x * x + from_x0 * x0 + from_previous_x0 * previous + sigma * z
//   previous' = x0
//
// z is made here (include/normal.wgsl), or read where REPLAYED. Nothing is
// added where from_previous_x0 or sigma is 0: `previous` holds no estimate
// before the first step.
//
// Layout: x, previous, x0, z are (N, C/4, H, W) of vec4, all but z in f32; x
// and previous are updated in place.
// Dispatch: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: REPLAYED (0 or 1), z_scalar if REPLAYED.

//: include "include/step_record.wgsl"
//: if not REPLAYED
//: include "include/normal.wgsl"
//: endif

override CHANNELS: u32 = 3u; // C

struct Dims {
    height: u32,
    width: u32,
    x_offset: u32,
    x_batch: u32,
    previous_offset: u32,
    previous_batch: u32,
    x0_offset: u32,
    x0_batch: u32,
    //: if REPLAYED
    z_offset: u32,
    z_batch: u32,
    //: endif
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read_write> previous: array<vec4<f32>>; // (N, C/4, H, W)
@group(0) @binding(3) var<storage, read> x0: array<vec4<f32>>; // (N, C/4, H, W)
//: if REPLAYED
alias z_t = vec4<${z_scalar}>;
@group(0) @binding(4) var<storage, read> z: array<z_t>; // (N, C/4, H, W)
//: endif

@compute @workgroup_size(16, 4, 1)
fn sampler_update(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let blocks = (CHANNELS + 3u) / 4u;
    let block = id.z % blocks;
    let n = id.z / blocks;
    let position = (block * dims.height + id.y) * dims.width + id.x;
    let at = dims.x_offset + n * dims.x_batch + position;
    let at_previous = dims.previous_offset + n * dims.previous_batch + position;

    let estimate = x0[dims.x0_offset + n * dims.x0_batch + position];
    var next = record.from_x * x[at] + record.from_x0 * estimate;
    if record.from_previous_x0 != 0.0 {
        next += record.from_previous_x0 * previous[at_previous];
    }
    if record.sigma != 0.0 {
        //: if REPLAYED
        next += record.sigma * vec4<f32>(z[dims.z_offset + n * dims.z_batch + position]);
        //: else
        let place = record.places[n];
        let p = place.origin + id.xy;
        let drawn = normal4(record.seed, p.x, p.y, place.sample, record.noise_step, block);
        next += record.sigma * existing(drawn, block, CHANNELS);
        //: endif
    }
    x[at] = next;
    previous[at_previous] = estimate;
}
