// conv2d_winograd_product: the second pass of Winograd's convolution, a matrix
// product at each point.
//
//   products[p, o, t] = sum over c of points[p, c, t] * w[p, c, o]
//
// Layout: points (from conv2d_winograd_input.wgsl), products and the weights,
// transformed as they are packed, have as many channels and tiles as the
// workgroups of this kernel cover: nothing has to be checked.
//
// Dispatch: include/gemm_tile.wgsl, pixels standing for tiles;
// grid (OUT_PITCH / TILE_BLOCKS, tiles / TILE_PIXELS, points).
//
// Parameters: those of gemm_tile.wgsl.

override DEPTH_BLOCKS: u32 = 4u; // C / 4, rounded up
override OUT_PITCH: u32 = 4u; // O / 4, rounded up

struct Dims {
    pitch: u32, // tiles that the arrays have room for
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> points: array<vec4<f32>>; // (points, DEPTH_BLOCKS, pitch)
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>; // (points, DEPTH_BLOCKS, 4, OUT_PITCH)
@group(0) @binding(3) var<storage, read_write> products: array<vec4<f32>>; // (points, OUT_PITCH, pitch)

//: include "include/gemm_tile.wgsl"

//: set INVOCATIONS = TILE_PIXELS // EACH_PIXELS * (TILE_BLOCKS // EACH_BLOCKS)
//: set STAGED_A = TILE_DEPTH * TILE_PIXELS // INVOCATIONS
//: set WEIGHTS = TILE_DEPTH * 4 * TILE_BLOCKS
//: set STAGED_W = (WEIGHTS + INVOCATIONS - 1) // INVOCATIONS
@compute @workgroup_size(${INVOCATIONS}, 1, 1)
fn conv2d_winograd_product(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first_block = workgroup.x * ${TILE_BLOCKS}u;
    let first_tile = workgroup.y * ${TILE_PIXELS}u;
    let a_plane = workgroup.z * DEPTH_BLOCKS * dims.pitch + first_tile;
    let w_plane = workgroup.z * DEPTH_BLOCKS * 4u * OUT_PITCH + first_block;
    //: for i in range(STAGED_A)
    let a_slot_${i} = local + ${i * INVOCATIONS}u;
    let a_from_${i} = a_plane + a_slot_${i} / ${TILE_PIXELS}u * dims.pitch + a_slot_${i} % ${TILE_PIXELS}u;
    var next_a_${i} = vec4<f32>(0.0);
    //: endfor
    //: for i in range(STAGED_W)
    let w_slot_${i} = min(local + ${i * INVOCATIONS}u, ${WEIGHTS - 1}u);
    let w_from_${i} = w_plane + w_slot_${i} / ${TILE_BLOCKS}u * OUT_PITCH + w_slot_${i} % ${TILE_BLOCKS}u;
    var next_w_${i} = vec4<f32>(0.0);
    //: endfor

    let pixel = local % ${TILE_PIXELS // EACH_PIXELS}u;
    let block = local / ${TILE_PIXELS // EACH_PIXELS}u;
    //: for b in range(EACH_BLOCKS)
    //: for r in range(EACH_PIXELS)
    var sum_${b}_${r} = vec4<f32>(0.0);
    //: endfor
    //: endfor

    // A stage is loaded while the one before is multiplied.
    for (var c = 0u; c <= DEPTH_BLOCKS; c += ${TILE_DEPTH}u) {
        if c > 0u {
            workgroupBarrier();
            //: for i in range(STAGED_A)
            a_tile[a_slot_${i}] = next_a_${i};
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
        if c < DEPTH_BLOCKS {
            //: for i in range(STAGED_A)
            next_a_${i} = points[a_from_${i} + c * dims.pitch];
            //: endfor
            //: for i in range(STAGED_W)
            next_w_${i} = w[w_from_${i} + c * 4u * OUT_PITCH];
            //: endfor
        }
        if c > 0u {
            //: include "include/gemm_products.wgsl"
        }
    }

    //: for b in range(EACH_BLOCKS)
    {
        let plane = workgroup.z * OUT_PITCH + first_block + block + ${b * (TILE_BLOCKS // EACH_BLOCKS)}u;
        let to = plane * dims.pitch + first_tile + pixel;
        //: for r in range(EACH_PIXELS)
        products[to + ${r * (TILE_PIXELS // EACH_PIXELS)}u] = sum_${b}_${r};
        //: endfor
    }
    //: endfor
}
