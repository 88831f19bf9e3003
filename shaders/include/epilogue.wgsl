// What a kernel does to its result v before storing it (twin: ops::Epilogue):
//
//   y = scale * activation(v) + shift + table[row, c]
//       + residual_scale_0 * residual_0 + residual_scale_1 * residual_1
//
// Arrays are (N, C/4, H, W) of vec4; an offset and a batch stride, in vec4,
// place a group of channels inside a larger array. Operands that a variant
// does not have are bound to a dummy and never read. Padding channels of y
// stay zero: everything added is zero there, and SHIFT is left out.
// Needs: include/activation.wgsl, include/step_record.wgsl.

override ACTIVATION: u32 = 0u; // 0 none, 1 LeakyReLU, 2 Mish
override SLOPE: f32 = 0.2;
override SCALE: f32 = 1.0;
override SHIFT: f32 = 0.0;
override Y_CHANNELS: u32 = 4u; // C
override TABLE: bool = false;
override RESIDUALS: u32 = 0u; // 0..2
override RESIDUAL_SCALE_0: f32 = 1.0;
override RESIDUAL_SCALE_1: f32 = 1.0;

struct EpilogueDims {
    y_offset: u32,
    y_batch: u32,
    residual_0_offset: u32,
    residual_0_batch: u32,
    residual_1_offset: u32,
    residual_1_batch: u32,
    table_blocks: u32, // channel blocks of a row
    padding: u32,
}

@group(0) @binding(4) var<storage, read> table: array<table_t>; // (rows, C/4)
@group(0) @binding(5) var<storage, read> residual_0: array<residual_0_t>; // (N, C/4, H, W)
@group(0) @binding(6) var<storage, read> residual_1: array<residual_1_t>; // (N, C/4, H, W)
@group(0) @binding(7) var<storage, read_write> y: array<y_t>; // (N, C/4, H, W)

// Applies the epilogue to v and stores it at sample n, channel block `block`;
// `position` is block * H * W + the pixel's index.
fn finish(e: EpilogueDims, v: vec4<f32>, n: u32, block: u32, position: u32) {
    var r = v;
    if ACTIVATION == 1u {
        r = leaky_relu(r, SLOPE);
    } else if ACTIVATION == 2u {
        r = mish(r);
    }
    r *= SCALE;
    if SHIFT != 0.0 {
        let c = 4u * block + vec4<u32>(0u, 1u, 2u, 3u);
        r += select(vec4<f32>(0.0), vec4<f32>(SHIFT), c < vec4<u32>(Y_CHANNELS));
    }
    if TABLE {
        r += vec4<f32>(table[record.table_row * e.table_blocks + block]);
    }
    if RESIDUALS > 0u {
        let i = e.residual_0_offset + n * e.residual_0_batch + position;
        r += RESIDUAL_SCALE_0 * vec4<f32>(residual_0[i]);
    }
    if RESIDUALS > 1u {
        let i = e.residual_1_offset + n * e.residual_1_batch + position;
        r += RESIDUAL_SCALE_1 * vec4<f32>(residual_1[i]);
    }
    y[e.y_offset + n * e.y_batch + position] = y_t(r);
}
