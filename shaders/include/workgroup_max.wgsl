// The maximum over a workgroup, in the memory of workgroup_sum.wgsl.

fn workgroup_max(thread: u32, v: vec4<f32>) -> vec4<f32> {
    sums[thread] = v;
    workgroupBarrier();
    for (var reach = THREADS / 2u; reach > 0u; reach /= 2u) {
        if thread < reach {
            sums[thread] = max(sums[thread], sums[thread + reach]);
        }
        workgroupBarrier();
    }
    let most = sums[0];
    workgroupBarrier();
    return most;
}
