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
const EXTENSIONS: [&str; 17] = [
    "avif", "png", "jpg", "jpeg", "jpe", "jfif", "jxl", "webp", "tif", "tiff", "bmp", "dib", "gif",
    "pnm", "pbm", "pgm", "ppm",
];

/// Whether a file's name ends as those of images that are read do.
pub fn has_extension(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.iter().any(|known| extension == *known)
}

/// How many bytes of a file tell its format.
pub const SIGNATURE: u64 = 64;

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
            [b'h' | b'm', b'e' | b'i', ..] => "a HEIF image",
            _ => "a video",
        },
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => {
            "a JPEG 2000 image"
        }
        [0xff, 0xd8, ..] => "a JPEG image without its first segment",
        [b'8', b'B', b'P', b'S', ..] => "a Photoshop document",
        [b'P', b'F' | b'f', b'\n' | b'\r' | b' ', ..] => "a portable float map (PFM)",
        [0x76, 0x2f, 0x31, 0x01, ..] => "an OpenEXR image",
        [b'#', b'?', b'R', b'A' | b'G', ..] => "a Radiance HDR image",
        [b'q', b'o', b'i', b'f', ..] => "a QOI image",
        [b'D', b'D', b'S', b' ', ..] => "a DDS texture",
        [0, 0, 1, 0, ..] => "an icon (ICO)",
        [b'%', b'P', b'D', b'F', ..] => "a PDF document",
        [b'<', b's', b'v', b'g', ..] | [b'<', b'?', b'x', b'm', b'l', ..] => {
            "a drawing or document in XML, perhaps SVG"
        }
        [b'I', b'I', b'R' | b'U', ..] | [b'M', b'M', b'O', b'R', ..] => "a camera's raw file",
        [b'F', b'U', b'J', b'I', b'F', b'I', b'L', b'M', ..] => "a camera's raw file",
        [b'g', b'i', b'm', b'p', b' ', b'x', b'c', b'f', ..] => "a GIMP document",
        _ => return Err(ImageProblem::NotAPicture),
    };
    Err(ImageProblem::Format(foreign))
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
