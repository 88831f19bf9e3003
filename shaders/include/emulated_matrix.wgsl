// The matrix operations of conv2d_matrix.wgsl in plain code, for tests where
// there are no matrix units. An invocation of a subgroup holds HELD neighbouring
// elements of a row of each sum. Of factors it remembers where they lie: they
// are read when they are multiplied, before the next barrier.
//
// Parameters: SIDE, SUBGROUP (SIDE at least); uses the arrays x_tile, w and sums.

var<private> emulated_lane: u32;
// SIDE, but compilers cannot know and so unroll no loop: there are many.
var<private> emulated_side: u32;

// First element and distance of rows, in elements of the array.
struct Left {
    at: u32,
    pitch: u32,
}

struct Right {
    at: u32,
    pitch: u32,
}

//: set HELD = SIDE * SIDE // SUBGROUP
struct Sum {
    //: for h in range(HELD)
    held_${h}: f32,
    //: endfor
}

fn load_left(at: u32, pitch: u32) -> Left {
    return Left(at, pitch);
}

fn load_right(at: u32, pitch: u32) -> Right {
    return Right(at, pitch);
}

fn multiply_add(a: Left, b: Right, c: Sum) -> Sum {
    let row = emulated_lane / ${SIDE // HELD}u;
    let column = emulated_lane % ${SIDE // HELD}u * ${HELD}u;
    var sum = c;
    for (var k = 0u; k < emulated_side; k++) {
        //: if SIDE == 16
        let v = f32(x_tile[a.at + row * a.pitch + k / 4u][k % 4u]);
        //: else
        let v = f32(x_tile[a.at + row * a.pitch + k]);
        //: endif
        let w_at = b.at + k * b.pitch + column;
        //: for h in range(HELD)
        sum.held_${h} += v * f32(w[w_at + ${h}u]);
        //: endfor
    }
    return sum;
}

fn store_sum(sum: Sum, at: u32, pitch: u32) {
    let row = emulated_lane / ${SIDE // HELD}u;
    let column = emulated_lane % ${SIDE // HELD}u * ${HELD}u;
    //: if SIDE == 16
    let to = at + row * pitch + column / 4u;
    //: for q in range(HELD // 4)
    sums[to + ${q}u] = vec4<f32>(sum.held_${4 * q}, sum.held_${4 * q + 1}, sum.held_${4 * q + 2}, sum.held_${4 * q + 3});
    //: endfor
    //: else
    let to = at + row * pitch + column;
    //: for h in range(HELD)
    sums[to + ${h}u] = sum.held_${h};
    //: endfor
    //: endif
}
