// What a kernel does to its result v before storing it (twin: ops::Epilogue):
//
//   y = scale * activation(v) + shift + table[row, c]
//       + residual_scale_0 * residual_0 + residual_scale_1 * residual_1
//
// Arrays are (N, C/4, H, W) of vec4; an offset and a batch stride, in vec4,
// place a group of channels inside a larger array. Each batch element has its
// own row of the table. Padding channels of y stay zero: everything added is
// zero there, and SHIFT is left out.
//
// Parameters: ACTIVATION 0 none, 1 LeakyReLU, 2 Mish; TABLE 0 or 1; RESIDUALS
// 0..2; the element types y_scalar, table_scalar, residual_0_scalar and
// residual_1_scalar.
// The kernel's struct `dims` includes epilogue_dims.wgsl.

//: if ACTIVATION > 0
//: include "include/activation.wgsl"
//: endif
//: if TABLE
//: include "include/step_record.wgsl"
//: endif

//: if ACTIVATION == 1
override SLOPE: f32 = 0.2;
//: endif
override SCALE: f32 = 1.0;
override SHIFT: f32 = 0.0;
override Y_CHANNELS: u32 = 4u; // C
//: for i in range(RESIDUALS)
override RESIDUAL_SCALE_${i}: f32 = 1.0;
//: endfor

//: if TABLE
alias table_t = vec4<${table_scalar}>;
@group(0) @binding(4) var<storage, read> table: array<table_t>; // (rows, C/4)
//: endif
//: if RESIDUALS > 0
alias residual_0_t = vec4<${residual_0_scalar}>;
@group(0) @binding(5) var<storage, read> residual_0: array<residual_0_t>; // (N, C/4, H, W)
//: endif
//: if RESIDUALS > 1
alias residual_1_t = vec4<${residual_1_scalar}>;
@group(0) @binding(6) var<storage, read> residual_1: array<residual_1_t>; // (N, C/4, H, W)
//: endif
//: set STORED = y_scalar
//: include "include/stored.wgsl"
alias y_t = vec4<${y_scalar}>;
@group(0) @binding(7) var<storage, read_write> y: array<y_t>; // (N, C/4, H, W)

// Applies the epilogue to v and stores it at sample n, channel block `block`;
// `position` is block * H * W + the pixel's index.
fn finish(v: vec4<f32>, n: u32, block: u32, position: u32) {
    var r = v;
    //: if ACTIVATION == 1
    r = leaky_relu(r, SLOPE);
    //: endif
    //: if ACTIVATION == 2
    r = mish(r);
    //: endif
    r *= SCALE;
    if SHIFT != 0.0 {
        let c = 4u * block + vec4<u32>(0u, 1u, 2u, 3u);
        r += select(vec4<f32>(0.0), vec4<f32>(SHIFT), c < vec4<u32>(Y_CHANNELS));
    }
    //: if TABLE
    let row = dims.table_offset + record.places[n].table_row * dims.table_batch;
    r += vec4<f32>(table[row + block]);
    //: endif
    //: for i in range(RESIDUALS)
    let at_${i} = dims.residual_${i}_offset + n * dims.residual_${i}_batch + position;
    r += RESIDUAL_SCALE_${i} * vec4<f32>(residual_${i}[at_${i}]);
    //: endfor
    y[dims.y_offset + n * dims.y_batch + position] = stored(r);
}
