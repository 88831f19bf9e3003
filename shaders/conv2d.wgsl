// conv2d: two-dimensional convolution, torch.nn.Conv2d.
//
//   y[n, o, i, j] = epilogue(bias[o]
//       + sum over c, u, v of w[o, c, u, v] * x[n, c, s*i + u - p, s*j + v - p])
//
// kernel k x k, stride s, padding p = (k - 1) / 2 by zeros or by reflection.
//
// Layout: x and y are (N, C/4, H, W) of vec4, channels padded with zeros. The
// weights are tiled by the executor to (O/8, C/4, k*k, 4 input channels,
// 2 output blocks) of vec4 over output channels, so that a tile reads them in
// one run and neighbouring invocations read the same ones.
//
// Dispatch: an invocation makes a register tile of 4 pixels in y by 8 output
// channels, so that its neighbours in x load the pixels beside its own;
// workgroups of 8 x 8 invocations cover 8 x 32 pixels;
// grid (ceil(W / 8), ceil(H / 32), N * ceil(O / 8)), W and H of y, or some of
// its rows. z comes from the workgroup's index, for compilers to see that an
// invocation's neighbours read the same weights.
//
// Entry points: conv3x3 (s = 1), conv3x3_stride2 (s = 2), conv1x1 (s = 1).
// Needs: include/epilogue.wgsl, include/conv_tile.wgsl.

override IN_BLOCKS: u32 = 1u; // C / 4
override OUT_BLOCKS: u32 = 1u; // O / 4
override REFLECT: bool = false; // padding: zeros or reflection
// A dense block's convolution extends the array that it reads: x and y are
// then one buffer, which may only be bound once, as y.
override IN_PLACE: bool = false;

