// linear_attention: attention over all pixels with softmax on the keys
// (Katharopoulos et al. 2020, as in denoising U-Nets).
//
//   context[d, e] = sum over p of softmax_p(k[d, :])[p] * v[e, p]
//   y[e, p] = sum over d of context[d, e] * q[d, p]
//
// for each sample and head, queries, keys and values being [D, pixels].
// Two kernels: `context_of_head` where CONTEXT is 1, then `attend` where it
// is 0.
//
// Layout: x is (N, 3 * HEADS * D/4, H, W) of vec4: queries, keys, values,
// each head by head; y is (N, HEADS * D/4, H, W). context is
// (N, HEADS, D, D/4) of vec4 over e.
//
// Dispatch: context_of_head: a workgroup of 64 for each 4 x 4 block (d, e) of
// a head's context, grid (D/4 * D/4, HEADS, N).
// attend: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*HEADS*D/4).
// Parameters: CONTEXT, x_scalar, and y_scalar for attend.

override HEADS: u32 = 4u;
override HEAD_BLOCKS: u32 = 8u; // D / 4

struct Dims {
    height: u32,
    width: u32,
    x_offset: u32,
    x_batch: u32,
    //: if not CONTEXT
    y_offset: u32,
    y_batch: u32,
    //: endif
}

alias x_t = vec4<${x_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, 3 * HEADS * D/4, H, W)
//: if CONTEXT
@group(0) @binding(2) var<storage, read_write> context: array<vec4<f32>>; // (N, HEADS, D, D/4)

const THREADS: u32 = 64u;

//: set SUM_TYPE = "vec4<f32>"
//: include "include/workgroup_sum.wgsl"
//: include "include/workgroup_max.wgsl"

@compute @workgroup_size(64, 1, 1)
fn context_of_head(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let d = id.x / HEAD_BLOCKS;
    let e = id.x % HEAD_BLOCKS;
    let head = id.y;
    let n = id.z;
    let plane = dims.height * dims.width;
    let base = dims.x_offset + n * dims.x_batch;
    let keys = base + ((HEADS + head) * HEAD_BLOCKS + d) * plane;
    let values = base + ((2u * HEADS + head) * HEAD_BLOCKS + e) * plane;

    var most = vec4<f32>(x[keys]);
    for (var p = thread; p < plane; p += THREADS) {
        most = max(most, vec4<f32>(x[keys + p]));
    }
    most = workgroup_max(thread, most);

    // Row r of the 4 x 4 block belongs to key channel 4d + r.
    var total = vec4<f32>(0.0);
    var row0 = vec4<f32>(0.0);
    var row1 = vec4<f32>(0.0);
    var row2 = vec4<f32>(0.0);
    var row3 = vec4<f32>(0.0);
    for (var p = thread; p < plane; p += THREADS) {
        let weight = exp(vec4<f32>(x[keys + p]) - most);
        let v = vec4<f32>(x[values + p]);
        total += weight;
        row0 += weight.x * v;
        row1 += weight.y * v;
        row2 += weight.z * v;
        row3 += weight.w * v;
    }
    total = workgroup_sum(thread, total);
    row0 = workgroup_sum(thread, row0);
    row1 = workgroup_sum(thread, row1);
    row2 = workgroup_sum(thread, row2);
    row3 = workgroup_sum(thread, row3);
    if thread == 0u {
        let at = ((n * HEADS + head) * HEAD_BLOCKS + d) * 4u * HEAD_BLOCKS + e;
        context[at] = row0 / total.x;
        context[at + HEAD_BLOCKS] = row1 / total.y;
        context[at + 2u * HEAD_BLOCKS] = row2 / total.z;
        context[at + 3u * HEAD_BLOCKS] = row3 / total.w;
    }
}
//: else
//: set STORED = y_scalar
//: include "include/stored.wgsl"
alias y_t = vec4<${y_scalar}>;
@group(0) @binding(2) var<storage, read> context: array<vec4<f32>>; // (N, HEADS, D, D/4)
@group(0) @binding(3) var<storage, read_write> y: array<y_t>; // (N, HEADS * D/4, H, W)

@compute @workgroup_size(16, 4, 1)
fn attend(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let blocks = HEADS * HEAD_BLOCKS;
    let head = (id.z % blocks) / HEAD_BLOCKS;
    let e = id.z % HEAD_BLOCKS;
    let n = id.z / blocks;
    let plane = dims.height * dims.width;
    let p = id.y * dims.width + id.x;
    let queries = dims.x_offset + n * dims.x_batch + head * HEAD_BLOCKS * plane + p;
    var sum = vec4<f32>(0.0);
    for (var d = 0u; d < HEAD_BLOCKS; d++) {
        let q = vec4<f32>(x[queries + d * plane]);
        let at = ((n * HEADS + head) * HEAD_BLOCKS + d) * 4u * HEAD_BLOCKS + e;
        sum += q.x * context[at] + q.y * context[at + HEAD_BLOCKS]
            + q.z * context[at + 2u * HEAD_BLOCKS] + q.w * context[at + 3u * HEAD_BLOCKS];
    }
    let block = head * HEAD_BLOCKS + e;
    y[dims.y_offset + n * dims.y_batch + block * plane + p] = stored(sum);
}
//: endif
