//! TIFF files, deflated.
//!
//! The crate's encoder of images compresses only whole ones, so the strips are
//! compressed here.

use super::super::exif::{self, Field};
use super::super::{ImageProblem, Samples, error::innermost_message};
use super::output::Output;
use super::rows::Rows;
use crate::host_memory::{probe, reserve};
use ::tiff::encoder::{
    DirectoryEncoder, Rational, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard, TiffValue,
};
use ::tiff::tags::{
    CompressionMethod, ExtraSamples, PhotometricInterpretation, Predictor, ResolutionUnit,
    SampleFormat, Tag, Type,
};
use ::tiff::{TiffError, TiffResult};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::borrow::Cow;
use std::io::{Seek, Write};

const XMP: u16 = 700;
const IPTC: u16 = 33_723;

/// From this size on, offsets may not fit into 32 bits.
const BIG: u64 = 4_000_000_000;

/// About as many bytes are compressed at a time.
const STRIP: usize = 1 << 20;

pub fn encode(rows: &mut Rows<'_>, output: &mut Output<'_>) -> Result<(), ImageProblem> {
    let row_bytes = rows.row_samples() * rows.bits as usize / 8;
    match (rows.head.height as u64).saturating_mul(row_bytes as u64) {
        ..BIG => write::<TiffKindStandard>(rows, row_bytes, output),
        _ => write::<TiffKindBig>(rows, row_bytes, output),
    }
}

fn refused(error: TiffError) -> ImageProblem {
    ImageProblem::Encode(innermost_message(&error))
}

fn write<K: TiffKind>(
    rows: &mut Rows<'_>,
    row_bytes: usize,
    output: &mut Output<'_>,
) -> Result<(), ImageProblem> {
    let mut encoder = TiffEncoder::<_, K>::new_generic(output).map_err(refused)?;
    let tall = rows.head.height;
    let strip_rows = STRIP.div_ceil(row_bytes).min(tall);
    let mut image = header(&mut encoder, rows, strip_rows).map_err(refused)?;
    // A strip and what becomes of it.
    probe(3 * strip_rows * row_bytes)?;
    let (mut offsets, mut sizes) = (Vec::new(), Vec::new());
    let mut waiting = Vec::new();
    loop {
        let more = rows.next()?;
        let is_last = more.is_none();
        if let Some(samples) = more {
            reserve(&mut waiting, samples.len() * rows.bits as usize / 8)?;
            predict(&samples, rows.row_samples(), rows.channels, &mut waiting);
        }
        let mut done = 0;
        while waiting.len() - done >= strip_rows * row_bytes || is_last && done < waiting.len() {
            let strip = &waiting[done..waiting.len().min(done + strip_rows * row_bytes)];
            let mut deflate = ZlibEncoder::new(Vec::new(), Compression::default());
            let packed = deflate.write_all(strip).and_then(|()| deflate.finish());
            let packed = packed.map_err(|error| refused(error.into()))?;
            let offset = image.write_data(&packed[..]).map_err(refused)?;
            offsets.push(K::convert_offset(offset).map_err(refused)?);
            sizes.push(packed.len() as u32);
            done += strip.len();
        }
        waiting.drain(..done);
        if is_last {
            break;
        }
    }
    image
        .write_tag(Tag::StripOffsets, K::convert_slice(&offsets))
        .and_then(|()| image.write_tag(Tag::StripByteCounts, &sizes[..]))
        .and_then(|()| image.finish())
        .map_err(refused)
}

/// Adds each sample less that of the pixel before, in the byte order of the
/// file, which is that of the machine.
fn predict(samples: &Samples, row_samples: usize, channels: usize, bytes: &mut Vec<u8>) {
    match samples {
        Samples::U8(samples) => {
            for row in samples.chunks_exact(row_samples) {
                bytes.extend(&row[..channels]);
                let pairs = row.iter().zip(&row[channels..]);
                bytes.extend(pairs.map(|(before, sample)| sample.wrapping_sub(*before)));
            }
        }
        Samples::U16(samples) => {
            for row in samples.chunks_exact(row_samples) {
                bytes.extend(row[..channels].iter().flat_map(|v| v.to_ne_bytes()));
                let pairs = row.iter().zip(&row[channels..]);
                bytes.extend(
                    pairs.flat_map(|(before, sample)| sample.wrapping_sub(*before).to_ne_bytes()),
                );
            }
        }
    }
}

