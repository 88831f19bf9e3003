//! EXIF blocks: a small TIFF structure of tags without pixels.
//!
//! Blocks are carried whole, so that nothing in them is lost, and changed in
//! place where enlarging makes them untrue. Only TIFF files, which spread the
//! tags over their own directories, need them taken apart and put together.

mod directories;
mod multi_picture;
mod subject;
mod update;

pub use directories::{
    Directories, Field, INTEROPERABILITY, MAKER_NOTE, can_be_moved, directories, has_maker_note,
    is_descriptive, is_unknown, of_dpi,
};
pub use multi_picture::pictures;
pub use subject::{scale, turn};
pub use update::update;

pub const ORIENTATION: u16 = 274;
pub const X_RESOLUTION: u16 = 282;
pub const Y_RESOLUTION: u16 = 283;
pub const RESOLUTION_UNIT: u16 = 296;
pub const EXIF_DIRECTORY: u16 = 34_665;
pub const GPS_DIRECTORY: u16 = 34_853;
const COLOR_SPACE: u16 = 40_961;
/// In the directory of interoperability, by which rules a file is made.
const RULES: u16 = 1;

const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;

/// Bytes of one value of a type; none for types that EXIF does not have.
pub fn kind_bytes(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 => Some(8),
        _ => None,
    }
}

/// The block without the header that JPEG puts before it and that other
/// formats sometimes have too.
pub fn without_header(block: &[u8]) -> &[u8] {
    block.strip_prefix(b"Exif\0\0").unwrap_or(block)
}

/// The block of containers that say first how far into it it begins.
#[cfg(any(feature = "avif", feature = "jxl"))]
pub fn at_stated_start(block: &[u8]) -> Option<&[u8]> {
    // Some writers forget to.
    if block.starts_with(b"II*\0") || block.starts_with(b"MM\0*") {
        return Some(block);
    }
    let (start, block) = block.split_first_chunk::<4>()?;
    let block = block.get(u32::from_be_bytes(*start) as usize..)?;
    Some(without_header(block))
}

/// A block that is looked at where it lies.
struct Block<'a> {
    bytes: &'a [u8],
    little: bool,
}

/// Where a tag's value lies.
#[derive(Clone, Copy)]
struct Place {
    tag: u16,
    kind: u16,
    at: usize,
    length: usize,
}

impl Place {
    /// Where the value is, if it is one fraction.
    fn fraction(self) -> Option<usize> {
        (self.kind == RATIONAL && self.length == 8).then_some(self.at)
    }
}

impl<'a> Block<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let little = match bytes.get(..4)? {
            b"II*\0" => true,
            b"MM\0*" => false,
            _ => return None,
        };
        Some(Self { bytes, little })
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.little {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    }

    /// The bytes of a number, as the block has them.
    fn u16_bytes(&self, value: u16) -> [u8; 2] {
        match self.little {
            true => value.to_le_bytes(),
            false => value.to_be_bytes(),
        }
    }

    fn u32_bytes(&self, value: u32) -> [u8; 4] {
        match self.little {
            true => value.to_le_bytes(),
            false => value.to_be_bytes(),
        }
    }

    fn main_directory(&self) -> Option<usize> {
        Some(self.u32(4)? as usize)
    }

    /// The tags of the directory at `start` whose values lie in the block.
    fn places(&self, start: usize) -> Vec<Place> {
        let count = self.u16(start).unwrap_or(0);
        let place = |index: u16| {
            let at = start + 2 + 12 * usize::from(index);
            let (tag, kind, count) = (self.u16(at)?, self.u16(at + 2)?, self.u32(at + 4)?);
            let length = kind_bytes(kind)?.checked_mul(count as usize)?;
            let at = if length <= 4 {
                at + 8
            } else {
                self.u32(at + 8)? as usize
            };
            self.bytes.get(at..at.checked_add(length)?)?;
            Some(Place {
                tag,
                kind,
                at,
                length,
            })
        };
        (0..count).filter_map(place).collect()
    }

    fn find(&self, start: usize, tag: u16) -> Option<Place> {
        self.places(start)
            .into_iter()
            .find(|place| place.tag == tag)
    }

    /// The directory that a tag of the one at `start` points to.
    fn below(&self, start: usize, tag: u16) -> Option<usize> {
        let place = self.find(start, tag)?;
        Some(self.u32(place.at)? as usize)
    }

    fn sub_directory(&self, tag: u16) -> Option<usize> {
        self.below(self.main_directory()?, tag)
    }

    fn number(&self, place: Place) -> Option<u32> {
        match place.kind {
            SHORT => self.u16(place.at).map(u32::from),
            LONG => self.u32(place.at),
            _ => None,
        }
    }

    fn rational(&self, place: Place) -> Option<f64> {
        if place.kind != RATIONAL {
            return None;
        }
        let (over, under) = (self.u32(place.at)?, self.u32(place.at + 4)?);
        (under != 0).then(|| f64::from(over) / f64::from(under))
    }
}

/// The orientation that a block asks for, where it does.
pub fn orientation(block: &[u8]) -> Option<u32> {
    let block = Block::new(block)?;
    block.number(block.find(block.main_directory()?, ORIENTATION)?)
}

