// Sums over a workgroup of THREADS invocations, in a fixed order.

var<workgroup> sums: array<${SUM_TYPE}, THREADS>;

fn workgroup_sum(thread: u32, v: ${SUM_TYPE}) -> ${SUM_TYPE} {
    sums[thread] = v;
    workgroupBarrier();
    for (var reach = THREADS / 2u; reach > 0u; reach /= 2u) {
        if thread < reach {
            sums[thread] += sums[thread + reach];
        }
        workgroupBarrier();
    }
    let sum = sums[0];
    workgroupBarrier();
    return sum;
}
