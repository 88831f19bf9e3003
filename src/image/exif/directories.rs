//! The tags of a block, for TIFF files, which spread them over their own
//! directories.

use super::{Block, EXIF_DIRECTORY, GPS_DIRECTORY, LONG, RATIONAL, RESOLUTION_UNIT, SHORT};
use super::{X_RESOLUTION, Y_RESOLUTION, kind_bytes};
use std::ops::RangeInclusive;

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
    /// Below `exif`.
    pub interoperability: Vec<Field>,
}

/// Tags of a TIFF file's main directory that say how its pixels are stored, or what
/// is kept outside of EXIF; and room that is left free.
const STORAGE: [RangeInclusive<u16>; 26] = [
    254..=259,
    262..=266,
    273..=274,
    277..=284,
    288..=293,
    // A page's number among others.
    296..=297,
    301..=301,
    317..=317,
    320..=328,
    330..=339,
    340..=347,
    400..=404,
    433..=434,
    512..=532,
    559..=559,
    700..=700,
    // Of older writers: what kind of samples it has, and how deep it is.
    32_995..=32_998,
    // IPTC, Photoshop's resources, the colour profile.
    33_723..=33_723,
    34_377..=34_377,
    34_675..=34_675,
    EXIF_DIRECTORY..=EXIF_DIRECTORY,
    GPS_DIRECTORY..=GPS_DIRECTORY,
    INTEROPERABILITY..=INTEROPERABILITY,
    MAKER_NOTE..=MAKER_NOTE,
    PADDING..=PADDING,
    OFFSETS..=OFFSETS,
];

/// The first of the tags that TIFF does not define. Most of them are of programs and
/// tell how a file is built.
const PRIVATE: u16 = 32_768;

/// Those of them that describe the picture.
const DESCRIPTIVE: [RangeInclusive<u16>; 15] = [
    // The rights.
    33_432..=33_432,
    // What some writers have here in place of the directory of EXIF.
    33_434..=33_437,
    34_850..=34_852,
    34_855..=34_859,
    34_864..=34_869,
    36_864..=36_882,
    37_377..=37_399,
    37_510..=37_510,
    37_520..=37_522,
    37_888..=37_893,
    41_483..=41_495,
    41_728..=42_082,
    42_240..=42_240,
    // Titles, comments and keywords of Windows.
    40_091..=40_095,
    // How to print it.
    50_341..=50_341,
];

pub const INTEROPERABILITY: u16 = 40_965;
/// What a camera's maker adds; it may hold places in the file.
pub const MAKER_NOTE: u16 = 37_500;
/// Room that Windows leaves free, and by how much it moved the maker's note.
const PADDING: u16 = 59_932;
const OFFSETS: u16 = 59_933;

/// The type of places in a file.
const DIRECTORY: u16 = 13;

/// Whether a tag of a TIFF file's main directory describes the picture, and not how
/// it is stored.
pub fn is_descriptive(tag: u16) -> bool {
    match tag < PRIVATE {
        true => !is_in(&STORAGE, tag),
        false => is_in(&DESCRIPTIVE, tag),
    }
}

/// Whether nothing is known of a tag of a TIFF file's main directory, which may not be
/// true any more in another file.
pub fn is_unknown(tag: u16) -> bool {
    tag >= PRIVATE && !is_in(&STORAGE, tag) && !is_in(&DESCRIPTIVE, tag)
}

fn is_in(list: &[RangeInclusive<u16>], tag: u16) -> bool {
    list.iter().any(|tags| tags.contains(&tag))
}

/// Whether a tag of another directory can be carried to another place.
pub fn can_be_moved(tag: u16) -> bool {
    ![INTEROPERABILITY, MAKER_NOTE, PADDING, OFFSETS].contains(&tag)
}

