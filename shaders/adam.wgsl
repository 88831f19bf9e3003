// adam: a step of Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter
// 2019), and a moving average of the parameter. With k = step:
//
//   g = gradient * k.gradient_scale + k.l2 * parameter
//   m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2
//   parameter' = parameter - k.rate (m' / k.correction1
//       / (sqrt(v' / k.correction2) + epsilon) + k.decay parameter)
//   average' = k.average average + (1 - k.average) parameter'
//
// Layout: tensors in PyTorch's order; the first four are updated in place. step
// is (7): rate, gradient_scale, l2, decay, correction1, correction2, average.
//
// Dispatch: an invocation for each element, workgroups of 256,
// grid (columns / 256, rows, 1), columns * rows at least the number of elements.

override BETA1: f32 = 0.9;
override BETA2: f32 = 0.999;
override EPSILON: f32 = 1e-8;

struct Dims {
    count: u32, // elements
    columns: u32, // of the grid
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> gradient: array<f32>; // (count)
@group(0) @binding(2) var<storage, read> step: array<f32>; // (7)
@group(0) @binding(3) var<storage, read_write> parameter: array<f32>; // (count)
@group(0) @binding(4) var<storage, read_write> m: array<f32>; // (count)
@group(0) @binding(5) var<storage, read_write> v: array<f32>; // (count)
@group(0) @binding(6) var<storage, read_write> average: array<f32>; // (count)

@compute @workgroup_size(256, 1, 1)
fn adam(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.y * dims.columns + id.x;
    if i >= dims.count {
        return;
    }
    let rate = step[0];
    let gradient_scale = step[1];
    let l2 = step[2];
    let decay = step[3];
    let correction1 = step[4];
    let correction2 = step[5];
    let kept = step[6]; // of the average
    let p = parameter[i];
    let g = gradient[i] * gradient_scale + l2 * p;
    let first = BETA1 * m[i] + (1.0 - BETA1) * g;
    let second = BETA2 * v[i] + (1.0 - BETA2) * g * g;
    let root = sqrt(second / correction2);
    let change = first / correction1 / (root + EPSILON) + decay * p;
    let next = p - rate * change;
    m[i] = first;
    v[i] = second;
    parameter[i] = next;
    average[i] = kept * average[i] + (1.0 - kept) * next;
}
