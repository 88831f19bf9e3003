//! TIFF files, deflated.

use super::super::exif::{self, Field};
use super::super::{ImageProblem, Picture, Samples, error::innermost_message};
use super::Pixels;
use ::tiff::TiffResult;
use ::tiff::encoder::colortype::{ColorType, Gray8, Gray16, RGB8, RGB16, RGBA8, RGBA16};
use ::tiff::encoder::{
    Compression, DeflateLevel, DirectoryEncoder, Rational, TiffEncoder, TiffKind, TiffKindBig,
    TiffKindStandard, TiffValue,
};
use ::tiff::tags::{
    ExtraSamples, PhotometricInterpretation, Predictor, ResolutionUnit, SampleFormat, Tag, Type,
};
use std::borrow::Cow;
use std::io::{Cursor, Seek, Write};

const XMP: u16 = 700;

/// From this size on, offsets may not fit into 32 bits.
const BIG: usize = 4_000_000_000;

pub fn encode(picture: &Picture, pixels: &Pixels<'_>) -> Result<Vec<u8>, ImageProblem> {
    let size = pixels.samples.len() * pixels.samples.bits() as usize / 8;
    let result = if size < BIG {
        with_kind::<TiffKindStandard>(picture, pixels)
    } else {
        with_kind::<TiffKindBig>(picture, pixels)
    };
    result.map_err(|error| ImageProblem::Encode(innermost_message(&error)))
}

fn with_kind<K: TiffKind>(picture: &Picture, pixels: &Pixels<'_>) -> TiffResult<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    let encoder = TiffEncoder::<_, K>::new_generic(&mut bytes)?
        .with_compression(Compression::Deflate(DeflateLevel::Balanced))
        .with_predictor(Predictor::Horizontal);
    match (&*pixels.samples, pixels.channels) {
        (Samples::U8(samples), 1) => write::<_, K, Gray8>(encoder, picture, samples),
        (Samples::U8(samples), 2) => write::<_, K, GrayAlpha<u8>>(encoder, picture, samples),
        (Samples::U8(samples), 3) => write::<_, K, RGB8>(encoder, picture, samples),
        (Samples::U8(samples), _) => write::<_, K, RGBA8>(encoder, picture, samples),
        (Samples::U16(samples), 1) => write::<_, K, Gray16>(encoder, picture, samples),
        (Samples::U16(samples), 2) => write::<_, K, GrayAlpha<u16>>(encoder, picture, samples),
        (Samples::U16(samples), 3) => write::<_, K, RGB16>(encoder, picture, samples),
        (Samples::U16(samples), _) => write::<_, K, RGBA16>(encoder, picture, samples),
    }?;
    Ok(bytes.into_inner())
}

fn write<W, K, C>(
    mut encoder: TiffEncoder<W, K>,
    picture: &Picture,
    samples: &[C::Inner],
) -> TiffResult<()>
where
    W: Write + Seek,
    K: TiffKind,
    C: ColorType,
    [C::Inner]: TiffValue,
{
    let metadata = &picture.metadata;
    let directories = metadata.exif.as_deref().and_then(exif::directories);
    let directories = directories.unwrap_or_default();
    let mut pointers = Vec::new();
    for (number, fields) in [
        (exif::EXIF_DIRECTORY, &directories.exif),
        (exif::GPS_DIRECTORY, &directories.gps),
    ] {
        if !fields.is_empty() {
            let mut directory = encoder.extra_directory()?;
            for field in fields {
                write_field(&mut directory, field)?;
            }
            pointers.push((number, directory.finish_with_offsets()?.offset));
        }
    }

    let (width, height) = (picture.width as u32, picture.height as u32);
    let mut image = encoder.new_image::<C>(width, height)?;
    if let Some(dpi) = metadata.dpi {
        let [x, y] = dpi.map(|dpi| Rational {
            n: (dpi.min(4e6) * 1000.0).round() as u32,
            d: 1000,
        });
        image.resolution_unit(ResolutionUnit::Inch);
        image.x_resolution(x);
        image.y_resolution(y);
    }
    let directory = image.encoder();
    if matches!(C::BITS_PER_SAMPLE.len(), 2 | 4) {
        let straight = [ExtraSamples::UnassociatedAlpha.to_u16()];
        directory.write_tag(Tag::ExtraSamples, &straight[..])?;
    }
    if let Some(profile) = &metadata.icc_profile {
        directory.write_tag(Tag::IccProfile, Undefined(profile))?;
    }
    if let Some(packet) = &metadata.xmp {
        directory.write_tag(Tag::from_u16_exhaustive(XMP), &packet[..])?;
    }
    for field in &directories.main {
        if exif::DESCRIPTIVE.contains(&field.tag) {
            write_field(directory, field)?;
        }
    }
    for (number, offset) in pointers {
        directory.write_tag(Tag::from_u16_exhaustive(number), offset)?;
    }
    image.write_data(samples)
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

/// Gray with opacity, which the encoder does not know.
struct GrayAlpha<T>(std::marker::PhantomData<T>);

/// Each sample less the one of the pixel before.
macro_rules! gray_alpha {
    ($sample:ty) => {
        impl ColorType for GrayAlpha<$sample> {
            type Inner = $sample;
            const TIFF_VALUE: PhotometricInterpretation = PhotometricInterpretation::BlackIsZero;
            const BITS_PER_SAMPLE: &'static [u16] = &[<$sample>::BITS as u16; 2];
            const SAMPLE_FORMAT: &'static [SampleFormat] = &[SampleFormat::Uint; 2];

            fn horizontal_predict(row: &[$sample], result: &mut Vec<$sample>) {
                result.extend(row.iter().take(2));
                let pairs = row.iter().zip(row.iter().skip(2));
                result.extend(pairs.map(|(before, sample)| sample.wrapping_sub(*before)));
            }
        }
    };
}

gray_alpha!(u8);
gray_alpha!(u16);