struct Dims {
    in_height: u32,
    in_width: u32,
    out_height: u32,
    out_width: u32,
    x_offset: u32,
    x_batch: u32,
    first_row: u32, // of the dispatch: large ones are split
    padding: u32,
    epilogue: EpilogueDims,
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read> w: array<w_t>; // (O/8, C/4, k*k, 4, 2)
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (O/4, rounded up to even)

// The pixel that stands at coordinate i of an axis of n pixels.
fn border(i: i32, n: i32) -> i32 {
    if REFLECT {
        let mirrored = select(i, -i, i < 0);
        // The last tile of a column reaches past the mirror; its results there
        // are not stored, so any pixel will do.
        return clamp(select(mirrored, 2 * n - 2 - mirrored, mirrored >= n), 0, n - 1);
    }
    return clamp(i, 0, n - 1);
}

fn load(index: u32) -> vec4<f32> {
    if IN_PLACE {
        return vec4<f32>(y[index]);
    }
    return vec4<f32>(x[index]);
}

// The pixel in row i of the column that starts at `column` in the plane's
// first row; zero beyond the border unless it reflects. `inside` says whether
// the column itself is inside.
fn pixel(column: u32, i: i32, inside: bool) -> vec4<f32> {
    let height = i32(dims.in_height);
    let v = load(column + u32(border(i, height)) * dims.in_width);
    if REFLECT {
        return v;
    }
    return select(vec4<f32>(0.0), v, inside && i >= 0 && i < height);
}

// Stores the tile: pixels top..top + 4 of column j, output blocks 2 * pair and
// 2 * pair + 1.
fn store(
    n: u32, pair: u32, top: u32, j: u32,
    a0: vec4<f32>, a1: vec4<f32>, a2: vec4<f32>, a3: vec4<f32>,
    b0: vec4<f32>, b1: vec4<f32>, b2: vec4<f32>, b3: vec4<f32>,
) {
    let plane = dims.out_height * dims.out_width;
    let block = 2u * pair;
    let width = dims.out_width;
    let position = block * plane + top * width + j;
    let count = dims.out_height - top;
    let e = dims.epilogue;
    finish(e, a0, n, block, position);
    if count > 1u { finish(e, a1, n, block, position + width); }
    if count > 2u { finish(e, a2, n, block, position + 2u * width); }
    if count > 3u { finish(e, a3, n, block, position + 3u * width); }
    if block + 1u < OUT_BLOCKS {
        let next = position + plane;
        finish(e, b0, n, block + 1u, next);
        if count > 1u { finish(e, b1, n, block + 1u, next + width); }
        if count > 2u { finish(e, b2, n, block + 1u, next + 2u * width); }
        if count > 3u { finish(e, b3, n, block + 1u, next + 3u * width); }
    }
}

@compute @workgroup_size(8, 8, 1)
fn conv3x3(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) workgroup: vec3<u32>,
) {
    let j = id.x;
    let top = id.y * 4u + dims.first_row;
    if j >= dims.out_width || top >= dims.out_height {
        return;
    }
    let pairs = (OUT_BLOCKS + 1u) / 2u;
    let pair = workgroup.z % pairs;
    let n = workgroup.z / pairs;
    let plane = dims.in_height * dims.in_width;

    let bias_a = bias[2u * pair];
    let bias_b = bias[2u * pair + 1u];
    var a0 = bias_a; var a1 = bias_a; var a2 = bias_a; var a3 = bias_a;
    var b0 = bias_b; var b1 = bias_b; var b2 = bias_b; var b3 = bias_b;

    var k = pair * IN_BLOCKS * 72u;
    var block = dims.x_offset + n * dims.x_batch;
    let width = i32(dims.in_width);
    let first = i32(top) - 1;
    let left = i32(j) - 1;
    for (var c = 0u; c < IN_BLOCKS; c++) {
        for (var v = 0; v < 3; v++) {
            let inside = left + v >= 0 && left + v < width;
            let column = block + u32(border(left + v, width));
            let t = k + 8u * u32(v);
            let x0 = pixel(column, first, inside);
            let x1 = pixel(column, first + 1, inside);
            let x2 = pixel(column, first + 2, inside);
            let x3 = pixel(column, first + 3, inside);
            let x4 = pixel(column, first + 4, inside);
            let x5 = pixel(column, first + 5, inside);
            {
                let p0 = weight(t + 0u);
                let p1 = weight(t + 2u);
                let p2 = weight(t + 4u);
                let p3 = weight(t + 6u);
                let q0 = weight(t + 1u);
                let q1 = weight(t + 3u);
                let q2 = weight(t + 5u);
                let q3 = weight(t + 7u);
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
                let p0 = weight(t + 24u);
                let p1 = weight(t + 26u);
                let p2 = weight(t + 28u);
                let p3 = weight(t + 30u);
                let q0 = weight(t + 25u);
                let q1 = weight(t + 27u);
                let q2 = weight(t + 29u);
                let q3 = weight(t + 31u);
                a0 = mac(a0, x1, p0, p1, p2, p3);
                a1 = mac(a1, x2, p0, p1, p2, p3);
                a2 = mac(a2, x3, p0, p1, p2, p3);
                a3 = mac(a3, x4, p0, p1, p2, p3);
                b0 = mac(b0, x1, q0, q1, q2, q3);
                b1 = mac(b1, x2, q0, q1, q2, q3);
                b2 = mac(b2, x3, q0, q1, q2, q3);
                b3 = mac(b3, x4, q0, q1, q2, q3);
            }
            {
                let p0 = weight(t + 48u);
                let p1 = weight(t + 50u);
                let p2 = weight(t + 52u);
                let p3 = weight(t + 54u);
                let q0 = weight(t + 49u);
                let q1 = weight(t + 51u);
                let q2 = weight(t + 53u);
                let q3 = weight(t + 55u);
                a0 = mac(a0, x2, p0, p1, p2, p3);
                a1 = mac(a1, x3, p0, p1, p2, p3);
                a2 = mac(a2, x4, p0, p1, p2, p3);
                a3 = mac(a3, x5, p0, p1, p2, p3);
                b0 = mac(b0, x2, q0, q1, q2, q3);
                b1 = mac(b1, x3, q0, q1, q2, q3);
                b2 = mac(b2, x4, q0, q1, q2, q3);
                b3 = mac(b3, x5, q0, q1, q2, q3);
            }
        }
        k += 72u;
        block += plane;
    }
    store(n, pair, top, j, a0, a1, a2, a3, b0, b1, b2, b3);
}

