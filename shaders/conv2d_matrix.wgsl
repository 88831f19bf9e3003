// conv2d_matrix: the convolution of conv2d.wgsl on matrix units: the products
// of f16 matrices that the invocations of a subgroup hold together
// (cooperative matrices), added up in f32.
//
//   y[n, o, i, j] = epilogue(bias[o]
//       + sum over c, u, v of x[n, c, s*i + u - p, s*j + v - p] * w[c, o, u, v])
//
// The left matrices are SIDE pixels of a row by SIDE input channels, the right
// ones SIDE input by SIDE output channels of one tap.
//
// Layout: x and y are (N, C/4, H, W) of vec4, channels padded with zeros. The
// weights are (O/SIDE, C/SIDE, k*k, SIDE, SIDE), so that a matrix is one run of
// memory, its rows input channels.
//
// Dispatch: a workgroup makes TILE_WIDTH x TILE_HEIGHT pixels by TILE_OUTPUTS
// output channels, each of its subgroups SIDE x EACH_ROWS pixels by
// SIDE * EACH_COLUMNS channels. The pixels that the tile sees pass through
// workgroup memory, TILE_DEPTH channels at a time, so do the sums on their way
// to the epilogue;
// grid (ceil(W / TILE_WIDTH) * ceil(O / TILE_OUTPUTS), ceil(H / TILE_HEIGHT),
// N), or some of its rows.
//
// Parameters: SIDE (16 or 8), SUBGROUP (its invocations), TILE_WIDTH,
// TILE_HEIGHT, TILE_OUTPUTS, TILE_DEPTH, EACH_ROWS, EACH_COLUMNS, EMULATED (1:
// plain code in place of matrix units, for tests) and those of conv2d.wgsl but
// ROWS and BLOCKS.

//: if not EMULATED
enable wgpu_cooperative_matrix;
//: endif

override IN_BLOCKS: u32 = 1u; // C / 4
override OUT_BLOCKS: u32 = 1u; // O / 4

