//! Picture files to pixels.

use super::{ImageError, ImageProblem, Picture, error::innermost_message, is_rgb_profile};
use ::image::{
    ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits,
    error::ImageError as CodecError, metadata::Orientation,
};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// The most pixels of a picture that is read: 16384 x 16384.
pub const MAX_PIXELS: u64 = 1 << 28;

/// The formats that are read, for messages.
pub(super) const READABLE: &str = "PNG, JPEG, WebP, TIFF, BMP";

/// The most memory a decoder may take for all but pixels: profiles and texts,
/// which a small file may hold deflated. Taken before the size is known; PNG's
/// decoder keeps to it throughout, with one row of the picture.
const HEADER_BYTES: u64 = 64 << 20;

/// The memory a decoder may take for each pixel: four 16-bit samples, twice,
/// for those that keep an intermediate buffer.
const PIXEL_BYTES: u64 = 16;

/// The most bytes of an ICC profile that is kept: what a JPEG file can hold,
/// in 255 segments.
const MAX_PROFILE: usize = 255 * 65_519;

/// How many bytes of a file tell its format.
const SIGNATURE: u64 = 16;

impl Picture {
    /// Reads a PNG, JPEG, WebP, TIFF or BMP file.
    ///
    /// The content decides on the format, not the name. The orientation that
    /// the file asks for (EXIF, TIFF) is applied, 16-bit samples are rounded
    /// to 8 bits, an alpha channel that is opaque everywhere is dropped, and
    /// of an animation the first picture is taken. Colours are not converted:
    /// the ICC profile comes along, unless it is for colours that the decoder
    /// replaced (CMYK) or has more than 16 MB.
    ///
    /// # Errors
    /// When the file cannot be read, is no whole picture of these formats,
    /// holds samples that are no integers, or states more than [`MAX_PIXELS`];
    /// the size is checked before any pixel is decoded.
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        open_file(path)
            .and_then(|(file, format)| decode(file, format))
            .map_err(|problem| problem.of(path))
    }
}

/// Width and height of the picture that [`Picture::open`] would give, from
/// the header alone.
///
/// # Errors
/// As [`Picture::open`], as far as the header tells.
pub fn dimensions(path: &Path) -> Result<(usize, usize), ImageError> {
    open_file(path)
        .and_then(|(file, format)| {
            let mut decoder = decoder(file, format)?;
            let (width, height) = decoder.dimensions();
            let (width, height) = (width as usize, height as usize);
            Ok(if swaps_sides(orientation(&mut decoder, format)) {
                (height, width)
            } else {
                (width, height)
            })
        })
        .map_err(|problem| problem.of(path))
}

/// Opens a regular file that holds a picture of a known format.
fn open_file(path: &Path) -> Result<(BufReader<File>, ImageFormat), ImageProblem> {
    // Looked at before opening: opening a pipe would wait for its writer.
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ImageProblem::Missing,
        _ => ImageProblem::Read(error),
    })?;
    if metadata.is_dir() {
        return Err(ImageProblem::Folder);
    }
    if !metadata.is_file() {
        return Err(ImageProblem::NotRegular);
    }
    if metadata.len() == 0 {
        return Err(ImageProblem::Empty);
    }
    let mut file = BufReader::new(File::open(path).map_err(ImageProblem::Read)?);
    let mut start = Vec::new();
    file.by_ref()
        .take(SIGNATURE)
        .read_to_end(&mut start)
        .and_then(|_| file.seek(SeekFrom::Start(0)))
        .map_err(ImageProblem::Read)?;
    Ok((file, format(&start)?))
}

