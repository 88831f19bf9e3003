// conv2d_gemm: the convolution of conv2d.wgsl as one matrix product, whose
// left factor is gathered from x as it is needed (implicit GEMM).
//
//   y[m, o] = epilogue(bias[o] + sum over k of a[m, k] * w[k, o])
//
// m counts the pixels of y of all samples, k input channels and taps:
// a[m, (c, u, v)] = x[n, c, s*i + u - p, s*j + v - p], m the pixel (n, i, j).
//
// Layout: x and y are (N, C/4, H, W) of vec4, channels padded with zeros. The
// weights are (C/4, k*k, 4 input channels, O/4) of vec4 over output channels.
//
// Dispatch: a workgroup makes TILE_PIXELS pixels by 4 * TILE_BLOCKS output
// channels, and takes both factors through workgroup memory, one tap of
// 4 * TILE_DEPTH input channels at a time (include/gemm_tile.wgsl);
// grid (ceil(O / (4*TILE_BLOCKS)), ceil(N*H*W / TILE_PIXELS), 1), H and W of
// y, or some of its tiles of pixels.
//
// Parameters: those of conv2d.wgsl but ROWS and BLOCKS, those of gemm_tile.wgsl,
// and ALIGNED: 1 where pixels and channels are multiples of the tile's, so that
// nothing has to be checked.

override IN_BLOCKS: u32 = 1u; // C / 4
override OUT_BLOCKS: u32 = 1u; // O / 4

