// What is stored: a result in the type of the array it goes to, STORED.
//: if STORED == "f16"
//: include "include/half.wgsl"

fn stored(v: vec4<f32>) -> vec4<f16> {
    return vec4<f16>(half_range(v));
}
//: else

fn stored(v: vec4<f32>) -> vec4<f32> {
    return v;
}
//: endif
