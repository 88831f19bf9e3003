//! Square parts of images, turned and mirrored.

/// One of the 8 ways to turn and mirror a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symmetry(u8);

impl Symmetry {
    pub const COUNT: u64 = 8;

    /// # Panics
    /// When there is no such way.
    pub fn new(number: u64) -> Self {
        assert!(number < Self::COUNT, "symmetry {number}");
        Self(number as u8)
    }

    /// Where the pixel at `[x, y]` of the result comes from.
    fn source(self, [x, y]: [usize; 2], side: usize) -> [usize; 2] {
        let [x, y] = if self.0 & 4 > 0 { [y, x] } else { [x, y] };
        let mirrored = |at: usize, bit: u8| match self.0 & bit > 0 {
            true => side - 1 - at,
            false => at,
        };
        [mirrored(x, 1), mirrored(y, 2)]
    }
}

/// The square of `side` pixels at `[left, top]` of an image of `width`, `r, g, b`
/// of each pixel, turned or mirrored.
pub(super) fn crop(
    rgb: &[u8],
    width: usize,
    [left, top]: [usize; 2],
    side: usize,
    symmetry: Symmetry,
) -> Vec<u8> {
    let mut result = Vec::with_capacity(3 * side * side);
    for y in 0..side {
        for x in 0..side {
            let [x, y] = symmetry.source([x, y], side);
            let at = 3 * ((top + y) * width + left + x);
            result.extend_from_slice(&rgb[at..at + 3]);
        }
    }
    result
}

/// Appends the planes of `rgb`, each value by `map`.
pub(super) fn push_planes(planes: &mut Vec<f32>, rgb: &[u8], map: impl Fn(u8) -> f32) {
    for channel in 0..3 {
        planes.extend(rgb.iter().skip(channel).step_by(3).map(|&value| map(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_eight_different_ways_and_the_first_changes_nothing() {
        let rgb: Vec<u8> = (0..3 * 20).collect();
        let all: Vec<Vec<u8>> = (0..8)
            .map(|n| crop(&rgb, 5, [1, 1], 3, Symmetry::new(n)))
            .collect();
        assert_eq!(all[0][..9], rgb[3 * 6..][..9]);
        assert_eq!(all[0][9..18], rgb[3 * 11..][..9]);
        for (at, one) in all.iter().enumerate() {
            let mut sorted = one.clone();
            sorted.sort_unstable();
            let mut first = all[0].clone();
            first.sort_unstable();
            assert_eq!(sorted, first);
            assert!(!all[..at].contains(one));
        }
    }
}
