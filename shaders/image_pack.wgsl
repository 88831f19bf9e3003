// image_pack: real numbers in [-1, 1] to bytes.
//
//   byte_c = floor(clamp((x[c, i, j] + 1) * 127.5, 0, 255) + 0.5)
//   alpha  = 255, or 0 where an x[c, i, j] is NaN or infinite
//
// Layout: x is (N, 1, H, W) of vec4; pixels is (N, H, W) of R, G, B, A from
// the lowest byte of a u32.
// Dispatch: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N).
// Needs: include/finite.wgsl.

struct Dims {
    height: u32,
    width: u32,
    x_offset: u32,
    x_batch: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, 1, H, W)
@group(0) @binding(2) var<storage, read_write> pixels: array<u32>; // (N, H, W)

@compute @workgroup_size(16, 4, 1)
fn image_pack(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let p = id.y * dims.width + id.x;
    let v = vec4<f32>(x[dims.x_offset + id.z * dims.x_batch + p]);
    let level = clamp((v + 1.0) * 127.5, vec4<f32>(0.0), vec4<f32>(255.0));
    let bytes = vec4<u32>(level + 0.5);
    let alpha = select(255u, 0u, any(not_finite(v)));
    let rgba = bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (alpha << 24u);
    pixels[id.z * dims.height * dims.width + p] = rgba;
}
