// conv_transpose2d: transposed convolution that enlarges by s,
// torch.nn.ConvTranspose2d with kernel 2s, stride s, padding p = s / 2.
//
//   y[n, o, i, j] = bias[o] + sum over c and the 2 x 2 pixels (a, b) with
//       0 <= i + p - s*a < 2s, 0 <= j + p - s*b < 2s of
//       x[n, c, a, b] * w[c, o, i + p - s*a, j + p - s*b]
//
// Output pixels of one phase (i mod s, j mod s) all use the same 2 x 2 taps of
// the kernel, so an invocation makes pixels of one phase only.
//
// Layout: x and y are (N, C/4, H, W) of vec4. The weights are tiled by the
// executor to (s*s phases, O/8, C/4, 2 rows, 2 columns, 4 input channels,
// 2 output blocks) of vec4 over output channels; row and column 0 are the
// pixel above and to the left.
//
// Dispatch: a register tile of 4 pixels of one phase in x (s apart) by 8
// output channels; workgroups of 8 x 8 invocations;
// grid (ceil(w / 32), ceil(h / 8), N * s * s * ceil(O / 8)), w and h of x, or
// some of its rows; z by the workgroup, as in conv2d.wgsl.
// Needs: include/conv_tile.wgsl.

override STRIDE: u32 = 2u; // s
override IN_BLOCKS: u32 = 1u; // C / 4
override OUT_BLOCKS: u32 = 1u; // O / 4

struct Dims {
    in_height: u32,
    in_width: u32,
    x_offset: u32,
    x_batch: u32,
    y_offset: u32,
    y_batch: u32,
    first_row: u32, // of x, of the dispatch: large ones are split
    padding: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, h, w)
@group(0) @binding(2) var<storage, read> w: array<w_t>; // (s*s, O/8, C/4, 2, 2, 4, 2)
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (O/4, rounded up to even)
@group(0) @binding(4) var<storage, read_write> y: array<y_t>; // (N, O/4, s*h, s*w)

// The pixel in column b of the row that starts at `row`; zero beyond the border.
fn pixel(row: u32, b: i32, inside: bool) -> vec4<f32> {
    let width = i32(dims.in_width);
    let v = vec4<f32>(x[row + u32(clamp(b, 0, width - 1))]);
    return select(vec4<f32>(0.0), v, inside && b >= 0 && b < width);
}

fn put(index: u32, v: vec4<f32>) {
    y[index] = y_t(v);
}

@compute @workgroup_size(8, 8, 1)
fn conv_transpose2d(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) workgroup: vec3<u32>,
) {
    let left = id.x * 4u;
    let i = id.y + dims.first_row;
    if left >= dims.in_width || i >= dims.in_height {
        return;
    }
    let pairs = (OUT_BLOCKS + 1u) / 2u;
    let pair = workgroup.z % pairs;
    let phase = (workgroup.z / pairs) % (STRIDE * STRIDE);
    let n = workgroup.z / (pairs * STRIDE * STRIDE);
    let phase_i = phase / STRIDE;
    let phase_j = phase % STRIDE;
    let plane = dims.in_height * dims.in_width;

    let bias_a = bias[2u * pair];
    let bias_b = bias[2u * pair + 1u];
    var a0 = bias_a; var a1 = bias_a; var a2 = bias_a; var a3 = bias_a;
    var b0 = bias_b; var b1 = bias_b; var b2 = bias_b; var b3 = bias_b;

    // The lower right of the 2 x 2 pixels is (i + p) / s, with i = s * q + phase.
    let top = i32(i + (phase_i + STRIDE / 2u) / STRIDE) - 1;
    let j = i32(left + (phase_j + STRIDE / 2u) / STRIDE) - 1;
    var k = (phase * pairs + pair) * IN_BLOCKS * 32u;
    var block = dims.x_offset + n * dims.x_batch;
    for (var c = 0u; c < IN_BLOCKS; c++) {
        for (var u = 0; u < 2; u++) {
            let height = i32(dims.in_height);
            let inside = top + u >= 0 && top + u < height;
            let row = block + u32(clamp(top + u, 0, height - 1)) * dims.in_width;
            let x0 = pixel(row, j, inside);
            let x1 = pixel(row, j + 1, inside);
            let x2 = pixel(row, j + 2, inside);
            let x3 = pixel(row, j + 3, inside);
            let x4 = pixel(row, j + 4, inside);
            {
                let p0 = weight(k + 0u);
                let p1 = weight(k + 2u);
                let p2 = weight(k + 4u);
                let p3 = weight(k + 6u);
                let q0 = weight(k + 1u);
                let q1 = weight(k + 3u);
                let q2 = weight(k + 5u);
                let q3 = weight(k + 7u);
                a0 = mac(a0, x0, p0, p1, p2, p3);
                a1 = mac(a1, x1, p0, p1, p2, p3);
                a2 = mac(a2, x2, p0, p1, p2, p3);
                a3 = mac(a3, x3, p0, p1, p2, p3);
                b0 = mac(b0, x0, q0, q1, q2, q3);
                b1 = mac(b1, x1, q0, q1, q2, q3);
                b2 = mac(b2, x2, q0, q1, q2, q3);
                b3 = mac(b3, x3, q0, q1, q2, q3);
            }
            {
                let p0 = weight(k + 8u);
                let p1 = weight(k + 10u);
                let p2 = weight(k + 12u);
                let p3 = weight(k + 14u);
                let q0 = weight(k + 9u);
                let q1 = weight(k + 11u);
                let q2 = weight(k + 13u);
                let q3 = weight(k + 15u);
                a0 = mac(a0, x1, p0, p1, p2, p3);
                a1 = mac(a1, x2, p0, p1, p2, p3);
                a2 = mac(a2, x3, p0, p1, p2, p3);
                a3 = mac(a3, x4, p0, p1, p2, p3);
                b0 = mac(b0, x1, q0, q1, q2, q3);
                b1 = mac(b1, x2, q0, q1, q2, q3);
                b2 = mac(b2, x3, q0, q1, q2, q3);
                b3 = mac(b3, x4, q0, q1, q2, q3);
            }
            k += 16u;
        }
        block += plane;
    }

    let out_width = dims.in_width * STRIDE;
    let out_plane = plane * STRIDE * STRIDE;
    let pixel_index = (i * STRIDE + phase_i) * out_width + left * STRIDE + phase_j;
    let base = dims.y_offset + n * dims.y_batch + 2u * pair * out_plane + pixel_index;
    let count = dims.in_width - left;
    put(base, a0);
    if count > 1u { put(base + STRIDE, a1); }
    if count > 2u { put(base + 2u * STRIDE, a2); }
    if count > 3u { put(base + 3u * STRIDE, a3); }
    if 2u * pair + 1u < OUT_BLOCKS {
        let next = base + out_plane;
        put(next, b0);
        if count > 1u { put(next + STRIDE, b1); }
        if count > 2u { put(next + 2u * STRIDE, b2); }
        if count > 3u { put(next + 3u * STRIDE, b3); }
    }
}
