//! Which format a file has: its first bytes tell, not its name.

use super::error::ImageProblem;
use std::path::Path;

/// A name for the list of formats, if their feature is built.
macro_rules! if_built {
    ($feature:literal, $name:ident, $text:literal) => {
        #[cfg(feature = $feature)]
        macro_rules! $name {
            () => {
                $text
            };
        }
        #[cfg(not(feature = $feature))]
        macro_rules! $name {
            () => {
                ""
            };
        }
    };
}
if_built!("jxl", jxl, "JPEG XL, ");
if_built!("avif", avif, "AVIF, ");

/// The formats that are read, for messages.
pub const READABLE: &str = concat!(
    "PNG, JPEG, ",
    jxl!(),
    "WebP, ",
    avif!(),
    "TIFF, BMP, GIF, PNM"
);

/// The extensions by which images are found in folders. Files that are named
/// are read whatever they are called.
const EXTENSIONS: [&str; 28] = [
    "avif", "avifs", "png", "apng", "jpg", "jpeg", "jpe", "jfif", "jfi", "jif", "pjpeg", "pjp",
    "mpo", "jps", "jxl", "webp", "tif", "tiff", "btf", "tf8", "bmp", "dib", "gif", "pnm", "pbm",
    "pgm", "ppm", "pam",
];

/// Whether a file's name ends as those of images that are read do.
pub fn has_extension(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.iter().any(|known| extension == *known)
}

/// Extensions of images in formats that are not read, with any feature; last, those of
/// cameras' raw files.
const OTHERS: [&str; 69] = [
    "bpg", "cur", "dcm", "dds", "dpx", "exr", "fits", "flif", "hdp", "hdr", "heic", "heics",
    "heif", "heifs", "hif", "icb", "ico", "j2c", "j2k", "jng", "jp2", "jpc", "jpf", "jph", "jpx",
    "jxr", "ktx", "ktx2", "mng", "pcx", "pfm", "psb", "psd", "qoi", "ras", "sgi", "tga", "vda",
    "vst", "wdp", "xcf", "xpm", "3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff",
    "gpr", "iiq", "kdc", "mef", "mos", "mrw", "nef", "nrw", "orf", "pef", "raf", "raw", "rw2",
    "rwl", "sr2", "srf", "srw", "x3f",
];

/// The extension of a file, in lower case, if it is one of images that are not read.
pub fn other_extension(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_ascii_lowercase();
    OTHERS.into_iter().find(|known| extension == **known)
}

/// How many bytes of a file tell its format.
pub const SIGNATURE: u64 = 144;

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Png,
    Jpeg,
    WebP,
    Tiff,
    Bmp,
    Gif,
    Pnm,
    #[cfg(feature = "jxl")]
    Jxl,
    #[cfg(feature = "avif")]
    Avif,
}

/// The format of a file that starts with these bytes.
pub fn recognise(start: &[u8]) -> Result<Format, ImageProblem> {
    let foreign = match start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => return Ok(Format::Png),
        [0xff, 0xd8, 0xff, ..] => return Ok(Format::Jpeg),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => {
            return Ok(Format::WebP);
        }
        // Canon's, built on TIFF.
        [b'I', b'I', 42, 0, 16, 0, 0, 0, b'C', b'R', 2, 0, ..] => RAW,
        // 43 is BigTIFF.
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => return Ok(Format::Tiff),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => return Ok(Format::Gif),
        [b'P', b'1'..=b'7', b'\n' | b'\r' | b' ' | b'\t' | b'#', ..] => return Ok(Format::Pnm),
        [b'B', b'M', ..] => return Ok(Format::Bmp),
        // Bare, and in a container.
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => {
            #[cfg(feature = "jxl")]
            return Ok(Format::Jxl);
            #[cfg(not(feature = "jxl"))]
            return Err(ImageProblem::NotBuilt {
                format: "a JPEG XL",
                feature: "jxl",
            });
        }
        [a, b, c, d, b'f', b't', b'y', b'p', brand @ ..] => match brand {
            _ if is_avif([*a, *b, *c, *d], brand) => {
                #[cfg(feature = "avif")]
                return Ok(Format::Avif);
                #[cfg(not(feature = "avif"))]
                return Err(ImageProblem::NotBuilt {
                    format: "an AVIF",
                    feature: "avif",
                });
            }
            [b'h', b'e', ..] | [b'm', b'i' | b's', b'f', b'1', ..] => "a HEIF image",
            [b'c', b'r', b'x', b' ', ..] => RAW,
            _ => "a video",
        },
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => {
            "a JPEG 2000 image"
        }
        [0xff, 0xd8, ..] => "a JPEG image without its first segment",
        [b'I', b'I', 0xbc, ..] => "a JPEG XR image",
        [0x76, 0x2f, 0x31, 0x01, ..] => "an OpenEXR image",
        [0, 0, 1, 0, ..] => "an icon (ICO)",
        // Without a count, it may be a TGA image.
        [0, 0, 2, 0, 1..=255, 0, ..] => "a cursor (CUR)",
        // Version, run lengths, and bits of a sample.
        [10, 0 | 2..=5, 1, 1 | 2 | 4 | 8, ..] => "a PCX image",
        [1, 0xda, 0 | 1, 1 | 2, ..] => "an SGI image",
        [0x59, 0xa6, 0x6a, 0x95, ..] => "a Sun raster image",
        [b'P', b'F' | b'f', b'\n' | b'\r' | b' ', ..] => "a portable float map (PFM)",
        [b'I', b'I', b'R' | b'U', ..] | [b'M', b'M', b'O', b'R', ..] => RAW,
        [0x1f, 0x8b, ..] => "a file packed by gzip",
        _ if start.get(128..132) == Some(b"DICM") => "a medical image (DICOM)",
        _ => match named(start) {
            Some(name) => name,
            None => return Err(ImageProblem::NotAPicture),
        },
    };
    Err(ImageProblem::Format(foreign))
}