struct Dims {
    in_height: u32,
    in_width: u32,
    out_height: u32,
    out_width: u32,
    x_offset: u32,
    x_batch: u32,
    first_tile: u32, // row of tiles, of the dispatch: large ones are split
    //: include "include/epilogue_dims.wgsl"
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
//: if not IN_PLACE
@group(0) @binding(1) var<storage, read> x: array<vec4<${x_scalar}>>; // (N, C/4, H, W)
//: endif
@group(0) @binding(2) var<storage, read> w: array<${w_scalar}>; // (O/SIDE, C/SIDE, k*k, SIDE, SIDE)
//: if BIAS
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (O/4)
//: endif

//: include "include/epilogue.wgsl"
//: include "include/border.wgsl"

//: set TAPS = KERNEL * KERNEL
//: set PADDING = PAD if KERNEL == 3 else 0
// Pixels lie SPACING apart in the staged tile; one tap sees no pixels between.
//: set SPACING = STRIDE if KERNEL == 3 else 1
//: set STEP = STRIDE // SPACING
//: set SEEN_WIDTH = SPACING * (TILE_WIDTH - 1) + KERNEL
//: set SEEN_HEIGHT = SPACING * (TILE_HEIGHT - 1) + KERNEL
//: set SEEN_ROWS = SPACING * (EACH_ROWS - 1) + KERNEL
//: set SEEN = SEEN_WIDTH * SEEN_HEIGHT
//: set ACROSS = TILE_WIDTH // SIDE
//: set DOWN = TILE_HEIGHT // EACH_ROWS
//: set INVOCATIONS = SUBGROUP * ACROSS * DOWN * (TILE_OUTPUTS // (SIDE * EACH_COLUMNS))
//: set STAGED = (SEEN * TILE_DEPTH // 4 + INVOCATIONS - 1) // INVOCATIONS
// Workgroup arrays are of vec4 where matrices may be loaded from such, else of
// scalars. Rows are 16 bytes longer than their contents, which keeps the rows
// of a matrix in different banks.
//: set UNIT = 4 if SIDE == 16 else 1
//: set PITCH = (TILE_DEPTH + 8) // UNIT
// The epilogue takes so many matrices of a row at a time.
//: set FINISHED = [2, EACH_COLUMNS] | min
//: set SUM_PITCH = (SIDE * FINISHED + 4) // UNIT
//: if UNIT == 4
var<workgroup> x_tile: array<vec4<f16>, ${SEEN * PITCH}>; // (SEEN, TILE_DEPTH + 8)
var<workgroup> sums: array<vec4<f32>, ${INVOCATIONS // SUBGROUP * SIDE * SUM_PITCH}>; // (subgroups, SIDE, SIDE * FINISHED + 4)
//: else
var<workgroup> x_tile: array<f16, ${SEEN * PITCH}>; // (SEEN, TILE_DEPTH + 8)
var<workgroup> sums: array<f32, ${INVOCATIONS // SUBGROUP * SIDE * SUM_PITCH}>; // (subgroups, SIDE, SIDE * FINISHED + 4)
//: endif

//: if EMULATED
//: include "include/emulated_matrix.wgsl"
//: set MULTIPLY_ADD = "multiply_add"
//: else
alias Left = coop_mat${SIDE}x${SIDE}<f16, A>;
alias Right = coop_mat${SIDE}x${SIDE}<f16, B>;
alias Sum = coop_mat${SIDE}x${SIDE}<f32, C>;
//: set MULTIPLY_ADD = "coopMultiplyAdd"
//: endif

fn load(index: u32) -> vec4<f16> {
    //: if IN_PLACE
    return vec4<f16>(y[index]);
    //: else
    return vec4<f16>(x[index]);
    //: endif
}

@compute @workgroup_size(${INVOCATIONS}, 1, 1)
fn conv2d_matrix(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tiles = (4u * OUT_BLOCKS + ${TILE_OUTPUTS - 1}u) / ${TILE_OUTPUTS}u;
    let first_output = workgroup.x % tiles * ${TILE_OUTPUTS}u;
    let left = workgroup.x / tiles * ${TILE_WIDTH}u;
    let top = (workgroup.y + dims.first_tile) * ${TILE_HEIGHT}u;
    let n = workgroup.z;
    let in_plane = dims.in_height * dims.in_width;
    let out_plane = dims.out_height * dims.out_width;
    let in_matrices = (4u * IN_BLOCKS + ${SIDE - 1}u) / ${SIDE}u;
    let out_matrices = (4u * OUT_BLOCKS + ${SIDE - 1}u) / ${SIDE}u;

    // What this invocation stages: vec4 i comes from from_i and goes to to_i.
    let from_sample = dims.x_offset + n * dims.x_batch;
    //: for i in range(STAGED)
    let slot_${i} = min(local + ${i * INVOCATIONS}u, ${SEEN * TILE_DEPTH // 4 - 1}u);
    let block_${i} = slot_${i} / ${SEEN}u;
    let seen_${i} = slot_${i} % ${SEEN}u;
    let i_${i} = i32(top * ${STRIDE}u + seen_${i} / ${SEEN_WIDTH}u * ${STEP}u) - ${PADDING};
    let j_${i} = i32(left * ${STRIDE}u + seen_${i} % ${SEEN_WIDTH}u * ${STEP}u) - ${PADDING};
    //: if KERNEL == 3
    let row_${i} = u32(border(i_${i}, i32(dims.in_height)));
    let column_${i} = u32(border(j_${i}, i32(dims.in_width)));
    //: else
    let row_${i} = min(u32(i_${i}), dims.in_height - 1u);
    let column_${i} = min(u32(j_${i}), dims.in_width - 1u);
    //: endif
    let from_${i} = from_sample + block_${i} * in_plane + row_${i} * dims.in_width + column_${i};
    let to_${i} = seen_${i} * ${PITCH}u + block_${i} * ${4 // UNIT}u;
    //: if not REFLECT and KERNEL == 3
    let inside_${i} = is_inside(i_${i}, i32(dims.in_height)) && is_inside(j_${i}, i32(dims.in_width));
    //: endif
    var next_${i} = vec4<f16>();
    //: endfor

    let subgroup = local / ${SUBGROUP}u;
    let lane = local % ${SUBGROUP}u;
    //: if EMULATED
    emulated_lane = lane;
    emulated_side = min(${SIDE}u * dims.out_width, ${SIDE}u);
    //: endif
    let across = subgroup % ${ACROSS}u * ${SIDE}u;
    let down = subgroup / ${ACROSS}u % ${DOWN}u * ${EACH_ROWS}u;
    let outputs = first_output + subgroup / ${ACROSS * DOWN}u * ${SIDE * EACH_COLUMNS}u;
    let x_from = (down * ${SPACING * SEEN_WIDTH}u + across * ${SPACING}u) * ${PITCH}u;
    // Beyond the last output channel, nothing is stored.
    //: for c in range(EACH_COLUMNS)
    let w_from_${c} = min(outputs / ${SIDE}u + ${c}u, out_matrices - 1u) * in_matrices * ${TAPS * SIDE * SIDE}u;
    //: endfor
    // sum_r_c: pixels of row r by column c of output channels.
    //: for r in range(EACH_ROWS)
    //: for c in range(EACH_COLUMNS)
    var sum_${r}_${c} = Sum();
    //: endfor
    //: endfor

    // A stage is loaded while the one before is multiplied. No matrix stands
    // behind a condition: naga takes none for uniform.
    let stages = (4u * IN_BLOCKS + ${TILE_DEPTH - 1}u) / ${TILE_DEPTH}u;
    {
        let first = 0u;
        //: include "include/matrix_stage.wgsl"
    }
    for (var stage = 0u; stage < stages; stage++) {
        workgroupBarrier();
        //: for i in range(STAGED)
        //: if (i + 1) * INVOCATIONS > SEEN * TILE_DEPTH // 4
        if local + ${i * INVOCATIONS}u < ${SEEN * TILE_DEPTH // 4}u {
        //: else
        {
        //: endif
            //: if UNIT == 4
            x_tile[to_${i}] = next_${i};
            //: else
            x_tile[to_${i}] = next_${i}.x;
            x_tile[to_${i} + 1u] = next_${i}.y;
            x_tile[to_${i} + 2u] = next_${i}.z;
            x_tile[to_${i} + 3u] = next_${i}.w;
            //: endif
        }
        //: endfor
        workgroupBarrier();
        if stage + 1u < stages {
            let first = (stage + 1u) * ${TILE_DEPTH // 4}u;
            //: include "include/matrix_stage.wgsl"
        }
        //: for d in range(TILE_DEPTH // SIDE)
        {
            // Beyond the last input channel, x is zero.
            let w_depth = min(stage * ${TILE_DEPTH // SIDE}u + ${d}u, in_matrices - 1u) * ${TAPS * SIDE * SIDE}u;
            //: for v in range(KERNEL)
            {
                //: for r in range(SEEN_ROWS)
                let x_at_${r} = x_from + ${(r * SEEN_WIDTH + v) * PITCH + d * SIDE // UNIT}u;
                //: if EMULATED
                let x_${r} = load_left(x_at_${r}, ${SPACING * PITCH}u);
                //: else
                let x_${r} = coopLoadT<Left>(&x_tile[x_at_${r}], ${SPACING * PITCH}u);
                //: endif
                //: endfor
                //: for u in range(KERNEL)
                {
                    //: for c in range(EACH_COLUMNS)
                    let w_at_${c} = w_from_${c} + w_depth + ${(u * KERNEL + v) * SIDE * SIDE}u;
                    //: if EMULATED
                    let w_${c} = load_right(w_at_${c}, ${SIDE}u);
                    //: else
                    let w_${c} = coopLoadT<Right>(&w[w_at_${c}], ${SIDE}u);
                    //: endif
                    //: endfor
                    //: for r in range(EACH_ROWS)
                    //: for c in range(EACH_COLUMNS)
                    sum_${r}_${c} = ${MULTIPLY_ADD}(x_${r * SPACING + u}, w_${c}, sum_${r}_${c});
                    //: endfor
                    //: endfor
                }
                //: endfor
            }
            //: endfor
        }
        //: endfor
    }

    let sums_from = subgroup * ${SIDE * SUM_PITCH}u;
    //: for r in range(EACH_ROWS)
    //: for first in range(0, EACH_COLUMNS, FINISHED)
    workgroupBarrier();
    //: for c in range(FINISHED)
    {
        let at = sums_from + ${c * SIDE // UNIT}u;
        //: if EMULATED
        store_sum(sum_${r}_${first + c}, at, ${SUM_PITCH}u);
        //: else
        coopStoreT(sum_${r}_${first + c}, &sums[at], ${SUM_PITCH}u);
        //: endif
    }
    //: endfor
    workgroupBarrier();
    // Neighbours take neighbouring pixels.
    //: for q in range(SIDE * SIDE * FINISHED // (4 * SUBGROUP))
    {
        let item = lane + ${SUBGROUP * q}u;
        let pixel = item % ${SIDE}u;
        let i = top + down + ${r}u;
        let j = left + across + pixel;
        let block = outputs / 4u + ${first * SIDE // 4}u + item / ${SIDE}u;
        let at = sums_from + pixel * ${SUM_PITCH}u + item / ${SIDE}u * ${4 // UNIT}u;
        if i < dims.out_height && j < dims.out_width && block < OUT_BLOCKS {
            //: if UNIT == 4
            var v = sums[at];
            //: else
            var v = vec4<f32>(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
            //: endif
            //: if BIAS
            v += bias[block];
            //: endif
            finish(v, n, block, block * out_plane + i * dims.out_width + j);
        }
    }
    //: endfor
    //: endfor
    //: endfor
}
