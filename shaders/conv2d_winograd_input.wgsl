// conv2d_winograd_input: the first pass of a 3x3 convolution of stride 1 by
// Winograd's algorithm (include/winograd.wgsl).
//
//   points[(u, v), c, t] = B^T d B, d the POINTS x POINTS pixels of channel c
//   that tile t of y sees, with the padding of conv2d.wgsl
//
// Layout: x is (N, C/4, H, W) of vec4. The points are (POINTS*POINTS, C/4
// rounded up to DEPTH_BLOCKS, tiles) of vec4: zero for channels beyond C, and
// undefined for tiles beyond the last.
//
// Dispatch: an invocation transforms 4 channels of a tile; workgroups of 64
// tiles, grid (ceil(tiles / 64), DEPTH_BLOCKS, 1).
//
// Parameters: OUTPUTS, KERNEL (3), REFLECT, PAD, x_scalar.

override IN_BLOCKS: u32 = 1u; // C / 4
override DEPTH_BLOCKS: u32 = 1u;

struct Dims {
    in_height: u32,
    in_width: u32,
    x_offset: u32,
    x_batch: u32,
    //: include "include/winograd_tiles.wgsl"
}

alias x_t = vec4<${x_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read_write> points: array<vec4<f32>>; // (POINTS*POINTS, DEPTH_BLOCKS, pitch)

//: include "include/border.wgsl"
//: include "include/winograd.wgsl"

// The pixel at (i, j) of a plane; zero where no result of the image sees it.
fn pixel(plane: u32, i: i32, j: i32) -> vec4<f32> {
    let height = i32(dims.in_height);
    let width = i32(dims.in_width);
    let v = vec4<f32>(x[plane + u32(border(i, height)) * dims.in_width + u32(border(j, width))]);
    //: if REFLECT
    return select(vec4<f32>(0.0), v, i <= height && j <= width);
    //: else
    return select(vec4<f32>(0.0), v, is_inside(i, height) && is_inside(j, width));
    //: endif
}

//: set POINTS = OUTPUTS + 2
@compute @workgroup_size(64, 1, 1)
fn conv2d_winograd_input(@builtin(global_invocation_id) id: vec3<u32>) {
    let t = id.x;
    let c = id.y;
    if t >= dims.tiles {
        return;
    }
    let to = c * dims.pitch + t;
    let point_pitch = DEPTH_BLOCKS * dims.pitch;
    if c >= IN_BLOCKS {
        //: for p in range(POINTS * POINTS)
        points[to + ${p}u * point_pitch] = vec4<f32>(0.0);
        //: endfor
        return;
    }
    let row = dims.first_row + t / dims.tile_columns;
    let plane = dims.x_offset + row / dims.tile_rows * dims.x_batch + c * dims.in_height * dims.in_width;
    let i = i32(row % dims.tile_rows * ${OUTPUTS}u) - ${PAD};
    let j = i32(t % dims.tile_columns * ${OUTPUTS}u) - ${PAD};
    //: for v in range(POINTS)
    let column_${v} = to_points(
        //: for u in range(POINTS)
        pixel(plane, i + ${u}, j + ${v}),
        //: endfor
    );
    //: endfor
    //: for u in range(POINTS)
    {
        let row = to_points(
            //: for v in range(POINTS)
            column_${v}.p${u},
            //: endfor
        );
        //: for v in range(POINTS)
        points[to + ${u * POINTS + v}u * point_pitch] = row.p${v};
        //: endfor
    }
    //: endfor
}
