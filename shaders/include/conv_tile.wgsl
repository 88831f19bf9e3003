// The inner products of a convolution's register tile, with the kernel's
// weights `w`.

fn weight(index: u32) -> vec4<f32> {
    return vec4<f32>(w[index]);
}

// One tap: adds to an accumulator the products of 4 input channels with the
// weights of 4 output channels.
fn mac(
    sum: vec4<f32>, v: vec4<f32>,
    w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>,
) -> vec4<f32> {
    return sum + w0 * v.x + w1 * v.y + w2 * v.z + w3 * v.w;
}
