// sampler_update: one reverse diffusion step, for every sampler. The
// coefficients of the running step make it DDPM (Ho et al. 2020), DDIM (Song
// et al. 2021) or DPM-Solver++(2M) (Lu et al. 2022).
//
//   x0' = clamp(x0_from_x * x - x0_from_eps * eps, -clip, clip)
//   x'  = from_x * x + from_x0 * x0' + from_previous_x0 * x0 + sigma * z
//
// z is made here (include/normal.wgsl), or read where REPLAYED.
//
// Layout: x, x0, eps, z are (N, C/4, H, W) of vec4 in f32; x and x0 are
// updated in place.
// Dispatch: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*C/4).
// Needs: include/step_record.wgsl, include/normal.wgsl, include/finite.wgsl.

override CHANNELS: u32 = 3u; // C
override REPLAYED: bool = false;

struct Dims {
    height: u32,
    width: u32,
    x_offset: u32,
    x_batch: u32,
    x0_offset: u32,
    x0_batch: u32,
    eps_offset: u32,
    eps_batch: u32,
    z_offset: u32,
    z_batch: u32,
    padding_0: u32,
    padding_1: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read_write> x0: array<vec4<f32>>; // (N, C/4, H, W)
@group(0) @binding(3) var<storage, read> eps: array<eps_t>; // (N, C/4, H, W)
@group(0) @binding(4) var<storage, read> z: array<z_t>; // (N, C/4, H, W)

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
    let at_x0 = dims.x0_offset + n * dims.x0_batch + position;

    let old = x[at];
    let previous = x0[at_x0];
    let noise = vec4<f32>(eps[dims.eps_offset + n * dims.eps_batch + position]);
    let estimate = record.x0_from_x * old - record.x0_from_eps * noise;
    let bound = vec4<f32>(record.clip);
    // NaN stays, for the host to see: clamped, it would pass for a number.
    let clipped = select(
        clamp(estimate, -bound, bound), estimate, not_finite(noise) | not_finite(old));
    // Whatever corrects the estimate of x0 belongs here.
    var next = record.from_x * old + record.from_x0 * clipped + record.from_previous_x0 * previous;
    if record.sigma != 0.0 {
        if REPLAYED {
            next += record.sigma * vec4<f32>(z[dims.z_offset + n * dims.z_batch + position]);
        } else {
            let place = record.places[n];
            let p = place.origin + id.xy;
            let drawn = normal4(record.seed, p.x, p.y, place.sample, record.noise_step, block);
            next += record.sigma * existing(drawn, block, CHANNELS);
        }
    }
    x[at] = next;
    x0[at_x0] = clipped;
}
