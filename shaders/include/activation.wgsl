// Pointwise functions on four channels at once.

// Mish: v * tanh(ln(1 + exp(v))), torch.nn.Mish.
// With e = exp(v) and n = e * (e + 2), tanh(ln(1 + e)) = n / (n + 2): no tanh,
// whose large arguments are NaN under some drivers' fast math. Above 20 the
// quotient is 1 in f32, so the argument of exp is held there.
fn mish(v: vec4<f32>) -> vec4<f32> {
    let e = exp(min(v, vec4<f32>(20.0)));
    let n = e * (e + 2.0);
    return v * (n / (n + 2.0));
}

// LeakyReLU: max(v, slope * v) for slope in 0..1, torch.nn.LeakyReLU.
fn leaky_relu(v: vec4<f32>, slope: f32) -> vec4<f32> {
    return max(v, slope * v);
}
