// copy: y = x.
//
// Layout: x and y are (N, C/4, H, W) of vec4.
// Dispatch: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*C/4).
// Needs: include/elementwise.wgsl.

@compute @workgroup_size(16, 4, 1)
fn copy(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let at = locate(id);
    y[at.y] = y_t(vec4<f32>(x[at.x]));
}
