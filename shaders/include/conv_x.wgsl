// The operand x of a convolution, which a dense block's finds in y.

//: if not IN_PLACE
alias x_t = vec4<${x_scalar}>;
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
//: endif

fn load(index: u32) -> vec4<f32> {
    //: if IN_PLACE
    return vec4<f32>(y[index]);
    //: else
    return vec4<f32>(x[index]);
    //: endif
}
