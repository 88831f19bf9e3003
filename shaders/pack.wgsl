// pack: a tensor re-ordered and padded with zeros, as a kernel reads it.
//
//   packed[i] = plain[n, c, h, w], or 0 where that lies outside of `plain`
//
// i counts through `axes`, the last one fastest. Each axis steps along one
// coordinate of `plain`, backwards from its end if reversed; a coordinate is
// the sum of its axes' steps. One
// coordinate, `channel_coordinate`, may count stored channels: those of a
// concatenation whose parts are padded. `segments` translate them; between
// the segments is padding.
//
// With WINOGRAD, plain's kernels of 3 x 3 are transformed first (twin:
// ops::winograd), and (h, w) is a place among the products:
//
//   packed[i] = (G g G^T)[h, w], g = plain[n, c], turned by 180 degrees if TURNED
//
// Layout: plain is (n, c, h, w) in f32. packed has an element in a word, its
// f32's bits, or with F16 two elements in a word, the first in the low half.
// Dispatch: an invocation makes a word; workgroups of 64,
// grid (columns / 64, rows, 1), columns * rows at least the number of words.
// Parameters: F16 (0 or 1), WINOGRAD (0, or 2 or 4 results of a tile),
// and with it TURNED.

struct Dims {
    count: u32, // elements of packed
    columns: u32, // words of a row of the grid
    axes_count: u32,
    segments_count: u32,
    channel_coordinate: u32, // 4: none
    shape: vec4<u32>, // of plain
    axes: array<vec4<u32>, 8>, // size, coordinate, step, reversed
    segments: array<vec4<u32>, 16>, // first stored channel, first plain channel, channels, 0
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> plain: array<f32>; // (n, c, h, w)
@group(0) @binding(2) var<storage, read_write> packed: array<u32>; // (words)

// Which coordinate is number k.
fn is_coordinate(k: u32) -> vec4<bool> {
    return vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(k);
}

//: if WINOGRAD == 4
// Row i of G, for the points 0, +-sqrt(1/2), +-sqrt(2) and infinity.
fn along_axis(i: u32) -> vec3<f32> {
    switch i {
        case 0u: { return vec3<f32>(1.0, 0.0, 0.0); }
        case 1u: { return vec3<f32>(1.0, 0.70710678, 0.5) / -1.5; }
        case 2u: { return vec3<f32>(1.0, -0.70710678, 0.5) / -1.5; }
        case 3u: { return vec3<f32>(1.0, 1.41421356, 2.0) / 6.0; }
        case 4u: { return vec3<f32>(1.0, -1.41421356, 2.0) / 6.0; }
        default: { return vec3<f32>(0.0, 0.0, 1.0); }
    }
}

//: endif
//: if WINOGRAD == 2
// Row i of G, for the points 0, +-1 and infinity.
fn along_axis(i: u32) -> vec3<f32> {
    switch i {
        case 0u: { return vec3<f32>(-1.0, 0.0, 0.0); }
        case 1u: { return vec3<f32>(0.5, 0.5, 0.5); }
        case 2u: { return vec3<f32>(0.5, -0.5, 0.5); }
        default: { return vec3<f32>(0.0, 0.0, 1.0); }
    }
}

//: endif
// The bits of element i of packed.
fn element(i: u32) -> u32 {
    var at = vec4<u32>(0u);
    var rest = i;
    for (var a = dims.axes_count; a > 0u; a--) {
        let axis = dims.axes[a - 1u];
        let index = rest % axis.x;
        let distance = axis.z * select(index, axis.x - 1u - index, axis.w != 0u);
        at += select(vec4<u32>(0u), vec4<u32>(distance), is_coordinate(axis.y));
        rest /= axis.x;
    }
    if dims.channel_coordinate < 4u {
        let stored = at[dims.channel_coordinate];
        var channel = 0xffffffffu; // outside of any shape
        for (var s = 0u; s < dims.segments_count; s++) {
            let segment = dims.segments[s];
            if stored >= segment.x && stored - segment.x < segment.z {
                channel = segment.y + (stored - segment.x);
            }
        }
        at = select(at, vec4<u32>(channel), is_coordinate(dims.channel_coordinate));
    }
    let shape = dims.shape;
    //: if WINOGRAD
    if i >= dims.count || any(at >= vec4<u32>(shape.xy, vec2<u32>(${WINOGRAD + 2}u))) {
        return 0u;
    }
    let first = (at.x * shape.y + at.y) * 9u;
    let g = along_axis(at.z);
    //: for column in ["left", "middle", "right"]
    //: set at = [0, 3, 6] if not TURNED else [8, 5, 2]
    //: set step = -loop.index0 if TURNED else loop.index0
    let ${column} = dot(g, vec3<f32>(plain[first + ${at[0] + step}u], plain[first + ${at[1] + step}u], plain[first + ${at[2] + step}u]));
    //: endfor
    return bitcast<u32>(dot(along_axis(at.w), vec3<f32>(left, middle, right)));
    //: else
    if i >= dims.count || any(at >= shape) {
        return 0u;
    }
    let index = ((at.x * shape.y + at.y) * shape.z + at.z) * shape.w + at.w;
    return bitcast<u32>(plain[index]);
    //: endif
}
//: if F16

// The f16 nearest to an f32, both as bits; ties go to the even one.
// (pack2x16float leaves the rounding to the driver.)
fn half_bits(bits: u32) -> u32 {
    let sign = (bits >> 16u) & 0x8000u;
    let magnitude = bits & 0x7fffffffu;
    if magnitude > 0x7f800000u { // NaN
        return sign | 0x7e00u | ((magnitude >> 13u) & 0x3ffu);
    }
    if magnitude >= 0x47800000u { // 2^16
        return sign | 0x7c00u;
    }
    if magnitude >= 0x38800000u { // 2^-14, the least normal f16
        // The exponent's bias is 127 there, 15 here. Rounding carries into the
        // exponent, and from the greatest f16 to infinity.
        let rebiased = magnitude - (112u << 23u);
        return sign | ((rebiased + 0xfffu + ((rebiased >> 13u) & 1u)) >> 13u);
    }
    if magnitude < 0x33000000u { // 2^-25, half of the least f16
        return sign;
    }
    // A multiple of 2^-24.
    let mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    let dropped = 126u - (magnitude >> 23u);
    let odd = (mantissa >> dropped) & 1u;
    return sign | ((mantissa + (1u << (dropped - 1u)) - 1u + odd) >> dropped);
}
//: endif

@compute @workgroup_size(64, 1, 1)
fn pack(@builtin(global_invocation_id) id: vec3<u32>) {
    let word = id.y * dims.columns + id.x;
    //: if F16
    if id.x < dims.columns && word < (dims.count + 1u) / 2u {
        packed[word] = half_bits(element(2u * word)) | (half_bits(element(2u * word + 1u)) << 16u);
    }
    //: else
    if id.x < dims.columns && word < dims.count {
        packed[word] = element(word);
    }
    //: endif
}
