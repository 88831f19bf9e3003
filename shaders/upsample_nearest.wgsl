// upsample_nearest: every pixel repeated FACTOR x FACTOR times,
// torch.nn.functional.interpolate(mode='nearest').
//
// Layout: x is (N, C/4, h, w) of vec4, y (N, C/4, FACTOR*h, FACTOR*w).
// Dispatch: workgroups of 16 x 4 pixels of y, grid (ceil(W/16), ceil(H/4), N*C/4).
// Needs: include/elementwise.wgsl (height and width are y's).

override FACTOR: u32 = 2u;

@compute @workgroup_size(16, 4, 1)
fn upsample_nearest(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let block = id.z % dims.blocks;
    let n = id.z / dims.blocks;
    let row = block * (dims.height / FACTOR) + id.y / FACTOR;
    let source = dims.x_offset + n * dims.x_batch + row * (dims.width / FACTOR) + id.x / FACTOR;
    y[locate(id).y] = y_t(vec4<f32>(x[source]));
}
