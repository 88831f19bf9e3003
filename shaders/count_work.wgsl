// count_work: one more submit was done.
//
//   count += 1
//
// A submit ends with it. Binding 1 is an array that the submit's last kernel
// wrote: it is bound, though not read, so that the device is done with that
// kernel first.
//
// Layout: one number.
// Dispatch: one workgroup.

@group(0) @binding(0) var<storage, read_write> count: array<u32>; // (1)

@compute @workgroup_size(1, 1, 1)
fn count_work() {
    count[0] += 1u;
}
