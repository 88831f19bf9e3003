//! TIFF files whose samples were multiplied with their opacity.

use super::files::{Folder, SHORT, page, tiff_pages};
use srdiff::image::{Picture, Samples};

const OPACITY: u8 = 128;

/// The colour of a pixel of these samples, stored as they are and multiplied.
fn colors(photometric: u32, stored: &[u8], multiplied: &[u8], map: &[u32]) -> [Vec<u8>; 2] {
    [(2, stored), (1, multiplied)].map(|(kind, samples)| {
        let samples = [samples, &[OPACITY]].concat();
        let mut tags = page([1, 1], [8, samples.len() as u32], 1, photometric);
        tags.push((338, SHORT, vec![kind]));
        if !map.is_empty() {
            tags.push((320, SHORT, map.to_vec()));
        }
        let folder = Folder::new();
        let path = folder.write("file.tif", tiff_pages(&[(&tags, &samples)]));
        let picture = Picture::open(&path).unwrap();
        assert_eq!(picture.alpha, Some(Samples::from(vec![OPACITY])));
        picture.rgb8().into_owned()
    })
}

#[test]
fn they_are_divided_before_they_become_colours() {
    // Signed numbers: b is -40.
    let [lab, multiplied_lab] = [[150, 60, 216], [75, 30, 236]];
    for (photometric, stored, multiplied) in [
        (0, &[80][..], &[40][..]),
        (1, &[80], &[40]),
        (2, &[200, 100, 50], &[100, 50, 25]),
        (5, &[128, 186, 80, 0], &[64, 93, 40, 0]),
        (8, &lab, &multiplied_lab),
    ] {
        let [plain, divided] = colors(photometric, stored, multiplied, &[]);
        for (a, b) in plain.iter().zip(&divided) {
            assert!(a.abs_diff(*b) <= 2, "{photometric}: {plain:?} {divided:?}");
        }
    }
}

#[test]
fn colours_of_a_map_are_not_divided() {
    let map: Vec<u32> = (0..768).map(|index| index * 85).collect();
    let [plain, other] = colors(3, &[60], &[60], &map);
    assert_eq!(plain, other);
}
