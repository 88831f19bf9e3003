// convert: y = x, from one layout and element type to another.
//
// Layout: x and y are arrays of scalars, each in one of three layouts:
//   0  channels last:   (N, H, W, channels)
//   1  channel blocks:  (N, channels/4, H, W, 4), padded with zeros
//   2  channels first:  (N, channels, H, W)
// C channels are converted. They may lie inside a larger array, which has
// x_channels (y_channels) channels, from channel x_first (y_first) on, both
// with padding channels counted. In layout 1, y_first is a multiple of 4, and
// padding channels of the last block are set to zero.
// Dispatch: an invocation converts 4 channels of a pixel; workgroups of
// 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N * ceil(C/4)).
// Parameters: X_LAYOUT, Y_LAYOUT, x_scalar, y_scalar.

struct Dims {
    height: u32,
    width: u32,
    channels: u32, // C
    x_first: u32,
    x_channels: u32,
    y_first: u32,
    y_channels: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<${x_scalar}>; // (N, H, W, channels), blocks or planes
@group(0) @binding(2) var<storage, read_write> y: array<${y_scalar}>; // (N, H, W, channels), blocks or planes

//: if y_scalar == "f16"
//: include "include/half.wgsl"
//: endif
// The index of channel c, counted in the whole array, in each layout.
//: if X_LAYOUT == 0 or Y_LAYOUT == 0
fn index_0(n: u32, c: u32, pixel: vec2<u32>, channels: u32) -> u32 {
    return ((n * dims.height + pixel.y) * dims.width + pixel.x) * channels + c;
}

//: endif
//: if X_LAYOUT == 1 or Y_LAYOUT == 1
fn index_1(n: u32, c: u32, pixel: vec2<u32>, channels: u32) -> u32 {
    let block = n * ((channels + 3u) / 4u) + c / 4u;
    return ((block * dims.height + pixel.y) * dims.width + pixel.x) * 4u + c % 4u;
}

//: endif
//: if X_LAYOUT == 2 or Y_LAYOUT == 2
fn index_2(n: u32, c: u32, pixel: vec2<u32>, channels: u32) -> u32 {
    return ((n * channels + c) * dims.height + pixel.y) * dims.width + pixel.x;
}

//: endif
@compute @workgroup_size(16, 4, 1)
fn convert(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let blocks = (dims.channels + 3u) / 4u;
    let n = id.z / blocks;
    let first = 4u * (id.z % blocks);
    for (var c = first; c < first + 4u; c++) {
        if c < dims.channels {
            let source = index_${X_LAYOUT}(n, dims.x_first + c, id.xy, dims.x_channels);
            let target_index = index_${Y_LAYOUT}(n, dims.y_first + c, id.xy, dims.y_channels);
            //: if y_scalar == "f16"
            y[target_index] = f16(half_range(vec4<f32>(f32(x[source]))).x);
            //: else
            y[target_index] = ${y_scalar}(x[source]);
            //: endif
        }
        //: if Y_LAYOUT == 1
        else {
            y[index_1(n, dims.y_first + c, id.xy, dims.y_channels)] = ${y_scalar}(0.0);
        }
        //: endif
    }
}
