// Winograd's convolution F(OUTPUTS x OUTPUTS, 3x3), twin of ops::winograd: a
// tile of OUTPUTS x OUTPUTS results from POINTS x POINTS products,
// POINTS = OUTPUTS + 2.
//
// Parameters: OUTPUTS (2 or 4).

//: if OUTPUTS == 4
// The matrices for the points 0, +-a, +-b and infinity.
const A: f32 = 0.70710678;
const B: f32 = 1.41421356;
const A2: f32 = 0.5;
const B2: f32 = 2.0;

struct Points {
    p0: vec4<f32>,
    p1: vec4<f32>,
    p2: vec4<f32>,
    p3: vec4<f32>,
    p4: vec4<f32>,
    p5: vec4<f32>,
}

// B^T d: 6 pixels along an axis to the 6 points.
fn to_points(
    d0: vec4<f32>, d1: vec4<f32>, d2: vec4<f32>,
    d3: vec4<f32>, d4: vec4<f32>, d5: vec4<f32>,
) -> Points {
    let even_a = d4 - B2 * d2;
    let even_b = d4 - A2 * d2;
    let odd_a = A * (d3 - B2 * d1);
    let odd_b = B * (d3 - A2 * d1);
    return Points(
        d0 + d4 - (A2 + B2) * d2,
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        d1 + d5 - (A2 + B2) * d3,
    );
}

struct Results {
    r0: vec4<f32>,
    r1: vec4<f32>,
    r2: vec4<f32>,
    r3: vec4<f32>,
}

// A^T m: the products at the 6 points to the 4 results along an axis.
fn to_results(
    m0: vec4<f32>, m1: vec4<f32>, m2: vec4<f32>,
    m3: vec4<f32>, m4: vec4<f32>, m5: vec4<f32>,
) -> Results {
    let even_a = m1 + m2;
    let even_b = m3 + m4;
    let odd_a = m1 - m2;
    let odd_b = m3 - m4;
    return Results(
        m0 + even_a + even_b,
        A * odd_a + B * odd_b,
        A2 * even_a + B2 * even_b,
        A2 * A * odd_a + (B2 * B * odd_b + m5),
    );
}
//: else
// The matrices for the points 0, +-1 and infinity.
struct Points {
    p0: vec4<f32>,
    p1: vec4<f32>,
    p2: vec4<f32>,
    p3: vec4<f32>,
}

// B^T d: 4 pixels along an axis to the 4 points.
fn to_points(d0: vec4<f32>, d1: vec4<f32>, d2: vec4<f32>, d3: vec4<f32>) -> Points {
    return Points(d2 - d0, d1 + d2, d2 - d1, d3 - d1);
}

struct Results {
    r0: vec4<f32>,
    r1: vec4<f32>,
}

// A^T m: the products at the 4 points to the 2 results along an axis.
fn to_results(m0: vec4<f32>, m1: vec4<f32>, m2: vec4<f32>, m3: vec4<f32>) -> Results {
    return Results(m0 + (m1 + m2), m1 - m2 + m3);
}
//: endif
