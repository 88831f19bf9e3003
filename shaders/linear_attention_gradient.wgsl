// linear_attention_gradient: the gradient of linear_attention.wgsl. For each
// sample and head, with the softmax s[d, p] of the keys over pixels p:
//
//   context[d, e] = sum over p of s[d, p] v[e, p]
//   dcontext[d, e] = sum over p of q[d, p] dy[e, p]
//   dq[d, p] = sum over e of context[d, e] dy[e, p]
//   dv[e, p] = sum over d of s[d, p] dcontext[d, e]
//   dk[d, p] = s[d, p] sum over e of dcontext[d, e] (v[e, p] - context[d, e])
//
// The last is s (ds - sum over p of s ds), for the sum over pixels of
// s[d, p] ds[d, p] is that over e of dcontext[d, e] context[d, e].
//
// Three kernels: `softmax_of_keys` where PASS is 0, `products_of_head` where it
// is 1, and `gradients` where it is 2.
//
// Layout: qkv and dqkv are (N, 3 * HEADS * D/4, H, W) of vec4: queries, keys,
// values, each head by head; dy is (N, HEADS * D/4, H, W). statistics is
// (N, HEADS * D/4, 2) of vec4: the greatest key, and the sum of exp(k - that),
// of each channel. context and dcontext are (N, HEADS, D, D/4) of vec4 over e.
//
// Dispatch: softmax_of_keys: a workgroup of 64 for 4 channels of keys,
// grid (D/4, HEADS, N). products_of_head: a workgroup of 64 for each 4 x 4
// block (d, e) of a head's products, grid (D/4 * D/4, HEADS, N). gradients:
// workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*HEADS*D/4).
// Parameters: PASS, qkv_scalar, dy_scalar where PASS is 1 or 2, and
// dqkv_scalar where it is 2.

override HEADS: u32 = 4u;
override HEAD_BLOCKS: u32 = 8u; // D / 4

struct Dims {
    height: u32,
    width: u32,
    qkv_offset: u32,
    qkv_batch: u32,
    //: if PASS > 0
    dy_offset: u32,
    dy_batch: u32,
    //: endif
    //: if PASS == 2
    dqkv_offset: u32,
    dqkv_batch: u32,
    //: endif
}