const RAW: &str = "a camera's raw file";

/// Formats of a signature that is a text, and nothing else of them looked at.
const NAMED: [(&[u8], &str); 26] = [
    (b"8BPS", "a Photoshop document"),
    (b"#?RA", "a Radiance HDR image"),
    (b"#?RG", "a Radiance HDR image"),
    (b"qoif", "a QOI image"),
    (b"DDS ", "a DDS texture"),
    (b"\xabKTX ", "a KTX texture"),
    (b"FUJIFILM", RAW),
    (b"gimp xcf", "a GIMP document"),
    (b"farbfeld", "a farbfeld image"),
    (b"FLIF", "a FLIF image"),
    (b"BPG\xfb", "a BPG image"),
    (b"SDPX", "a DPX image"),
    (b"XPDS", "a DPX image"),
    (b"SIMPLE  =", "a FITS image"),
    (b"/* XPM", "an XPM image"),
    (b"\x8bJNG", "a JNG image"),
    (b"\x8aMNG", "an MNG animation"),
    (b"\xd7\xcd\xc6\x9a", "a drawing (WMF)"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript document"),
    (b"AT&TFORM", "a DjVu document"),
    (b"PK\x03\x04", "an archive (ZIP)"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"\x01\0\0\0\x58\0\0\0", "a drawing (EMF)"),
    (b"\x01\0\0\0\x6c\0\0\0", "a drawing (EMF)"),
];

/// The name of a format that a text tells.
fn named(start: &[u8]) -> Option<&'static str> {
    if let Some((_, name)) = NAMED.iter().find(|(text, _)| start.starts_with(text)) {
        return Some(name);
    }
    let is_video = start.starts_with(b"RIFF") && start.get(8..12) == Some(b"AVI ");
    // Documents may begin with the mark of their encoding, and spaces.
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let text = text.trim_ascii_start().to_ascii_lowercase();
    let begins = |words: &[&[u8]]| words.iter().any(|word| text.starts_with(word));
    if is_video {
        Some("a video")
    } else if begins(&[b"<svg", b"<?xml", b"<!--", b"<!doctype svg"]) {
        Some("a drawing or document in XML, perhaps SVG")
    } else if begins(&[b"<!doctype html", b"<html"]) {
        Some("a web page")
    } else {
        None
    }
}

/// Whether a file that starts and ends with these bytes is a TGA image, which has no
/// signature at its start and, in its first version, none at all.
pub fn is_tga(start: &[u8], end: &[u8], path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    let extensions = ["tga", "icb", "vda", "vst"];
    let is_named = extensions
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known));
    // Its map of colours, and what kind of image it is.
    let is_likely = matches!(start, [_, 0 | 1, 1..=3 | 9..=11, ..]);
    end.ends_with(b"TRUEVISION-XFILE.\0") || (is_named && is_likely)
}

/// Whether a file of boxes is AVIF by the first of its brands, which a box of a size
/// holds. The second is a version.
fn is_avif(size: [u8; 4], brands: &[u8]) -> bool {
    let size = (u32::from_be_bytes(size) as usize).saturating_sub(8);
    let brands = brands[..size.min(brands.len())].chunks_exact(4);
    let mut named = brands
        .enumerate()
        .filter_map(|(index, brand)| (index != 1).then_some(brand));
    named.any(|brand| matches!(brand, b"avif" | b"avis"))
}
