// conv_transpose2d_gemm: the transposed convolution of conv_transpose2d.wgsl as
// s * s convolutions of 2 x 2 taps, each one matrix product whose left factor is
// gathered from x as it is needed (implicit GEMM).
//
//   y[n, o, s*i + f, s*j + g] = bias[o] + sum over k of a[m, k] * w[f, g, k, o]
//
// m counts the pixels (n, i, j) of x of all samples, k input channels and the
// 2 x 2 pixels that phase (f, g) sees there.
//
// Layout: x and y are (N, C/4, H, W) of vec4, channels padded with zeros. The
// weights are (s row offsets, s column offsets, C/4, 2 row taps, 2 column taps,
// 4 input channels, O/4) of vec4 over output channels; which offset and tap a
// phase and pixel use is in conv_transpose2d.wgsl.
//
// Dispatch: as conv2d_gemm.wgsl, pixels being those of x; workgroups of all
// phases that see the same pixels are neighbours:
// grid (s * s * ceil(O / (4*TILE_BLOCKS)), ceil(N*h*w / TILE_PIXELS), 1), h and
// w of x, or some of its tiles of pixels.
//
// Parameters: x_scalar, w_scalar, y_scalar, ALIGNED (as in conv2d_gemm.wgsl),
// those of gemm_tile.wgsl.

override STRIDE: u32 = 2u; // s
override IN_BLOCKS: u32 = 1u; // C / 4
override OUT_BLOCKS: u32 = 1u; // O / 4

struct Dims {
    in_height: u32,
    in_width: u32,
    pixels: u32, // N * h * w of x
    x_offset: u32,
    x_batch: u32,
    y_offset: u32,
    y_batch: u32,
    first_tile: u32, // of pixels, of the dispatch: large ones are split
}

alias x_t = vec4<${x_scalar}>;
alias w_t = vec4<${w_scalar}>;
//: set STORED = y_scalar
//: include "include/stored.wgsl"
alias y_t = vec4<${y_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, h, w)
@group(0) @binding(2) var<storage, read> w: array<w_t>; // (s, s, C/4, 2, 2, 4, O/4)
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (O/4)
@group(0) @binding(4) var<storage, read_write> y: array<y_t>; // (N, O/4, s*h, s*w)

//: include "include/gemm_tile.wgsl"

