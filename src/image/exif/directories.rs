//! The tags of a block, for TIFF files, which spread them over their own
//! directories.

use super::{Block, EXIF_DIRECTORY, GPS_DIRECTORY, LONG, RATIONAL, RESOLUTION_UNIT, SHORT};
use super::{X_RESOLUTION, Y_RESOLUTION};

/// A tag of a directory, its value in little endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub tag: u16,
    pub kind: u16,
    pub count: u32,
    pub data: Vec<u8>,
}

/// The directories of a block that are carried to and from TIFF files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directories {
    pub main: Vec<Field>,
    pub exif: Vec<Field>,
    pub gps: Vec<Field>,
}

/// Tags of a TIFF file's main directory that EXIF knows too and that say
/// nothing about how the pixels are stored.
pub const DESCRIPTIVE: [u16; 8] = [270, 271, 272, 305, 306, 315, 33_432, 316];

const INTEROPERABILITY: u16 = 40_965;
const MAKER_NOTE: u16 = 37_500;

/// The width of the parts of a value that byte order reverses.
fn unit_bytes(kind: u16) -> usize {
    match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        12 => 8,
        _ => 4,
    }
}

impl Block<'_> {
    /// The fields of a directory, less those that point to places in the block.
    fn fields(&self, start: usize) -> Vec<Field> {
        let pointers = [
            EXIF_DIRECTORY,
            GPS_DIRECTORY,
            INTEROPERABILITY,
            MAKER_NOTE,
            // The thumbnail's.
            513,
            514,
        ];
        let places = self.places(start).into_iter();
        places
            .filter(|place| !pointers.contains(&place.tag))
            .map(|place| {
                let mut data = self.bytes[place.at..place.at + place.length].to_vec();
                if !self.little {
                    let unit = unit_bytes(place.kind);
                    data.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
                }
                Field {
                    tag: place.tag,
                    kind: place.kind,
                    count: place.count,
                    data,
                }
            })
            .collect()
    }
}

/// A block taken apart; none where it is no block.
pub fn directories(block: &[u8]) -> Option<Directories> {
    let block = Block::new(block)?;
    let sub = |tag| {
        let start = block.sub_directory(tag);
        start.map(|start| block.fields(start)).unwrap_or_default()
    };
    Some(Directories {
        main: block.fields(block.main_directory()?),
        exif: sub(EXIF_DIRECTORY),
        gps: sub(GPS_DIRECTORY),
    })
}

impl Directories {
    pub fn is_empty(&self) -> bool {
        self.main.is_empty() && self.exif.is_empty() && self.gps.is_empty()
    }

    /// The block that holds these directories.
    pub fn to_block(&self) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        let mut main = self.main.clone();
        let subs = [(EXIF_DIRECTORY, &self.exif), (GPS_DIRECTORY, &self.gps)];
        let pointer = |tag| Field {
            tag,
            kind: LONG,
            count: 1,
            data: vec![0; 4],
        };
        main.extend(
            subs.iter()
                .filter(|(_, f)| !f.is_empty())
                .map(|(tag, _)| pointer(*tag)),
        );
        main.sort_by_key(|field| field.tag);
        let places = append(&mut bytes, &main);
        for (tag, fields) in subs {
            let index = main.iter().position(|field| field.tag == tag);
            if let (Some(index), false) = (index, fields.is_empty()) {
                let start = bytes.len() as u32;
                bytes[places[index]..][..4].copy_from_slice(&start.to_le_bytes());
                let mut fields = fields.clone();
                fields.sort_by_key(|field| field.tag);
                append(&mut bytes, &fields);
            }
        }
        bytes
    }
}

/// Appends a directory; where the value field of each of its tags lies.
fn append(bytes: &mut Vec<u8>, fields: &[Field]) -> Vec<usize> {
    bytes.extend((fields.len() as u16).to_le_bytes());
    let mut values = bytes.len() + 12 * fields.len() + 4;
    let mut places = Vec::new();
    let mut outside = Vec::new();
    for field in fields {
        bytes.extend(field.tag.to_le_bytes());
        bytes.extend(field.kind.to_le_bytes());
        bytes.extend(field.count.to_le_bytes());
        places.push(bytes.len());
        if field.data.len() <= 4 {
            let mut value = field.data.clone();
            value.resize(4, 0);
            bytes.extend(value);
        } else {
            bytes.extend((values as u32).to_le_bytes());
            outside.extend(&field.data);
            // Values begin at even places.
            outside.resize(outside.len().next_multiple_of(2), 0);
            values += field.data.len().next_multiple_of(2);
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(outside);
    places
}

/// The block that says nothing but a resolution.
pub fn of_dpi(dpi: [f64; 2]) -> Vec<u8> {
    let rational = |tag, value: f64| {
        let mut data = ((value * 1000.0).round() as u32).to_le_bytes().to_vec();
        data.extend(1000u32.to_le_bytes());
        Field {
            tag,
            kind: RATIONAL,
            count: 1,
            data,
        }
    };
    let unit = Field {
        tag: RESOLUTION_UNIT,
        kind: SHORT,
        count: 1,
        data: vec![2, 0],
    };
    Directories {
        main: vec![
            rational(X_RESOLUTION, dpi[0]),
            rational(Y_RESOLUTION, dpi[1]),
            unit,
        ],
        ..Directories::default()
    }
    .to_block()
}
