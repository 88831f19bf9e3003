//! What TIFF directories say besides pixels.

use super::super::super::exif::{self, Directories, Field};
use super::super::super::{Metadata, iptc};
use super::super::HEADER_BYTES;
use super::{File, ICC_PROFILE, rationals, tag, unsigned};
use crate::host_memory::zeros;
use ::tiff::Directory;
use ::tiff::decoder::IfdDecoder;
use ::tiff::tags::{ByteOrder, IfdPointer, Type};
use std::ops::RangeFrom;

const XMP: u16 = 700;
const IPTC: u16 = 33_723;
/// Resources of Photoshop.
const PHOTOSHOP: u16 = 34_377;
/// Its layers.
const LAYERS: u16 = 37_724;
/// A curve for each level that samples have, which are others here.
const TRANSFER_FUNCTION: u16 = 301;
/// What the picture shows; programs tell there how they have built the file.
const DESCRIPTION: u16 = 270;
/// Where the pixels are on earth, which is not so any more when they are others.
const GEOGRAPHIC: [u16; 6] = [33_550, 33_922, 34_264, 34_735, 34_736, 34_737];

/// The most bytes of all values that become EXIF.
const MOST: u64 = 16 << 20;

/// Tags that TIFF does not define; the rights are one of those that it does, and EXIF
/// has comments.
const PRIVATE: RangeFrom<u16> = 32_768..;
const DEFINED: [u16; 2] = [33_432, 37_510];

/// The most bytes of all values of other private tags. More is data of some program,
/// beside which JPEG would have no room for EXIF.
const MOST_PRIVATE: u64 = 1 << 15;

/// The metadata of a directory; what of it cannot be kept is added to `lost`.
pub fn metadata(file: &mut File<'_>, length: u64, lost: &mut Vec<String>) -> Metadata {
    let rational = |file: &mut File<'_>, number| rationals(file, number).ok()??.first().copied();
    let scale = match unsigned(file, exif::RESOLUTION_UNIT).ok().flatten() {
        None | Some(2) => Some(1.0),
        Some(3) => Some(2.54),
        _ => None,
    };
    let x = rational(file, exif::X_RESOLUTION);
    let y = rational(file, exif::Y_RESOLUTION);
    let dpi = match (scale, x, y) {
        (Some(scale), Some(x), Some(y)) if x > 0.0 && y > 0.0 => Some([x * scale, y * scale]),
        _ => None,
    };
    let mut tags = Tags {
        little: file.byte_order() == ByteOrder::LittleEndian,
        left: MOST.min(length),
        private_left: MOST_PRIVATE,
        lost: Vec::new(),
    };
    let directories = tags.directories(file);
    lost.extend(tags.lost);
    Metadata {
        icc_profile: bytes(file, ICC_PROFILE),
        exif: (!directories.is_empty()).then(|| directories.to_block()),
        xmp: bytes(file, XMP),
        dpi,
        iptc: bytes(file, IPTC).or_else(|| iptc::of_resources(&bytes(file, PHOTOSHOP)?)),
        ..Metadata::default()
    }
}

/// Whether a description is of how its file is built, which is not so any more in
/// another: that of ImageJ, of tifffile and of OME.
fn tells_layout(description: &[u8]) -> bool {
    let starts = [&b"ImageJ="[..], b"{\"shape\":"];
    let has_element = description.windows(4).any(|part| part == b"<OME");
    has_element || starts.iter().any(|start| description.starts_with(start))
}

/// The bytes of a tag, whatever their type is said to be.
pub fn bytes(file: &mut File<'_>, number: u16) -> Option<Vec<u8>> {
    let (_, data) = stored(&mut file.image_ifd(), number, HEADER_BYTES)?;
    Some(data).filter(|data| !data.is_empty())
}

/// The type of a tag and its bytes as the file has them, if they are no more than
/// `most`. The decoder's own values are without types, and texts must be UTF-8 there.
fn stored(tags: &mut IfdDecoder<'_>, number: u16, most: u64) -> Option<(Type, Vec<u8>)> {
    let entry = tags.find_entry(tag(number))?;
    let kind = entry.field_type();
    let unit = match kind {
        Type::LONG8 | Type::SLONG8 | Type::IFD8 => 8,
        kind => exif::kind_bytes(kind.to_u16())? as u64,
    };
    let size = unit
        .checked_mul(entry.count())
        .filter(|&size| size <= most)?;
    let mut data = zeros(size as usize).ok()?;
    tags.find_tag_bytes(tag(number), &mut data, 0).ok()?;
    Some((kind, data))
}