alias qkv_t = vec4<${qkv_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> qkv: array<qkv_t>; // (N, 3 * HEADS * D/4, H, W)
//: if PASS > 0
alias dy_t = vec4<${dy_scalar}>;
@group(0) @binding(2) var<storage, read> dy: array<dy_t>; // (N, HEADS * D/4, H, W)
@group(0) @binding(3) var<storage, read> statistics: array<vec4<f32>>; // (N, HEADS * D/4, 2)
//: else
@group(0) @binding(3) var<storage, read_write> statistics: array<vec4<f32>>; // (N, HEADS * D/4, 2)
//: endif
//: if PASS < 2
const THREADS: u32 = 64u;

//: set SUM_TYPE = "vec4<f32>"
//: include "include/workgroup_sum.wgsl"
//: endif
//: if PASS == 0
//: include "include/workgroup_max.wgsl"

@compute @workgroup_size(64, 1, 1)
fn softmax_of_keys(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let block = id.y * HEAD_BLOCKS + id.x;
    let n = id.z;
    let plane = dims.height * dims.width;
    let keys = dims.qkv_offset + n * dims.qkv_batch + (HEADS * HEAD_BLOCKS + block) * plane;
    var most = vec4<f32>(qkv[keys]);
    for (var p = thread; p < plane; p += THREADS) {
        most = max(most, vec4<f32>(qkv[keys + p]));
    }
    most = workgroup_max(thread, most);
    var total = vec4<f32>(0.0);
    for (var p = thread; p < plane; p += THREADS) {
        total += exp(vec4<f32>(qkv[keys + p]) - most);
    }
    total = workgroup_sum(thread, total);
    if thread == 0u {
        let at = 2u * (n * HEADS * HEAD_BLOCKS + block);
        statistics[at] = most;
        statistics[at + 1u] = total;
    }
}
//: endif
//: if PASS == 1
@group(0) @binding(4) var<storage, read_write> context: array<vec4<f32>>; // (N, HEADS, D, D/4)
@group(0) @binding(5) var<storage, read_write> dcontext: array<vec4<f32>>; // (N, HEADS, D, D/4)

@compute @workgroup_size(64, 1, 1)
fn products_of_head(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let d = id.x / HEAD_BLOCKS;
    let e = id.x % HEAD_BLOCKS;
    let head = id.y;
    let n = id.z;
    let plane = dims.height * dims.width;
    let base = dims.qkv_offset + n * dims.qkv_batch;
    let queries = base + (head * HEAD_BLOCKS + d) * plane;
    let keys = base + ((HEADS + head) * HEAD_BLOCKS + d) * plane;
    let values = base + ((2u * HEADS + head) * HEAD_BLOCKS + e) * plane;
    let results = dims.dy_offset + n * dims.dy_batch + (head * HEAD_BLOCKS + e) * plane;
    let of_keys = 2u * ((n * HEADS + head) * HEAD_BLOCKS + d);
    let most = statistics[of_keys];
    let total = statistics[of_keys + 1u];

    // Row r of the 4 x 4 blocks belongs to channel 4d + r of keys and queries.
    //: for r in range(4)
    var context_${r} = vec4<f32>(0.0);
    var dcontext_${r} = vec4<f32>(0.0);
    //: endfor
    for (var p = thread; p < plane; p += THREADS) {
        let s = exp(vec4<f32>(qkv[keys + p]) - most);
        let q = vec4<f32>(qkv[queries + p]);
        let v = vec4<f32>(qkv[values + p]);
        let g = vec4<f32>(dy[results + p]);
        //: for r in range(4)
        context_${r} += s[${r}] * v;
        dcontext_${r} += q[${r}] * g;
        //: endfor
    }
    let at = ((n * HEADS + head) * HEAD_BLOCKS + d) * 4u * HEAD_BLOCKS + e;
    //: for r in range(4)
    context_${r} = workgroup_sum(thread, context_${r});
    dcontext_${r} = workgroup_sum(thread, dcontext_${r});
    if thread == 0u {
        context[at + ${r}u * HEAD_BLOCKS] = context_${r} / total[${r}];
        dcontext[at + ${r}u * HEAD_BLOCKS] = dcontext_${r};
    }
    //: endfor
}
//: endif
//: if PASS == 2
//: set STORED = dqkv_scalar
//: include "include/stored.wgsl"
alias dqkv_t = vec4<${dqkv_scalar}>;
@group(0) @binding(4) var<storage, read> context: array<vec4<f32>>; // (N, HEADS, D, D/4)
@group(0) @binding(5) var<storage, read> dcontext: array<vec4<f32>>; // (N, HEADS, D, D/4)
@group(0) @binding(6) var<storage, read_write> dqkv: array<dqkv_t>; // (N, 3 * HEADS * D/4, H, W)

@compute @workgroup_size(16, 4, 1)
fn gradients(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let blocks = HEADS * HEAD_BLOCKS;
    let head = (id.z % blocks) / HEAD_BLOCKS;
    let own = id.z % HEAD_BLOCKS;
    let n = id.z / blocks;
    let plane = dims.height * dims.width;
    let p = id.y * dims.width + id.x;
    let base = dims.qkv_offset + n * dims.qkv_batch + p;
    let keys = base + (HEADS + head) * HEAD_BLOCKS * plane;
    let values = base + (2u * HEADS + head) * HEAD_BLOCKS * plane;
    let results = dims.dy_offset + n * dims.dy_batch + head * HEAD_BLOCKS * plane + p;
    let of_head = (n * HEADS + head) * HEAD_BLOCKS;
    let products = of_head * 4u * HEAD_BLOCKS;

    var dq = vec4<f32>(0.0);
    var dv = vec4<f32>(0.0);
    var ds = vec4<f32>(0.0);
    for (var other = 0u; other < HEAD_BLOCKS; other++) {
        let g = vec4<f32>(dy[results + other * plane]);
        let v = vec4<f32>(qkv[values + other * plane]);
        let row = products + own * 4u * HEAD_BLOCKS + other;
        //: for r in range(4)
        let context_${r} = context[row + ${r}u * HEAD_BLOCKS];
        //: endfor
        dq += vec4<f32>(dot(context_0, g), dot(context_1, g), dot(context_2, g), dot(context_3, g));
        ds += vec4<f32>(
            //: for r in range(4)
            dot(dcontext[row + ${r}u * HEAD_BLOCKS], v - context_${r}),
            //: endfor
        );
        let most = statistics[2u * (of_head + other)];
        let total = statistics[2u * (of_head + other) + 1u];
        let s = exp(vec4<f32>(qkv[keys + other * plane]) - most) / total;
        let column = products + other * 4u * HEAD_BLOCKS + own;
        //: for r in range(4)
        dv += s[${r}] * dcontext[column + ${r}u * HEAD_BLOCKS];
        //: endfor
    }
    let most = statistics[2u * (of_head + own)];
    let total = statistics[2u * (of_head + own) + 1u];
    let dk = exp(vec4<f32>(qkv[keys + own * plane]) - most) / total * ds;
    let to = dims.dqkv_offset + n * dims.dqkv_batch + (head * HEAD_BLOCKS + own) * plane + p;
    //: for name in ["dq", "dk", "dv"]
    dqkv[to + ${loop.index0}u * blocks * plane] = stored(${name});
    //: endfor
}
//: endif
