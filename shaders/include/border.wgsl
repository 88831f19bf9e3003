//: if KERNEL > 1
// The pixel that stands at coordinate i of an axis of n pixels, for padding
// by REFLECT of 1 pixel (0: by zeros). Any pixel will do farther out, where tiles
// end: results there are not stored.
fn border(i: i32, n: i32) -> i32 {
    //: if REFLECT
    let mirrored = select(i, -i, i < 0);
    return clamp(select(mirrored, 2 * n - 2 - mirrored, mirrored >= n), 0, n - 1);
    //: else
    return clamp(i, 0, n - 1);
    //: endif
}

//: if not REFLECT
fn is_inside(i: i32, n: i32) -> bool {
    return i >= 0 && i < n;
}
//: endif
//: endif