//: set INVOCATIONS = TILE_PIXELS // EACH_PIXELS * (TILE_BLOCKS // EACH_BLOCKS)
//: set STAGED_A = TILE_DEPTH * TILE_PIXELS // INVOCATIONS
//: set WEIGHTS = TILE_DEPTH * 4 * TILE_BLOCKS
//: set STAGED_W = (WEIGHTS + INVOCATIONS - 1) // INVOCATIONS
// Invocation l stages pixels l % TILE_PIXELS + INVOCATIONS * d, d < GATHERED.
//: set GATHERED = [1, TILE_PIXELS // INVOCATIONS] | max
@compute @workgroup_size(${INVOCATIONS}, 1, 1)
fn conv_transpose2d_gemm(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tiles = (OUT_BLOCKS + ${TILE_BLOCKS - 1}u) / ${TILE_BLOCKS}u;
    let first_block = workgroup.x % tiles * ${TILE_BLOCKS}u;
    let phase_i = workgroup.x / tiles / STRIDE;
    let phase_j = workgroup.x / tiles % STRIDE;
    let first_pixel = (workgroup.y + dims.first_tile) * ${TILE_PIXELS}u;
    let height = i32(dims.in_height);
    let width = i32(dims.in_width);
    let plane = dims.in_height * dims.in_width;

    // The lower right of the 2 x 2 pixels is (i + p) / s, with i = s * q + phase.
    let beyond_i = phase_i + STRIDE / 2u;
    let beyond_j = phase_j + STRIDE / 2u;
    let offsets = beyond_i % STRIDE * STRIDE + beyond_j % STRIDE;
    // What this invocation stages: from_d begins the plane of its pixel d in
    // its first block, (i_d, j_d) is the lower right pixel there, w_from_i its
    // weight i.
    //: for d in range(GATHERED)
    //: if ALIGNED
    let m_${d} = first_pixel + local % ${TILE_PIXELS}u + ${d * INVOCATIONS}u;
    //: else
    let m_${d} = min(first_pixel + local % ${TILE_PIXELS}u + ${d * INVOCATIONS}u, dims.pixels - 1u);
    //: endif
    let sample_${d} = dims.x_offset + m_${d} / plane * dims.x_batch;
    let from_${d} = sample_${d} + local / ${TILE_PIXELS}u * plane;
    let i_${d} = i32(m_${d} % plane / dims.in_width + beyond_i / STRIDE);
    let j_${d} = i32(m_${d} % plane % dims.in_width + beyond_j / STRIDE);
    //: endfor
    let w_plane = offsets * IN_BLOCKS * 16u * OUT_BLOCKS;
    //: for i in range(STAGED_W)
    let w_slot_${i} = min(local + ${i * INVOCATIONS}u, ${WEIGHTS - 1}u);
    let w_row_${i} = w_slot_${i} / ${TILE_BLOCKS}u;
    //: if ALIGNED
    let w_block_${i} = first_block + w_slot_${i} % ${TILE_BLOCKS}u;
    //: else
    let w_block_${i} = min(first_block + w_slot_${i} % ${TILE_BLOCKS}u, OUT_BLOCKS - 1u);
    //: endif
    //: endfor
    //: for i in range(STAGED_A)
    var next_a_${i} = vec4<f32>(0.0);
    //: endfor
    //: for i in range(STAGED_W)
    var next_w_${i} = vec4<f32>(0.0);
    //: endfor

    let pixel = local % ${TILE_PIXELS // EACH_PIXELS}u;
    let block = local / ${TILE_PIXELS // EACH_PIXELS}u;
    // sum_b_r: output block b of this invocation at its pixel r.
    //: for b in range(EACH_BLOCKS)
    let block_${b} = first_block + block + ${b * (TILE_BLOCKS // EACH_BLOCKS)}u;
    //: if ALIGNED
    let bias_${b} = bias[block_${b}];
    //: else
    let bias_${b} = bias[min(block_${b}, OUT_BLOCKS - 1u)];
    //: endif
    //: for r in range(EACH_PIXELS)
    var sum_${b}_${r} = bias_${b};
    //: endfor
    //: endfor

    // A stage, a tap of 4 * TILE_DEPTH input channels, is loaded while the one
    // before is multiplied.
    let stages = (IN_BLOCKS + ${TILE_DEPTH - 1}u) / ${TILE_DEPTH}u * 4u;
    for (var stage = 0u; stage <= stages; stage++) {
        if stage > 0u {
            workgroupBarrier();
            //: for i in range(STAGED_A)
            a_tile[local + ${i * INVOCATIONS}u] = next_a_${i};
            //: endfor
            //: for i in range(STAGED_W)
            //: if (i + 1) * INVOCATIONS > WEIGHTS
            if local + ${i * INVOCATIONS}u < ${WEIGHTS}u { w_tile[w_slot_${i}] = next_w_${i}; }
            //: else
            w_tile[w_slot_${i}] = next_w_${i};
            //: endif
            //: endfor
            workgroupBarrier();
        }
        if stage < stages {
            let c = stage / 4u * ${TILE_DEPTH}u;
            // The tap's pixel, so many rows above and columns before the last.
            let u = i32(stage % 4u / 2u);
            let v = i32(stage % 2u);
            //: for d in range(GATHERED)
            let row_${d} = i_${d} - u;
            let column_${d} = j_${d} - v;
            let inside_${d} = row_${d} >= 0 && row_${d} < height && column_${d} >= 0 && column_${d} < width;
            let held_${d} = clamp(row_${d}, 0, height - 1) * width + clamp(column_${d}, 0, width - 1);
            let at_${d} = from_${d} + u32(held_${d});
            //: endfor
            //: for i in range(STAGED_A)
            {
                // Block of the stage, beyond the invocation's first.
                //: set BLOCK = i // GATHERED * ([1, INVOCATIONS // TILE_PIXELS] | max)
                //: set D = i % GATHERED
                //: if ALIGNED
                let v = vec4<f32>(x[at_${D} + (c + ${BLOCK}u) * plane]);
                next_a_${i} = select(vec4<f32>(0.0), v, inside_${D});
                //: else
                let own = local / ${TILE_PIXELS}u;
                let exists = c + own + ${BLOCK}u < IN_BLOCKS;
                let v = vec4<f32>(x[at_${D} + select(0u - own, c + ${BLOCK}u, exists) * plane]);
                next_a_${i} = select(vec4<f32>(0.0), v, exists && inside_${D});
                //: endif
            }
            //: endfor
            //: for i in range(STAGED_W)
            {
                //: if ALIGNED
                let channel = c + w_row_${i} / 4u;
                //: else
                // Beyond the last channel, a is zero.
                let channel = min(c + w_row_${i} / 4u, IN_BLOCKS - 1u);
                //: endif
                let row = (channel * 4u + stage % 4u) * 4u + w_row_${i} % 4u;
                next_w_${i} = vec4<f32>(w[w_plane + row * OUT_BLOCKS + w_block_${i}]);
            }
            //: endfor
        }
        if stage > 0u {
            //: include "include/gemm_products.wgsl"
        }
    }

    let out_width = dims.in_width * STRIDE;
    let out_plane = plane * STRIDE * STRIDE;
    //: for r in range(EACH_PIXELS)
    {
        let m = first_pixel + pixel + ${r * (TILE_PIXELS // EACH_PIXELS)}u;
        let row = m % plane / dims.in_width * STRIDE + phase_i;
        let column = m % plane % dims.in_width * STRIDE + phase_j;
        let to = dims.y_offset + m / plane * dims.y_batch + row * out_width + column;
        //: for b in range(EACH_BLOCKS)
        //: if ALIGNED
        y[to + block_${b} * out_plane] = stored(sum_${b}_${r});
        //: else
        if m < dims.pixels && block_${b} < OUT_BLOCKS { y[to + block_${b} * out_plane] = stored(sum_${b}_${r}); }
        //: endif
        //: endfor
    }
    //: endfor
}
