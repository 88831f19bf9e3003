//! Blocks made true of the image that they go with.

use super::{Block, EXIF_DIRECTORY, INTEROPERABILITY, LONG, ORIENTATION, Place, SHORT};
use super::{X_RESOLUTION, Y_RESOLUTION};

/// Width and height, in the directories that may state them: that of the image, which
/// should not, that of EXIF and that of interoperability.
const MAIN_SIZE: [u16; 2] = [256, 257];
const EXIF_SIZE: [u16; 2] = [40_962, 40_963];
const RELATED_SIZE: [u16; 2] = [4097, 4098];

/// Makes a block true of an image that is upright and has this size: its
/// orientation is 1, and there is no thumbnail, which shows what was before. Where
/// the image was turned by a quarter, so is its resolution.
pub fn update(bytes: &mut [u8], size: [usize; 2], was_turned: bool) {
    for (at, new) in changes(bytes, size, was_turned).unwrap_or_default() {
        if let Some(place) = bytes.get_mut(at..at + new.len()) {
            place.copy_from_slice(&new);
        }
    }
}

/// Places and the bytes that belong there.
fn changes(bytes: &[u8], size: [usize; 2], was_turned: bool) -> Option<Vec<(usize, Vec<u8>)>> {
    let block = Block::new(bytes)?;
    let main = block.main_directory()?;
    let exif = block.sub_directory(EXIF_DIRECTORY);
    let below = exif.and_then(|exif| block.below(exif, INTEROPERABILITY));
    let mut changes = Vec::new();
    let mut set = |directory, tag, value: usize| {
        let place = block.find(directory, tag);
        changes.extend(place.and_then(|place| block.with_number(place, value)));
    };
    set(main, ORIENTATION, 1);
    let sizes = [
        (Some(main), MAIN_SIZE),
        (exif, EXIF_SIZE),
        (below, RELATED_SIZE),
    ];
    for (directory, tags) in sizes {
        for (tag, side) in tags.into_iter().zip(size) {
            if let Some(directory) = directory {
                set(directory, tag, side);
            }
        }
    }
    let resolution = [X_RESOLUTION, Y_RESOLUTION].map(|tag| block.find(main, tag)?.fraction());
    if let ([Some(x), Some(y)], true) = (resolution, was_turned) {
        for (from, to) in [(x, y), (y, x)] {
            changes.push((to, bytes[from..from + 8].to_vec()));
        }
    }
    if let Some(count) = block.u16(main) {
        let next = main + 2 + 12 * usize::from(count);
        changes.push((next, vec![0; 4]));
    }
    Some(changes)
}

impl Block<'_> {
    /// The change that gives a tag another number.
    fn with_number(&self, place: Place, value: usize) -> Option<(usize, Vec<u8>)> {
        let value = u32::try_from(value).ok()?;
        match (place.kind, u16::try_from(value)) {
            (LONG, _) => Some((place.at, self.u32_bytes(value).to_vec())),
            (SHORT, Ok(value)) => Some((place.at, self.u16_bytes(value).to_vec())),
            // It becomes one of 32 bits, for which entries have room: type, count, value.
            (SHORT, Err(_)) if place.length == 2 => {
                let [count, value] = [1, value].map(|number| self.u32_bytes(number));
                let entry = [&self.u16_bytes(LONG)[..], &count, &value].concat();
                Some((place.at - 6, entry))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{sample, short, text};
    use super::super::{Directories, Field, RESOLUTION_UNIT, directories, dpi, of_dpi};
    use super::*;

    #[test]
    fn an_update_changes_what_is_no_longer_true() {
        let mut block = sample().to_block();
        update(&mut block, [120, 160], false);
        let updated = directories(&block).unwrap();
        assert_eq!(
            updated.main,
            [text(271, "a camera\0"), short(ORIENTATION, 1)]
        );
        let size = EXIF_SIZE;
        assert_eq!(updated.exif, [short(size[0], 120), short(size[1], 160)]);
    }

    #[test]
    fn a_size_is_stated_wherever_it_is_and_has_room() {
        let number = |tag, value: u32| Field {
            tag,
            kind: LONG,
            count: 1,
            data: value.to_le_bytes().to_vec(),
        };
        let mut block = Directories {
            main: vec![number(256, 4), short(257, 3)],
            interoperability: vec![short(4097, 4), short(4098, 3)],
            ..sample()
        }
        .to_block();
        update(&mut block, [70_000, 160], false);
        let updated = directories(&block).unwrap();
        assert_eq!(updated.main, [number(256, 70_000), short(257, 160)]);
        let below = [number(4097, 70_000), short(4098, 160)];
        assert_eq!(updated.interoperability, below);
        assert_eq!(updated.exif[0], number(40_962, 70_000));
        assert_eq!(updated.gps, sample().gps);
    }

    #[test]
    fn a_resolution_is_turned_with_its_image() {
        for (was_turned, expected) in [(false, [300.0, 72.5]), (true, [72.5, 300.0])] {
            let mut block = of_dpi([300.0, 72.5]);
            update(&mut block, [1, 1], was_turned);
            assert_eq!(dpi(&block), Some(expected));
            let unit = directories(&block).unwrap().main.pop().unwrap();
            assert_eq!(unit, short(RESOLUTION_UNIT, 2));
        }
    }
}
