//! Where in an image something is, and how large a pixel was where it was taken.

use super::super::orientation::Orientation;
use super::{Block, EXIF_DIRECTORY, Place, SHORT};

/// A point, and the diameter of the circle or the sides of the rectangle around it.
const SUBJECT: [u16; 2] = [37_396, 41_492];
/// Pixels a unit of the sensor, across and down.
const FOCAL_PLANE: [u16; 2] = [41_486, 41_487];

/// Makes a block true of an image of the size `stored` that was turned upright.
pub fn turn(bytes: &mut [u8], stored: [usize; 2], turned: Orientation) {
    let shown = turned.shown_size(stored);
    let (first, steps) = turned.places(stored);
    change_subject(bytes, |subject| {
        let [x, y, sides @ ..] = subject else { return };
        if usize::from(*x) >= stored[0] || usize::from(*y) >= stored[1] {
            return;
        }
        let place = (first + *x as isize * steps[0] + *y as isize * steps[1]) as usize;
        [*x, *y] = [place % shown[0], place / shown[0]].map(|at| at as u16);
        if let ([width, height], true) = (sides, turned.swaps_sides()) {
            std::mem::swap(width, height);
        }
    });
    if turned.swaps_sides()
        && let [Some(x), Some(y)] = focal_plane(bytes)
    {
        let [across, down] = [x, y].map(|at| bytes[at..at + 8].to_vec());
        bytes[x..x + 8].copy_from_slice(&down);
        bytes[y..y + 8].copy_from_slice(&across);
    }
}

/// Makes a block true of an image in another size.
pub fn scale(bytes: &mut [u8], from: [usize; 2], to: [usize; 2]) {
    let scaled = |value: u32, side: usize| {
        let value = u128::from(value) * to[side] as u128;
        (value + from[side] as u128 / 2) / from[side] as u128
    };
    change_subject(bytes, |subject| {
        for (index, value) in subject.iter_mut().enumerate() {
            let new = scaled((*value).into(), index % 2);
            *value = new.min(u16::MAX.into()) as u16;
        }
    });
    for (side, at) in focal_plane(bytes).into_iter().enumerate() {
        let Some((at, block)) = at.zip(Block::new(bytes)) else {
            continue;
        };
        let parts = block.u32(at).zip(block.u32(at + 4));
        let new = parts.and_then(|(over, under)| {
            fraction(
                u128::from(over) * to[side] as u128,
                u128::from(under) * from[side] as u128,
            )
        });
        let new = new.map(|parts| parts.map(|part| block.u32_bytes(part)).concat());
        if let Some(new) = new {
            bytes[at..at + 8].copy_from_slice(&new);
        }
    }
}

/// A fraction in numbers of 32 bits, rounded where it needs more.
fn fraction(over: u128, under: u128) -> Option<[u32; 2]> {
    let (mut a, mut b) = (over, under);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    let parts = [over, under].map(|part| part / a.max(1));
    let excess = 96u32.saturating_sub(parts[0].max(parts[1]).leading_zeros());
    let new = parts.map(|part| (part >> excess) as u32);
    (new[1] > 0 || under == 0).then_some(new)
}

/// Changes the numbers that say where the subject is.
fn change_subject(bytes: &mut [u8], change: impl Fn(&mut [u16])) {
    for tag in SUBJECT {
        let Some((place, block)) = find(bytes, tag).zip(Block::new(bytes)) else {
            continue;
        };
        let numbers = (place.at..place.at + place.length).step_by(2);
        let numbers: Option<Vec<u16>> = numbers.map(|at| block.u16(at)).collect();
        if let (Some(mut numbers), SHORT, 4..=8) = (numbers, place.kind, place.length) {
            change(&mut numbers);
            let new = numbers
                .into_iter()
                .flat_map(|number| block.u16_bytes(number));
            let new: Vec<u8> = new.collect();
            bytes[place.at..place.at + new.len()].copy_from_slice(&new);
        }
    }
}

fn focal_plane(bytes: &[u8]) -> [Option<usize>; 2] {
    FOCAL_PLANE.map(|tag| find(bytes, tag)?.fraction())
}

fn find(bytes: &[u8], tag: u16) -> Option<Place> {
    let block = Block::new(bytes)?;
    block.find(block.sub_directory(EXIF_DIRECTORY)?, tag)
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{Directories, Field, RATIONAL, directories};
    use super::*;

    fn field(tag: u16, kind: u16, data: Vec<u8>) -> Field {
        let count = data.len() as u32 / if kind == SHORT { 2 } else { 8 };
        Field {
            tag,
            kind,
            count,
            data,
        }
    }

    fn fields(subject: &[u16], [x, y]: [[u32; 2]; 2]) -> Vec<Field> {
        let shorts = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let ratio = |parts: [u32; 2]| parts.map(u32::to_le_bytes).concat();
        vec![
            field(SUBJECT[0], SHORT, shorts(subject)),
            field(FOCAL_PLANE[0], RATIONAL, ratio(x)),
            field(FOCAL_PLANE[1], RATIONAL, ratio(y)),
            field(SUBJECT[1], SHORT, shorts(&subject[..2])),
        ]
    }

    fn changed(exif: Vec<Field>, change: impl Fn(&mut [u8])) -> Vec<Field> {
        let mut block = Directories { exif, ..sample() }.to_block();
        change(&mut block);
        directories(&block).unwrap().exif
    }

    #[test]
    fn a_subject_is_turned_with_its_image() {
        let resolution = [[3000, 10], [200, 1]];
        let before = || fields(&[7, 2, 3, 1], resolution);
        for (orientation, expected) in [(1, [7, 2, 3, 1]), (3, [2, 5, 3, 1]), (6, [5, 7, 1, 3])] {
            let [x, y] = resolution;
            let expected = fields(&expected, if orientation == 6 { [y, x] } else { [x, y] });
            let turned = Orientation::new(orientation);
            let found = changed(before(), |block| turn(block, [10, 8], turned));
            assert_eq!(found, expected, "{orientation}");
        }
        // That of another image.
        let found = changed(before(), |block| turn(block, [7, 8], Orientation::new(2)));
        assert_eq!(found, before());
    }

    #[test]
    fn a_subject_is_as_large_as_its_image() {
        let before = fields(&[7, 2, 3], [[3000, 10], [u32::MAX, 7]]);
        let after = fields(&[28, 5, 12], [[1200, 1], [u32::MAX / 3, 1]]);
        let found = changed(before, |block| scale(block, [10, 9], [40, 21]));
        assert_eq!(found, after);
        let before = fields(&[7, 60_000], [[0, 0], [1 << 31, 70]]);
        let after = fields(&[28, 65_535], [[0, 0], [13 << 28, 35 >> 2]]);
        let found = changed(before, |block| scale(block, [10, 10], [40, 130]));
        assert_eq!(found, after);
    }
}
