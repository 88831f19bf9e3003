// Operand and result of a kernel that maps an array element by element.

struct Dims {
    height: u32,
    width: u32,
    blocks: u32, // C / 4
    x_offset: u32,
    x_batch: u32,
    y_offset: u32,
    y_batch: u32,
    padding: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read_write> y: array<y_t>; // (N, C/4, H, W)

// Indices in x and y of the vec4 at pixel id.xy of plane id.z = n * C/4 + block.
fn locate(id: vec3<u32>) -> vec2<u32> {
    let block = id.z % dims.blocks;
    let n = id.z / dims.blocks;
    let position = (block * dims.height + id.y) * dims.width + id.x;
    return vec2<u32>(
        dims.x_offset + n * dims.x_batch + position,
        dims.y_offset + n * dims.y_batch + position,
    );
}