/// The format of a file that starts with these bytes.
fn format(start: &[u8]) -> Result<ImageFormat, ImageProblem> {
    use ImageFormat::*;
    let foreign = match ::image::guess_format(start) {
        Ok(format @ (Png | Jpeg | WebP | Tiff | Bmp)) => return Ok(format),
        Ok(Gif) => "a GIF",
        Ok(Avif) => "an AVIF picture",
        Ok(Ico) => "an icon (ICO)",
        Ok(Pnm) => "a portable anymap (PNM)",
        Ok(OpenExr) => "an OpenEXR picture",
        Ok(Hdr) => "a Radiance HDR picture",
        Ok(Qoi) => "a QOI picture",
        Ok(Dds) => "a DDS texture",
        Ok(_) => "a picture of another format",
        Err(_) => match start {
            [
                _,
                _,
                _,
                _,
                b'f',
                b't',
                b'y',
                b'p',
                b'h' | b'm',
                b'e' | b'i',
                ..,
            ] => "a HEIF picture",
            [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => "a JPEG XL picture",
            [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] => "a JPEG 2000 picture",
            [b'8', b'B', b'P', b'S', ..] => "a Photoshop document",
            _ => return Err(ImageProblem::NotAPicture),
        },
    };
    Err(ImageProblem::Format(foreign))
}

/// A decoder that has read the header, whose size is known to be sane.
fn decoder(file: BufReader<File>, format: ImageFormat) -> Result<impl ImageDecoder, ImageProblem> {
    let mut reader = ImageReader::with_format(file, format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(HEADER_BYTES);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(problem)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(ImageProblem::NoPixels { width, height });
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(ImageProblem::TooLarge { width, height });
    }
    limits.max_alloc = Some(HEADER_BYTES + pixels * PIXEL_BYTES);
    decoder.set_limits(limits).map_err(problem)?;
    Ok(decoder)
}

fn decode(mut file: BufReader<File>, format: ImageFormat) -> Result<Picture, ImageProblem> {
    if format == ImageFormat::Jpeg {
        check_jpeg_end(&mut file)?;
    }
    let mut decoder = decoder(file, format)?;
    let color = decoder.color_type();
    if matches!(color, ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(ImageProblem::Feature(
            "samples in floating point".to_owned(),
        ));
    }
    let orientation = orientation(&mut decoder, format);
    let icc_profile = decoder
        .icc_profile()
        .ok()
        .flatten()
        .filter(|bytes| bytes.len() <= MAX_PROFILE);
    let mut pixels = DynamicImage::from_decoder(decoder).map_err(problem)?;
    pixels.apply_orientation(orientation);

    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let gray = !color.has_color();
    let (rgb, alpha) = if color.has_alpha() {
        let (rgb, alpha) = split_alpha(&pixels.into_rgba8());
        let opaque = alpha.iter().all(|&byte| byte == 255);
        (rgb, (!opaque).then_some(alpha))
    } else {
        (pixels.into_rgb8().into_raw(), None)
    };
    // A profile for other colours than those that were decoded would be wrong.
    let icc_profile = icc_profile
        .filter(|bytes| is_rgb_profile(bytes) || (gray && bytes.get(16..20) == Some(b"GRAY")));
    Ok(Picture {
        width,
        height,
        rgb,
        gray,
        alpha,
        icc_profile,
    })
}

/// R, G, B of each pixel, and A of each.
fn split_alpha(rgba: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    let mut alpha = Vec::with_capacity(rgba.len() / 4);
    for pixel in rgba.chunks_exact(4) {
        rgb.extend_from_slice(&pixel[..3]);
        alpha.push(pixel[3]);
    }
    (rgb, alpha)
}

/// The orientation to apply; none where its record is absent or broken.
fn orientation(decoder: &mut impl ImageDecoder, format: ImageFormat) -> Orientation {
    let found = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    if format != ImageFormat::WebP || found != Orientation::NoTransforms {
        return found;
    }
    // Many writers put JPEG's header before the EXIF chunk of a WebP file.
    decoder
        .exif_metadata()
        .ok()
        .flatten()
        .and_then(|exif| Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0")?))
        .unwrap_or(found)
}

fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::*;
    matches!(
        orientation,
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH
    )
}

/// Refuses a JPEG file that ends before its end marker: the decoder would
/// fill the missing part with gray without a word. Leaves the file at its
/// start.
///
/// Walks the segments (ISO/IEC 10918-1, annex B), because the thumbnail inside
/// the metadata has an end marker too, and anything may follow the real one.
fn check_jpeg_end(file: &mut BufReader<File>) -> Result<(), ImageProblem> {
    let whole = find_jpeg_end(file).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            ImageProblem::Damaged("it ends before the end of the picture".to_owned())
        }
        _ => ImageProblem::Read(error),
    });
    whole.and_then(|()| file.rewind().map_err(ImageProblem::Read))
}

fn find_jpeg_end(file: &mut (impl BufRead + Seek)) -> io::Result<()> {
    const STANDALONE: std::ops::RangeInclusive<u8> = 0xd0..=0xd8; // restarts, start of picture
    let byte = |file: &mut dyn BufRead| -> io::Result<u8> {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(byte[0])
    };
    loop {
        // Bytes before a marker are the entropy-coded data of a scan, where
        // 0xff is followed by 0.
        while byte(file)? != 0xff {}
        let mut marker = byte(file)?;
        while marker == 0xff {
            marker = byte(file)?;
        }
        match marker {
            0xd9 => return Ok(()),
            0 | 1 => {}
            marker if STANDALONE.contains(&marker) => {}
            _ => {
                let length = u16::from_be_bytes([byte(file)?, byte(file)?]);
                file.seek_relative(i64::from(length.saturating_sub(2)))?;
            }
        }
    }
}

/// What the codec's error means to the user.
fn problem(error: CodecError) -> ImageProblem {
    match error {
        CodecError::Limits(_) => ImageProblem::Memory,
        CodecError::Unsupported(error) => ImageProblem::Feature(innermost_message(&error)),
        CodecError::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            // Decoders report wrong bytes as I/O errors too; the system's own
            // carry its code.
            if error.raw_os_error().is_some() {
                ImageProblem::Read(error)
            } else {
                ImageProblem::Damaged(innermost_message(&error))
            }
        }
        CodecError::IoError(_) => {
            ImageProblem::Damaged("it ends before the end of the picture".to_owned())
        }
        error => ImageProblem::Damaged(innermost_message(&error)),
    }
}
