//! Pictures to the words of a device and back.

use crate::image::Picture;

/// The pixels of a picture, padded on the right and below by reflection to
/// `width` x `height`, as words of R, G, B, A from the lowest byte.
pub(super) fn padded(picture: &Picture, width: usize, height: usize) -> Vec<u32> {
    let columns: Vec<usize> = (0..width).map(|x| reflect(x, picture.width)).collect();
    let mut words = Vec::with_capacity(width * height);
    for y in 0..height {
        let start = 3 * picture.width * reflect(y, picture.height);
        let row = &picture.rgb[start..start + 3 * picture.width];
        words.extend(columns.iter().map(|&x| {
            let pixel = &row[3 * x..3 * x + 3];
            u32::from_le_bytes([pixel[0], pixel[1], pixel[2], 255])
        }));
    }
    words
}

/// The index that `at` is reflected to in `0..length`, without repeating the
/// edge; padding wider than the picture is reflected again and again.
fn reflect(at: usize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let period = 2 * (length - 1);
    let at = at % period;
    at.min(period - at)
}

/// The part of a result, `stride` words a row, that `input` enlarged by
/// `scale` covers, with what the input carries besides its colours.
pub(super) fn cropped(words: &[u32], stride: usize, input: &Picture, scale: usize) -> Picture {
    let (width, height) = (scale * input.width, scale * input.height);
    let mut rgb = Vec::with_capacity(3 * width * height);
    for row in words.chunks_exact(stride).take(height) {
        rgb.extend(row[..width].iter().flat_map(|word| {
            let [r, g, b, _] = word.to_le_bytes();
            [r, g, b]
        }));
    }
    let mut picture = Picture::new(width, height, rgb);
    if input.gray {
        picture = picture.into_gray();
    }
    picture.alpha = None; // TODO enlarge
    picture.icc_profile.clone_from(&input.icc_profile);
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_repeats_no_edge_and_goes_back_and_forth() {
        let reflected = |length| (0..7).map(|at| reflect(at, length)).collect::<Vec<_>>();
        assert_eq!(reflected(3), [0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(reflected(2), [0, 1, 0, 1, 0, 1, 0]);
        assert_eq!(reflected(1), [0; 7]);
    }

    #[test]
    fn padding_and_cropping_are_inverse() {
        let rgb: Vec<u8> = (0..3 * 5 * 3).collect();
        let picture = Picture::new(5, 3, rgb);
        let words = padded(&picture, 8, 4);
        assert_eq!(words.len(), 32);
        assert_eq!(words[0], 0xff02_0100);
        // Right of the last column comes the one before it.
        assert_eq!(words[5], words[3]);
        // Below the last row comes the one before it.
        assert_eq!(words[24..29], words[8..13]);
        assert_eq!(cropped(&words, 8, &picture, 1), picture);
    }
}
