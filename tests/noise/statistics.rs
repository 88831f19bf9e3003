//! How the values are distributed, each by itself.

/// A check and its normal score.
pub type Score = (String, f64);

/// Mean of `x^p` against the normal distribution's, for p = 1, 2, 3, 4, 6.
pub fn moments(normals: &[[f32; 4]]) -> Vec<Score> {
    // E x^p and E x^2p.
    [
        (1, 0.0, 1.0),
        (2, 1.0, 3.0),
        (3, 0.0, 15.0),
        (4, 3.0, 105.0),
        (6, 15.0, 10_395.0),
    ]
    .into_iter()
    .map(|(power, expected, square)| {
        let n = (normals.len() * 4) as f64;
        let sum: f64 = normals
            .iter()
            .flatten()
            .map(|&z| f64::from(z).powi(power))
            .sum();
        let deviation: f64 = f64::sqrt(square - expected * expected);
        (
            format!("moment {power}"),
            (sum / n - expected) * n.sqrt() / deviation,
        )
    })
    .collect()
}

/// How many values lie beyond some sigmas, on each side.
pub fn tails(normals: &[[f32; 4]]) -> Vec<Score> {
    // 1 - Phi(threshold).
    let upper = [
        (1.0, 0.158_655_253_931_457),
        (2.0, 0.022_750_131_948_179),
        (3.0, 0.001_349_898_031_630),
        (4.0, 3.167_124_183_311_99e-5),
        (4.5, 3.397_673_124_730_06e-6),
    ];
    let mut scores = Vec::new();
    for (threshold, p) in upper {
        for sign in [1.0, -1.0f32] {
            let count = normals
                .iter()
                .flatten()
                .filter(|&&z| z * sign > threshold)
                .count();
            let n = (normals.len() * 4) as f64;
            let score = (count as f64 - n * p) / (n * p * (1.0 - p)).sqrt();
            scores.push((format!("tail beyond {}", threshold * sign), score));
        }
    }
    scores
}

/// Chi-square of the values over 16 cells of equal probability.
pub fn histogram(normals: &[[f32; 4]]) -> Score {
    // Phi^-1(k / 16) for k = 8..16; the others are their negatives.
    const EDGES: [f32; 8] = [
        0.0,
        0.157_310_68,
        0.318_639_36,
        0.488_776_4,
        0.674_489_74,
        0.887_146_56,
        1.150_349_4,
        1.534_120_5,
    ];
    let mut counts = [0u32; 16];
    for &z in normals.iter().flatten() {
        let beyond = EDGES.iter().filter(|&&edge| z.abs() >= edge).count();
        counts[if z < 0.0 { 8 - beyond } else { 7 + beyond }] += 1;
    }
    ("histogram".to_owned(), chi_square_score(&counts))
}

/// Chi-square of each byte of each word over its 256 values.
pub fn bytes(words: &[[u32; 4]]) -> Vec<Score> {
    let mut scores = Vec::new();
    for word in 0..4 {
        for byte in 0..4 {
            let mut counts = [0u32; 256];
            for w in words {
                counts[w[word].to_le_bytes()[byte] as usize] += 1;
            }
            scores.push((
                format!("byte {byte} of word {word}"),
                chi_square_score(&counts),
            ));
        }
    }
    scores
}

/// Chi-square of counts that ought to be equal, as a normal score (Wilson &
/// Hilferty 1931).
fn chi_square_score(counts: &[u32]) -> f64 {
    let total: f64 = counts.iter().map(|&c| f64::from(c)).sum();
    let expected = total / counts.len() as f64;
    let chi: f64 = counts
        .iter()
        .map(|&c| (f64::from(c) - expected).powi(2) / expected)
        .sum();
    let freedom = (counts.len() - 1) as f64;
    let variance = 2.0 / (9.0 * freedom);
    ((chi / freedom).cbrt() - (1.0 - variance)) / variance.sqrt()
}