struct Dims {
    in_height: u32,
    in_width: u32,
    out_height: u32,
    out_width: u32,
    pixels: u32, // N * H * W of y
    x_offset: u32,
    x_batch: u32,
    first_tile: u32, // of pixels, of the dispatch: large ones are split
    //: include "include/epilogue_dims.wgsl"
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
//: include "include/conv_x.wgsl"
alias w_t = vec4<${w_scalar}>;
@group(0) @binding(2) var<storage, read> w: array<w_t>; // (C/4, k*k, 4, O/4)
//: if BIAS
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (O/4)
//: endif

//: include "include/epilogue.wgsl"
//: include "include/gemm_tile.wgsl"
//: include "include/border.wgsl"

//: set INVOCATIONS = TILE_PIXELS // EACH_PIXELS * (TILE_BLOCKS // EACH_BLOCKS)
//: set TAPS = KERNEL * KERNEL
//: set STAGED_A = TILE_DEPTH * TILE_PIXELS // INVOCATIONS
//: set STAGED_W = (TILE_DEPTH * 4 * TILE_BLOCKS + INVOCATIONS - 1) // INVOCATIONS
// Invocation l stages pixels l % TILE_PIXELS + INVOCATIONS * d, d < GATHERED.
//: set GATHERED = [1, TILE_PIXELS // INVOCATIONS] | max
@compute @workgroup_size(${INVOCATIONS}, 1, 1)
fn conv2d_gemm(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first_block = workgroup.x * ${TILE_BLOCKS}u;
    let first_pixel = (workgroup.y + dims.first_tile) * ${TILE_PIXELS}u;
    let in_plane = dims.in_height * dims.in_width;
    let out_plane = dims.out_height * dims.out_width;

    // What this invocation stages: from_d begins the plane of its pixel d in
    // its first block, (i_d, j_d) is the place there that its taps start from, PAD pixels before, w_from_i its
    // weight i.
    //: for d in range(GATHERED)
    //: if ALIGNED
    let m_${d} = first_pixel + local % ${TILE_PIXELS}u + ${d * INVOCATIONS}u;
    //: else
    let m_${d} = min(first_pixel + local % ${TILE_PIXELS}u + ${d * INVOCATIONS}u, dims.pixels - 1u);
    //: endif
    let sample_${d} = dims.x_offset + m_${d} / out_plane * dims.x_batch;
    let from_${d} = sample_${d} + local / ${TILE_PIXELS}u * in_plane;
    let i_${d} = m_${d} % out_plane / dims.out_width * ${STRIDE}u;
    let j_${d} = m_${d} % out_plane % dims.out_width * ${STRIDE}u;
    //: endfor
    //: for i in range(STAGED_W)
    let w_slot_${i} = local + ${i * INVOCATIONS}u;
    let w_row_${i} = w_slot_${i} / ${TILE_BLOCKS}u;
    //: if ALIGNED
    let w_block_${i} = first_block + w_slot_${i} % ${TILE_BLOCKS}u;
    //: else
    let w_block_${i} = min(first_block + w_slot_${i} % ${TILE_BLOCKS}u, OUT_BLOCKS - 1u);
    //: endif
    let w_from_${i} = (w_row_${i} / 4u * ${4 * TAPS}u + w_row_${i} % 4u) * OUT_BLOCKS + w_block_${i};
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
    //: if BIAS
    //: if ALIGNED
    let bias_${b} = bias[block_${b}];
    //: else
    let bias_${b} = bias[min(block_${b}, OUT_BLOCKS - 1u)];
    //: endif
    //: else
    let bias_${b} = vec4<f32>(0.0);
    //: endif
    //: for r in range(EACH_PIXELS)
    var sum_${b}_${r} = bias_${b};
    //: endfor
    //: endfor

    // A stage is loaded while the one before is multiplied.
    let stages = (IN_BLOCKS + ${TILE_DEPTH - 1}u) / ${TILE_DEPTH}u * ${TAPS}u;
    for (var stage = 0u; stage <= stages; stage++) {
        if stage > 0u {
            workgroupBarrier();
            //: for i in range(STAGED_A)
            a_tile[local + ${i * INVOCATIONS}u] = next_a_${i};
            //: endfor
            //: for i in range(STAGED_W)
            //: if (i + 1) * INVOCATIONS > TILE_DEPTH * 4 * TILE_BLOCKS
            if w_slot_${i} < ${TILE_DEPTH * 4 * TILE_BLOCKS}u { w_tile[w_slot_${i}] = next_w_${i}; }
            //: else
            w_tile[w_slot_${i}] = next_w_${i};
            //: endif
            //: endfor
            workgroupBarrier();
        }
        if stage < stages {
            let c = stage / ${TAPS}u * ${TILE_DEPTH}u;
            //: if KERNEL == 3
            let u = i32(stage % 9u / 3u) - ${PAD};
            let v = i32(stage % 3u) - ${PAD};
            //: endif
            //: for d in range(GATHERED)
            //: if KERNEL == 3
            let row_${d} = u32(border(i32(i_${d}) + u, i32(dims.in_height)));
            let column_${d} = u32(border(i32(j_${d}) + v, i32(dims.in_width)));
            let at_${d} = from_${d} + row_${d} * dims.in_width + column_${d};
            //: if not REFLECT
            let inside_${d} = is_inside(i32(i_${d}) + u, i32(dims.in_height)) && is_inside(i32(j_${d}) + v, i32(dims.in_width));
            //: endif
            //: else
            let at_${d} = from_${d} + i_${d} * dims.in_width + j_${d};
            //: endif
            //: endfor
            //: for i in range(STAGED_A)
            {
                // Block of the stage, beyond the invocation's first.
                //: set BLOCK = i // GATHERED * ([1, INVOCATIONS // TILE_PIXELS] | max)
                //: set D = i % GATHERED
                //: if ALIGNED
                let v = load(at_${D} + (c + ${BLOCK}u) * in_plane);
                //: else
                let own = local / ${TILE_PIXELS}u;
                let exists = c + own + ${BLOCK}u < IN_BLOCKS;
                var v = load(at_${D} + select(0u - own, c + ${BLOCK}u, exists) * in_plane);
                v = select(vec4<f32>(0.0), v, exists);
                //: endif
                //: if not REFLECT and KERNEL == 3
                next_a_${i} = select(vec4<f32>(0.0), v, inside_${D});
                //: else
                next_a_${i} = v;
                //: endif
            }
            //: endfor
            let w_stage = (stage / ${TAPS}u * ${TILE_DEPTH * TAPS}u + stage % ${TAPS}u) * 4u * OUT_BLOCKS;
            //: for i in range(STAGED_W)
            //: if ALIGNED and (i + 1) * INVOCATIONS <= TILE_DEPTH * 4 * TILE_BLOCKS
            next_w_${i} = vec4<f32>(w[w_stage + w_from_${i}]);
            //: else
            // Beyond the last channel, a is zero.
            next_w_${i} = vec4<f32>(w[min(w_stage + w_from_${i}, IN_BLOCKS * ${4 * TAPS}u * OUT_BLOCKS - 1u)]);
            //: endif
            //: endfor
        }
        if stage > 0u {
            //: include "include/gemm_products.wgsl"
        }
    }

    //: for r in range(EACH_PIXELS)
    {
        let m = first_pixel + pixel + ${r * (TILE_PIXELS // EACH_PIXELS)}u;
        let n = m / out_plane;
        let p = m % out_plane;
        //: for b in range(EACH_BLOCKS)
        //: if ALIGNED
        finish(sum_${b}_${r}, n, block_${b}, block_${b} * out_plane + p);
        //: else
        if m < dims.pixels && block_${b} < OUT_BLOCKS {
            finish(sum_${b}_${r}, n, block_${b}, block_${b} * out_plane + p);
        }
        //: endif
        //: endfor
    }
    //: endfor
}