/// Tags on their way into EXIF.
struct Tags {
    little: bool,
    /// Bytes that there is room for.
    left: u64,
    /// Those of them that private tags may take.
    private_left: u64,
    /// What could not be kept.
    lost: Vec<String>,
}

impl Tags {
    fn directories(&mut self, file: &mut File<'_>) -> Directories {
        let mut found = Directories::default();
        if let Some(main) = file
            .ifd_pointer()
            .and_then(|at| file.read_directory(at).ok())
        {
            found.main = self.fields(file, &main, |number| {
                exif::is_descriptive(number) || number == TRANSFER_FUNCTION
            });
            let numbers = main.iter().map(|(tag, _)| tag.to_u16());
            let unknown = numbers.filter(|&number| exif::is_unknown(number));
            self.lost.extend(unknown.map(|number| match number {
                LAYERS => "Photoshop's layers".to_owned(),
                _ if GEOGRAPHIC.contains(&number) => "GeoTIFF".to_owned(),
                _ => format!("tag {number}"),
            }));
            let exif = self.below(file, &main, exif::EXIF_DIRECTORY);
            let gps = self.below(file, &main, exif::GPS_DIRECTORY);
            let movable = exif::can_be_moved;
            if let Some(exif) = exif {
                found.exif = self.fields(file, &exif, movable);
                if exif.contains(tag(exif::MAKER_NOTE)) {
                    self.lost.push("MakerNote".to_owned());
                }
                let below = self.below(file, &exif, exif::INTEROPERABILITY);
                found.interoperability = below
                    .map(|below| self.fields(file, &below, movable))
                    .unwrap_or_default();
            }
            found.gps = gps
                .map(|gps| self.fields(file, &gps, movable))
                .unwrap_or_default();
        }
        found
    }

    /// The directory that a tag points to.
    fn below(&mut self, file: &mut File<'_>, above: &Directory, number: u16) -> Option<Directory> {
        above.get(tag(number))?;
        let pointer = file
            .read_directory_tags(above)
            .find_tag_unsigned(tag(number));
        let pointer = pointer.ok().flatten().map(IfdPointer);
        let below = pointer.and_then(|pointer| file.read_directory(pointer).ok());
        if below.is_none() {
            let name = match number {
                exif::EXIF_DIRECTORY => "EXIF",
                exif::GPS_DIRECTORY => "GPS",
                _ => "interoperability",
            };
            self.lost.push(name.to_owned());
        }
        below
    }

    fn fields(
        &mut self,
        file: &mut File<'_>,
        directory: &Directory,
        is_wanted: fn(u16) -> bool,
    ) -> Vec<Field> {
        let numbers = directory.iter().map(|(tag, _)| tag.to_u16());
        let numbers: Vec<u16> = numbers.filter(|&number| is_wanted(number)).collect();
        let mut tags = file.read_directory_tags(directory);
        let mut fields = Vec::new();
        for number in numbers {
            let entry = tags.find_entry(tag(number));
            if entry.is_none_or(|entry| entry.count() == 0) {
                continue;
            }
            if number == TRANSFER_FUNCTION {
                self.lost.push("TransferFunction".to_owned());
                continue;
            }
            match self.field(&mut tags, number) {
                Some(field) if number == DESCRIPTION && tells_layout(&field.data) => {
                    self.lost.push("ImageDescription".to_owned());
                }
                Some(field) => fields.push(field),
                None => self.lost.push(format!("tag {number}")),
            }
        }
        fields
    }

    fn field(&mut self, tags: &mut IfdDecoder<'_>, number: u16) -> Option<Field> {
        let is_private = PRIVATE.contains(&number) && !DEFINED.contains(&number);
        let most = match is_private {
            true => self.left.min(self.private_left),
            false => self.left,
        };
        let (kind, data) = stored(tags, number, most)?;
        self.left -= data.len() as u64;
        if is_private {
            self.private_left -= data.len() as u64;
        }
        let (kind, data) = match kind {
            // EXIF has no numbers of 64 bits.
            Type::LONG8 => (Type::LONG, self.narrowed(&data)?),
            kind => (kind, data),
        };
        Field::new(number, kind.to_u16(), data, self.little)
    }

    /// Numbers of 64 bits as numbers of 32; none where one is larger.
    fn narrowed(&self, data: &[u8]) -> Option<Vec<u8>> {
        let (numbers, _) = data.as_chunks::<8>();
        let narrowed = numbers.iter().map(|&bytes| match self.little {
            true => Some(u32::try_from(u64::from_le_bytes(bytes)).ok()?.to_le_bytes()),
            false => Some(u32::try_from(u64::from_be_bytes(bytes)).ok()?.to_be_bytes()),
        });
        Some(narrowed.collect::<Option<Vec<_>>>()?.concat())
    }
}