impl Field {
    /// A value of a type that EXIF has, whose bytes are in the order of its file. None
    /// for places in a file.
    pub fn new(tag: u16, kind: u16, mut data: Vec<u8>, little: bool) -> Option<Self> {
        let count = data.len() / kind_bytes(kind).filter(|_| kind != DIRECTORY)?;
        if !little {
            let unit = unit_bytes(kind);
            data.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
        }
        Some(Self {
            tag,
            kind,
            count: u32::try_from(count).ok().filter(|&count| count > 0)?,
            data,
        })
    }
}

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
    /// The fields of a directory, less those that hold places in the block.
    fn fields(&self, start: usize) -> Vec<Field> {
        // The others are those of the thumbnail.
        let places = self.places(start).into_iter();
        places
            .filter(|place| {
                can_be_moved(place.tag)
                    && ![EXIF_DIRECTORY, GPS_DIRECTORY, 513, 514].contains(&place.tag)
            })
            .filter_map(|place| {
                let data = self.bytes[place.at..place.at + place.length].to_vec();
                Field::new(place.tag, place.kind, data, self.little)
            })
            .collect()
    }
}

/// Takes a block apart; none where it is no block.
pub fn directories(block: &[u8]) -> Option<Directories> {
    let block = Block::new(block)?;
    let fields = |start: Option<usize>| start.map(|start| block.fields(start)).unwrap_or_default();
    let exif = block.sub_directory(EXIF_DIRECTORY);
    Some(Directories {
        main: block.fields(block.main_directory()?),
        exif: fields(exif),
        gps: fields(block.sub_directory(GPS_DIRECTORY)),
        interoperability: fields(exif.and_then(|exif| block.below(exif, INTEROPERABILITY))),
    })
}

/// Whether a block holds what [`directories`] leaves out: the notes of the camera's maker.
pub fn has_maker_note(block: &[u8]) -> bool {
    let found = Block::new(block).and_then(|block| {
        let exif = block.sub_directory(EXIF_DIRECTORY)?;
        block.find(exif, MAKER_NOTE)
    });
    found.is_some()
}

impl Directories {
    pub fn is_empty(&self) -> bool {
        let Self {
            main,
            exif,
            gps,
            interoperability,
        } = self;
        [main, exif, gps, interoperability]
            .iter()
            .all(|fields| fields.is_empty())
    }

    /// The block that holds these directories.
    pub fn to_block(&self) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        let has_below = !self.interoperability.is_empty();
        let [exif, gps] = append(
            &mut bytes,
            &self.main,
            [
                (EXIF_DIRECTORY, has_below || !self.exif.is_empty()),
                (GPS_DIRECTORY, !self.gps.is_empty()),
            ],
        );
        if let Some(place) = exif {
            point(&mut bytes, place);
            let [below] = append(&mut bytes, &self.exif, [(INTEROPERABILITY, has_below)]);
            if let Some(place) = below {
                point(&mut bytes, place);
                append(&mut bytes, &self.interoperability, []);
            }
        }
        if let Some(place) = gps {
            point(&mut bytes, place);
            append(&mut bytes, &self.gps, []);
        }
        bytes
    }
}

/// Makes the value at a place point to what is appended next.
fn point(bytes: &mut [u8], place: usize) {
    let end = bytes.len() as u32;
    bytes[place..][..4].copy_from_slice(&end.to_le_bytes());
}

/// Appends a directory, with pointers to others where they are wanted; gives the places of
/// these.
fn append<const N: usize>(
    bytes: &mut Vec<u8>,
    fields: &[Field],
    pointers: [(u16, bool); N],
) -> [Option<usize>; N] {
    let mut fields = fields.to_vec();
    let wanted = pointers.iter().filter(|(_, is_wanted)| *is_wanted);
    fields.extend(wanted.map(|&(tag, _)| Field {
        tag,
        kind: LONG,
        count: 1,
        data: vec![0; 4],
    }));
    fields.sort_by_key(|field| field.tag);
    let places = append_fields(bytes, &fields);
    pointers.map(|(tag, is_wanted)| {
        let index = fields.iter().position(|field| field.tag == tag);
        index.filter(|_| is_wanted).map(|index| places[index])
    })
}

/// Appends a directory; where the value field of each of its tags lies.
fn append_fields(bytes: &mut Vec<u8>, fields: &[Field]) -> Vec<usize> {
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
