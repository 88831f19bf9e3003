// Numbers that f16 cannot hold, made infinite: what a conversion makes of them
// is the driver's affair, and one that rounds toward zero makes 65504, which
// would pass for a result. From 65520 on, the nearest f16 is infinity.
// Infinities and NaN stay. By their bits, for a driver may take it for granted
// that there are no such numbers.
fn half_range(v: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(v);
    // From 65520 to infinity; less wraps around, NaN is more.
    let beyond = (bits & vec4<u32>(0x7fffffffu)) - vec4<u32>(0x477ff000u);
    let infinity = (bits & vec4<u32>(0x80000000u)) | vec4<u32>(0x7f800000u);
    return bitcast<vec4<f32>>(select(bits, infinity, beyond <= vec4<u32>(0x38001000u)));
}