@compute @workgroup_size(8, 8, 1)
fn conv3x3_stride2(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) workgroup: vec3<u32>,
) {
    let j = id.x;
    let top = id.y * 4u + dims.first_row;
    if j >= dims.out_width || top >= dims.out_height {
        return;
    }
    let pairs = (OUT_BLOCKS + 1u) / 2u;
    let pair = workgroup.z % pairs;
    let n = workgroup.z / pairs;
    let plane = dims.in_height * dims.in_width;

    let bias_a = bias[2u * pair];
    let bias_b = bias[2u * pair + 1u];
    var a0 = bias_a; var a1 = bias_a; var a2 = bias_a; var a3 = bias_a;
    var b0 = bias_b; var b1 = bias_b; var b2 = bias_b; var b3 = bias_b;

    var k = pair * IN_BLOCKS * 72u;
    var block = dims.x_offset + n * dims.x_batch;
    let width = i32(dims.in_width);
    let first = i32(2u * top) - 1;
    let left = i32(2u * j) - 1;
    for (var c = 0u; c < IN_BLOCKS; c++) {
        for (var v = 0; v < 3; v++) {
            let inside = left + v >= 0 && left + v < width;
            let column = block + u32(border(left + v, width));
            let t = k + 8u * u32(v);
            let x0 = pixel(column, first, inside);
            let x1 = pixel(column, first + 1, inside);
            let x2 = pixel(column, first + 2, inside);
            let x3 = pixel(column, first + 3, inside);
            let x4 = pixel(column, first + 4, inside);
            let x5 = pixel(column, first + 5, inside);
            let x6 = pixel(column, first + 6, inside);
            let x7 = pixel(column, first + 7, inside);
            let x8 = pixel(column, first + 8, inside);
            {
                let p0 = weight(t + 0u);
                let p1 = weight(t + 2u);
                let p2 = weight(t + 4u);
                let p3 = weight(t + 6u);
                let q0 = weight(t + 1u);
                let q1 = weight(t + 3u);
                let q2 = weight(t + 5u);
                let q3 = weight(t + 7u);
                a0 = mac(a0, x0, p0, p1, p2, p3);
                a1 = mac(a1, x2, p0, p1, p2, p3);
                a2 = mac(a2, x4, p0, p1, p2, p3);
                a3 = mac(a3, x6, p0, p1, p2, p3);
                b0 = mac(b0, x0, q0, q1, q2, q3);
                b1 = mac(b1, x2, q0, q1, q2, q3);
                b2 = mac(b2, x4, q0, q1, q2, q3);
                b3 = mac(b3, x6, q0, q1, q2, q3);
            }
            {
                let p0 = weight(t + 24u);
                let p1 = weight(t + 26u);
                let p2 = weight(t + 28u);
                let p3 = weight(t + 30u);
                let q0 = weight(t + 25u);
                let q1 = weight(t + 27u);
                let q2 = weight(t + 29u);
                let q3 = weight(t + 31u);
                a0 = mac(a0, x1, p0, p1, p2, p3);
                a1 = mac(a1, x3, p0, p1, p2, p3);
                a2 = mac(a2, x5, p0, p1, p2, p3);
                a3 = mac(a3, x7, p0, p1, p2, p3);
                b0 = mac(b0, x1, q0, q1, q2, q3);
                b1 = mac(b1, x3, q0, q1, q2, q3);
                b2 = mac(b2, x5, q0, q1, q2, q3);
                b3 = mac(b3, x7, q0, q1, q2, q3);
            }
            {
                let p0 = weight(t + 48u);
                let p1 = weight(t + 50u);
                let p2 = weight(t + 52u);
                let p3 = weight(t + 54u);
                let q0 = weight(t + 49u);
                let q1 = weight(t + 51u);
                let q2 = weight(t + 53u);
                let q3 = weight(t + 55u);
                a0 = mac(a0, x2, p0, p1, p2, p3);
                a1 = mac(a1, x4, p0, p1, p2, p3);
                a2 = mac(a2, x6, p0, p1, p2, p3);
                a3 = mac(a3, x8, p0, p1, p2, p3);
                b0 = mac(b0, x2, q0, q1, q2, q3);
                b1 = mac(b1, x4, q0, q1, q2, q3);
                b2 = mac(b2, x6, q0, q1, q2, q3);
                b3 = mac(b3, x8, q0, q1, q2, q3);
            }
        }
        k += 72u;
        block += plane;
    }
    store(n, pair, top, j, a0, a1, a2, a3, b0, b1, b2, b3);
}

@compute @workgroup_size(8, 8, 1)
fn conv1x1(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) workgroup: vec3<u32>,
) {
    let j = id.x;
    let top = id.y * 4u + dims.first_row;
    if j >= dims.out_width || top >= dims.out_height {
        return;
    }
    let pairs = (OUT_BLOCKS + 1u) / 2u;
    let pair = workgroup.z % pairs;
    let n = workgroup.z / pairs;
    let plane = dims.in_height * dims.in_width;

    let bias_a = bias[2u * pair];
    let bias_b = bias[2u * pair + 1u];
    var a0 = bias_a; var a1 = bias_a; var a2 = bias_a; var a3 = bias_a;
    var b0 = bias_b; var b1 = bias_b; var b2 = bias_b; var b3 = bias_b;

    var k = pair * IN_BLOCKS * 8u;
    var column = dims.x_offset + n * dims.x_batch + j;
    let width = dims.in_width;
    let last = dims.in_height - 1u;
    for (var c = 0u; c < IN_BLOCKS; c++) {
        let x0 = load(column + top * width);
        let x1 = load(column + min(top + 1u, last) * width);
        let x2 = load(column + min(top + 2u, last) * width);
        let x3 = load(column + min(top + 3u, last) * width);
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
        k += 8u;
        column += plane;
    }
    store(n, pair, top, j, a0, a1, a2, a3, b0, b1, b2, b3);
}
