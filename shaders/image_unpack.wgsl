// image_unpack: bytes to real numbers.
//
//   y[c, i, j] = byte_c * SCALE + SHIFT, c = R, G, B
//
// Layout: pixels is (N, H, W) of R, G, B, A from the lowest byte of a u32; y
// is (N, 1, H, W) of vec4, its fourth channel zero.
// Dispatch: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N).

override SCALE: f32 = 1.0;
override SHIFT: f32 = 0.0;

struct Dims {
    height: u32,
    width: u32,
    y_offset: u32,
    y_batch: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> pixels: array<u32>; // (N, H, W)
@group(0) @binding(2) var<storage, read_write> y: array<y_t>; // (N, 1, H, W)

@compute @workgroup_size(16, 4, 1)
fn image_unpack(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let p = id.y * dims.width + id.x;
    let rgba = pixels[id.z * dims.height * dims.width + p];
    let bytes = vec3<u32>(rgba & 255u, (rgba >> 8u) & 255u, (rgba >> 16u) & 255u);
    let v = vec3<f32>(bytes) * SCALE + SHIFT;
    y[dims.y_offset + id.z * dims.y_batch + p] = y_t(vec4<f32>(v, 0.0));
}
