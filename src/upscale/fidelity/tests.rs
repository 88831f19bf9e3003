use super::*;
use crate::image::{Border, Picture};

const SCALE: usize = 4;

/// Compares a flat grey image with its enlargement, black in a square.
fn is_lost(size: [usize; 2], black: Option<([usize; 2], usize)>) -> bool {
    let [width, height] = size.map(|side| side * SCALE);
    let picture = Picture::new(size[0], size[1], vec![128; 3 * size[0] * size[1]]);
    let colors = Colors::new(&picture, Border::Reflected).unwrap();
    let grey = 2.0 * 128.0 / 255.0 - 1.0;
    let up = vec![grey; 3 * width * height];
    let mut sr = up.clone();
    if let Some(([left, top], side)) = black {
        for plane in sr.chunks_exact_mut(width * height) {
            for row in plane
                .chunks_exact_mut(width)
                .skip(top * SCALE)
                .take(side * SCALE)
            {
                row[left * SCALE..][..side * SCALE].fill(-1.0);
            }
        }
    }
    let [sr, up] = [&sr, &up].map(|values| Planes {
        values,
        stride: width,
        first: [0, 0],
    });
    let mut fidelity = Fidelity::new(&colors, [width, height]).unwrap();
    fidelity.push(height, &sr, &up).unwrap();
    fidelity.is_lost()
}

#[test]
fn a_black_tile_of_a_large_image_is_seen() {
    // Less than the limit over the whole image.
    let size = [32 * 11 + 31, 32 * 11 + 17];
    assert!(!is_lost(size, None));
    for corner in [[0, 0], [160, 160], [64, size[1] - 32], [size[0] - 32, 96]] {
        assert!(is_lost(size, Some((corner, 32))), "{corner:?}");
    }
}

#[test]
fn blocks_cover_all_sizes() {
    for size in [[1, 1], [1, 100], [31, 33], [32, 32], [63, 64], [65, 95]] {
        assert!(!is_lost(size, None), "{size:?}");
        let side = size[0].min(size[1]);
        assert!(is_lost(size, Some(([0, 0], side))), "{size:?}");
    }
}
