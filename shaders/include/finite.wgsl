// Which of four numbers are NaN or infinite. Told by their bits, for a driver
// may take it for granted that arithmetic never makes such numbers.
fn not_finite(v: vec4<f32>) -> vec4<bool> {
    let exponent = vec4<u32>(0x7f800000u);
    return (bitcast<vec4<u32>>(v) & exponent) == exponent;
}