/// Begins the directory with everything that is known before the pixels.
fn header<'a, W: Write + Seek, K: TiffKind>(
    encoder: &'a mut TiffEncoder<W, K>,
    rows: &Rows<'_>,
    strip_rows: usize,
) -> TiffResult<DirectoryEncoder<'a, W, K>> {
    let metadata = &rows.head.metadata;
    let directories = metadata.exif.as_deref().and_then(exif::directories);
    let directories = directories.unwrap_or_default();
    let mut interoperability = Vec::new();
    if let Some(offset) = sub_directory(encoder, &directories.interoperability, &[])? {
        interoperability.push((exif::INTEROPERABILITY, offset));
    }
    let exif = sub_directory(encoder, &directories.exif, &interoperability)?;
    let gps = sub_directory(encoder, &directories.gps, &[])?;
    let pointers = [(exif::EXIF_DIRECTORY, exif), (exif::GPS_DIRECTORY, gps)];

    let mut image = encoder.image_directory()?;
    image.write_tag(Tag::ImageWidth, rows.head.width as u32)?;
    image.write_tag(Tag::ImageLength, rows.head.height as u32)?;
    image.write_tag(Tag::RowsPerStrip, strip_rows as u32)?;
    image.write_tag(Tag::SamplesPerPixel, rows.channels as u16)?;
    let bits = vec![rows.bits as u16; rows.channels];
    image.write_tag(Tag::BitsPerSample, &bits[..])?;
    let formats = vec![SampleFormat::Uint.to_u16(); rows.channels];
    image.write_tag(Tag::SampleFormat, &formats[..])?;
    let photometric = match rows.channels {
        1 | 2 => PhotometricInterpretation::BlackIsZero,
        _ => PhotometricInterpretation::RGB,
    };
    image.write_tag(Tag::PhotometricInterpretation, photometric.to_u16())?;
    image.write_tag(Tag::Compression, CompressionMethod::Deflate.to_u16())?;
    image.write_tag(Tag::Predictor, Predictor::Horizontal.to_u16())?;
    if rows.channels.is_multiple_of(2) {
        let straight = [ExtraSamples::UnassociatedAlpha.to_u16()];
        image.write_tag(Tag::ExtraSamples, &straight[..])?;
    }
    let (unit, [x, y]) = match metadata.dpi {
        Some(dpi) => (ResolutionUnit::Inch, dpi),
        None => (ResolutionUnit::None, [1.0; 2]),
    };
    let rational = |dpi: f64| Rational {
        n: (dpi.min(4e6) * 1000.0).round() as u32,
        d: 1000,
    };
    image.write_tag(Tag::ResolutionUnit, unit.to_u16())?;
    image.write_tag(Tag::XResolution, rational(x))?;
    image.write_tag(Tag::YResolution, rational(y))?;
    if let Some(profile) = &metadata.icc_profile {
        image.write_tag(Tag::IccProfile, Undefined(profile))?;
    }
    if let Some(packet) = &metadata.xmp {
        image.write_tag(Tag::from_u16_exhaustive(XMP), &packet[..])?;
    }
    if let Some(iptc) = &metadata.iptc {
        image.write_tag(Tag::from_u16_exhaustive(IPTC), Undefined(iptc))?;
    }
    for field in &directories.main {
        if exif::is_descriptive(field.tag) {
            write_field(&mut image, field)?;
        }
    }
    for (number, offset) in pointers {
        if let Some(offset) = offset {
            image.write_tag(Tag::from_u16_exhaustive(number), offset)?;
        }
    }
    Ok(image)
}

/// Writes a directory that points to others; where it is, unless it would be empty.
fn sub_directory<W: Write + Seek, K: TiffKind>(
    encoder: &mut TiffEncoder<W, K>,
    fields: &[Field],
    pointers: &[(u16, K::OffsetType)],
) -> TiffResult<Option<K::OffsetType>> {
    if fields.is_empty() && pointers.is_empty() {
        return Ok(None);
    }
    let mut directory = encoder.extra_directory()?;
    for field in fields {
        write_field(&mut directory, field)?;
    }
    for (number, offset) in pointers {
        directory.write_tag(Tag::from_u16_exhaustive(*number), offset)?;
    }
    Ok(Some(directory.finish_with_offsets()?.offset))
}

/// Writes a tag with a value of EXIF's.
fn write_field<W: Write + Seek, K: TiffKind>(
    directory: &mut DirectoryEncoder<'_, W, K>,
    field: &Field,
) -> TiffResult<()> {
    let tag = Tag::from_u16_exhaustive(field.tag);
    match field.kind {
        2 => directory.write_tag(tag, Text(&field.data)),
        1 => directory.write_tag(tag, &field.data[..]),
        3 => directory.write_tag(tag, &numbers(field, u16::from_le_bytes)[..]),
        4 | 13 => directory.write_tag(tag, &numbers(field, u32::from_le_bytes)[..]),
        5 => {
            let parts = numbers(field, u32::from_le_bytes);
            let pairs = parts.chunks_exact(2);
            let values = pairs.map(|pair| Rational {
                n: pair[0],
                d: pair[1],
            });
            directory.write_tag(tag, &values.collect::<Vec<_>>()[..])
        }
        6 => directory.write_tag(tag, &numbers(field, i8::from_le_bytes)[..]),
        8 => directory.write_tag(tag, &numbers(field, i16::from_le_bytes)[..]),
        9 => directory.write_tag(tag, &numbers(field, i32::from_le_bytes)[..]),
        10 => {
            let parts = numbers(field, i32::from_le_bytes);
            let pairs = parts.chunks_exact(2);
            let values = pairs.map(|pair| ::tiff::encoder::SRational {
                n: pair[0],
                d: pair[1],
            });
            directory.write_tag(tag, &values.collect::<Vec<_>>()[..])
        }
        11 => directory.write_tag(tag, &numbers(field, f32::from_le_bytes)[..]),
        12 => directory.write_tag(tag, &numbers(field, f64::from_le_bytes)[..]),
        _ => directory.write_tag(tag, Undefined(&field.data)),
    }
}

fn numbers<T, const BYTES: usize>(field: &Field, number: fn([u8; BYTES]) -> T) -> Vec<T> {
    let (values, _) = field.data.as_chunks::<BYTES>();
    values.iter().map(|&bytes| number(bytes)).collect()
}

/// Text as EXIF has it: its end is a byte of 0, and it may be no ASCII.
struct Text<'a>(&'a [u8]);

impl TiffValue for Text<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::ASCII;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }
}

/// Bytes of a meaning of their own.
struct Undefined<'a>(&'a [u8]);

impl TiffValue for Undefined<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::UNDEFINED;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }
}