/// Whether a block says that colours are Adobe RGB, in the way of cameras (DCF 2.0):
/// not sRGB, and made by the rules for that space.
pub fn is_adobe_rgb(block: &[u8]) -> bool {
    const SRGB: u32 = 1;
    let is_adobe_rgb = || {
        let block = Block::new(block)?;
        let exif = block.sub_directory(EXIF_DIRECTORY)?;
        let space = block.number(block.find(exif, COLOR_SPACE)?)?;
        let rules = block.find(block.below(exif, INTEROPERABILITY)?, RULES)?;
        let rules = &block.bytes[rules.at..][..rules.length];
        Some(space != SRGB && rules.starts_with(b"R03"))
    };
    is_adobe_rgb().unwrap_or(false)
}

/// The resolution that a block states, in pixels an inch.
pub fn dpi(block: &[u8]) -> Option<[f64; 2]> {
    let block = Block::new(block)?;
    let main = block.main_directory()?;
    let unit = block.find(main, RESOLUTION_UNIT);
    let scale = match unit.and_then(|place| block.number(place)).unwrap_or(2) {
        2 => 1.0,
        3 => 2.54,
        _ => return None,
    };
    let value = |tag| Some(block.rational(block.find(main, tag)?)? * scale);
    let [x, y] = [value(X_RESOLUTION)?, value(Y_RESOLUTION)?];
    (x > 0.0 && y > 0.0).then_some([x, y])
}

/// A block with a resolution where it has none: its main directory is written
/// again at the end, and nothing else moves.
pub fn with_dpi(bytes: &[u8], resolution: [f64; 2]) -> Vec<u8> {
    let mut result = bytes.to_vec();
    let found = Block::new(bytes).and_then(|block| Some((block.main_directory()?, block)));
    let Some((main, block)) = found.filter(|_| dpi(bytes).is_none()) else {
        return result;
    };
    let ours = [X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT];
    // Whole entries, the values or offsets in them as they are.
    let count = usize::from(block.u16(main).unwrap_or(0));
    let entry = |index: usize| {
        let at = main + 2 + 12 * index;
        Some((block.u16(at)?, bytes.get(at..at + 12)?.to_vec()))
    };
    let mut entries: Vec<(u16, Vec<u8>)> = (0..count).filter_map(entry).collect();
    entries.retain(|(tag, _)| !ours.contains(tag));

    let short = |value| block.u16_bytes(value);
    let long = |value| block.u32_bytes(value);
    result.resize(result.len().next_multiple_of(2), 0);
    for (tag, value) in [X_RESOLUTION, Y_RESOLUTION].into_iter().zip(resolution) {
        let value_at = long(result.len() as u32);
        let parts = [&short(tag)[..], &short(RATIONAL), &long(1), &value_at];
        entries.push((tag, parts.concat()));
        result.extend(long((value * 1000.0).round() as u32));
        result.extend(long(1000));
    }
    let parts = [
        &short(RESOLUTION_UNIT)[..],
        &short(SHORT),
        &long(1),
        &short(2),
        &[0; 2],
    ];
    entries.push((RESOLUTION_UNIT, parts.concat()));
    entries.sort_by_key(|(tag, _)| *tag);

    let start = long(result.len() as u32);
    result[4..8].copy_from_slice(&start);
    result.extend(short(entries.len() as u16));
    result.extend(entries.into_iter().flat_map(|(_, entry)| entry));
    // No thumbnail: see `update`.
    result.extend([0; 4]);
    result
}

#[cfg(test)]
mod tests {
    use super::super::orientation::Orientation;
    use super::*;

    pub fn short(tag: u16, value: u16) -> Field {
        Field {
            tag,
            kind: SHORT,
            count: 1,
            data: value.to_le_bytes().to_vec(),
        }
    }

    pub fn text(tag: u16, text: &str) -> Field {
        Field {
            tag,
            kind: 2,
            count: text.len() as u32,
            data: text.as_bytes().to_vec(),
        }
    }

    pub fn sample() -> Directories {
        Directories {
            main: vec![text(271, "a camera\0"), short(ORIENTATION, 6)],
            exif: vec![short(40_962, 40), short(40_963, 30)],
            gps: vec![text(1, "N\0")],
            interoperability: vec![text(1, "R98\0")],
        }
    }

    #[test]
    fn a_block_taken_apart_and_put_together_is_the_same() {
        let block = sample().to_block();
        assert_eq!(directories(&block), Some(sample()));
        assert_eq!(orientation(&block), Some(6));
    }

    #[test]
    fn broken_blocks_do_no_harm() {
        let block = sample().to_block();
        for length in 0..block.len() {
            let mut cut = block[..length].to_vec();
            update(&mut cut, [1, 1], true);
            let _ = (directories(&cut), orientation(&cut), dpi(&cut));
        }
        for index in 0..block.len() {
            let mut wrong = block.clone();
            wrong[index] = 0xff;
            update(&mut wrong, [70_000, 1], true);
            scale(&mut wrong, [1, 1], [70_000, 1]);
            turn(&mut wrong, [3, 2], Orientation::new(6));
            let _ = (directories(&wrong), orientation(&wrong), dpi(&wrong));
        }
    }

    #[test]
    fn a_resolution_is_added_and_none_is_replaced() {
        let block = with_dpi(&sample().to_block(), [300.0, 150.0]);
        assert_eq!(dpi(&block), Some([300.0, 150.0]));
        let added = directories(&block).unwrap();
        assert_eq!(added.main[..2], sample().main);
        assert_eq!((added.exif, added.gps), (sample().exif, sample().gps));
        assert_eq!(with_dpi(&block, [1.0, 1.0]), block);
        assert_eq!(with_dpi(b"MM", [1.0, 1.0]), b"MM");
    }

    #[test]
    fn a_resolution_comes_back() {
        assert_eq!(dpi(&of_dpi([300.0, 72.5])), Some([300.0, 72.5]));
    }
}
