//! How the pixels of a TIFF file are stored (TIFF 6.0, with Adobe's
//! supplements).

use super::super::super::{ImageProblem, Samples};
use super::super::HEADER_BYTES;
use super::fax::Fax;
use super::ycbcr::YCbCr;
use super::{File, all_unsigned, bytes, unsigned};
use crate::host_memory::NoMemory;

/// The most bytes of a strip or tile for each pixel that an image may have.
const CHUNK_BYTES_A_PIXEL: u64 = 16;

/// What the tags of a directory say about its pixels.
pub struct Layout {
    pub width: usize,
    pub height: usize,
    /// Bits a sample.
    pub bits: u32,
    /// Whether samples are in floating point, 0 black and 1 white.
    pub float: bool,
    /// Samples a pixel.
    pub samples: usize,
    pub colors: Colors,
    /// Meaning of the samples after the colours.
    pub extra: Vec<u64>,
    pub compression: Compression,
    /// Whether each strip or tile holds one sample of its pixels.
    pub planar: bool,
    pub predictor: Predictor,
    /// Whether the bits of each byte are stored lowest first.
    pub lowest_bit_first: bool,
    pub little_endian: bool,
    /// Size of a strip or tile.
    pub chunk: [usize; 2],
    pub tiled: bool,
    /// Offset and length of each strip or tile.
    pub chunks: Vec<[u64; 2]>,
}

/// What the samples of a pixel mean.
pub enum Colors {
    Gray {
        white_is_zero: bool,
    },
    Rgb,
    Palette(Vec<u16>),
    Cmyk,
    YCbCr(YCbCr),
    /// CIE L*a*b* under D50, as TIFF or ICC codes it.
    Lab {
        icc: bool,
    },
}

/// What is stored in place of samples.
#[derive(Clone, Copy, PartialEq)]
pub enum Predictor {
    None,
    /// Differences between neighbours.
    Differences,
    /// The bytes of floats sorted by their place, and differences between them.
    Floats,
}

impl Predictor {
    fn read(
        file: &mut File<'_>,
        compression: &Compression,
        bits: u32,
        float: bool,
    ) -> Result<Self, ImageProblem> {
        // Other compressions have none, whatever the tag says.
        if !matches!(compression, Compression::Lzw | Compression::Deflate) {
            return Ok(Self::None);
        }
        let predictor = match unsigned(file, 317)?.unwrap_or(1) {
            1 => return Ok(Self::None),
            2 => Self::Differences,
            3 if float => Self::Floats,
            other => return refused(&format!("predictor {other} in TIFF")),
        };
        match bits {
            8 | 16 | 32 | 64 => Ok(predictor),
            _ => refused(&format!("a predictor for samples of {bits} bits in TIFF")),
        }
    }
}

/// What kind of numbers samples are.
struct Kind {
    bits: u32,
    float: bool,
    /// How many a pixel has.
    samples: usize,
}

impl Kind {
    /// Refuses those that are not read.
    fn read(file: &mut File<'_>) -> Result<Self, ImageProblem> {
        let samples = unsigned(file, 277)?.unwrap_or(1);
        let bits = all_unsigned(file, 258)?.unwrap_or(vec![1]);
        let format = all_unsigned(file, 339)?.unwrap_or(vec![1]);
        if format.iter().any(|&f| f != format[0]) {
            return refused("samples of different kinds in TIFF");
        }
        let float = match format[0] {
            1 | 4 => false,
            3 => true,
            2 => return refused("signed samples in TIFF"),
            _ => return refused("complex samples in TIFF"),
        };
        if samples > 16 {
            return refused(&format!("{samples} samples a pixel in TIFF"));
        }
        if bits.iter().any(|&b| b != bits[0]) {
            return refused("samples of different sizes in TIFF");
        }
        let bits = bits[0] as u32;
        match (float, bits) {
            (false, 1..=16 | 32) | (true, 16 | 32 | 64) => {}
            (false, _) => return refused(&format!("samples of {bits} bits in TIFF")),
            (true, _) => return refused(&format!("floating-point samples of {bits} bits in TIFF")),
        }
        Ok(Self {
            bits,
            float,
            samples: samples as usize,
        })
    }
}

/// How strips and tiles are compressed.
pub enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    /// CCITT T.4 or T.6.
    Fax(Fax),
    Jpeg {
        /// What all strips or tiles share.
        tables: Vec<u8>,
        /// Whether each holds luma and chroma, which their decoder converts.
        ycbcr: bool,
    },
}

impl Layout {
    /// Refuses strips and tiles that are absurdly large for an image of at most
    /// `max_pixels`.
    pub fn read(
        file: &mut File<'_>,
        file_length: u64,
        max_pixels: u64,
    ) -> Result<Self, ImageProblem> {
        let (width, height) = file.dimensions().map_err(super::problem)?;
        let (width, height) = (width as usize, height as usize);
        let or = |value: Option<u64>, default| value.unwrap_or(default);
        let compression = compression(file)?;
        let colors = colors(file, &compression)?;
        let Kind {
            bits,
            float,
            samples,
        } = Kind::read(file)?;
        colors.check(bits, samples, float)?;
        if matches!(compression, Compression::Jpeg { .. }) && bits != 8 {
            return refused(&format!("JPEG coding of {bits} bits a sample"));
        }
        if matches!(compression, Compression::Fax(_)) && (bits, samples) != (1, 1) {
            return refused("fax compression of more than black and white in TIFF");
        }
        let needed = colors.samples();
        if samples < needed {
            return Err(ImageProblem::Damaged(format!(
                "{samples} samples a pixel where its colours need {needed}"
            )));
        }
        let tiled = all_unsigned(file, 324)?.is_some();
        let chunk = if tiled {
            let sides = [unsigned(file, 322)?, unsigned(file, 323)?];
            sides.map(|side| or(side, 0) as usize)
        } else {
            let rows = or(unsigned(file, 278)?, height as u64).min(height as u64);
            [width, rows as usize]
        };
        // Tiles are at most as large as an image may be, and a bit.
        if chunk[0] == 0 || chunk[1] == 0 || chunk[0].max(chunk[1]) > 1 << 24 {
            let [w, h] = chunk;
            return Err(ImageProblem::Damaged(format!("strips or tiles of {w}x{h}")));
        }
        let planar = or(unsigned(file, 284)?, 1) == 2 && samples > 1;
        let chunk_samples = if planar { 1 } else { samples as u64 };
        let sizes = [chunk[0] as u64, chunk[1] as u64, chunk_samples, bits.into()];
        let chunk_bits = sizes.into_iter().try_fold(1, u64::checked_mul);
        let most = max_pixels.saturating_mul(CHUNK_BYTES_A_PIXEL);
        let most = most.saturating_add(HEADER_BYTES);
        if chunk_bits.is_none_or(|chunk_bits| chunk_bits / 8 > most) {
            return Err(ImageProblem::Memory);
        }
        let (offsets, lengths) = if tiled { (324, 325) } else { (273, 279) };
        let offsets = all_unsigned(file, offsets)?.unwrap_or_default();
        let lengths = all_unsigned(file, lengths)?.unwrap_or_default();
        let lengths = found_lengths(&offsets, lengths, file_length);
        let predictor = Predictor::read(file, &compression, bits, float)?;
        if predictor != Predictor::None && colors.subsampling() != [1, 1] {
            return refused("a predictor for subsampled chroma in TIFF");
        }
        let layout = Self {
            width,
            height,
            bits,
            float,
            samples,
            colors,
            extra: all_unsigned(file, 338)?.unwrap_or_default(),
            compression,
            planar,
            predictor,
            lowest_bit_first: or(unsigned(file, 266)?, 1) == 2,
            little_endian: file.byte_order() == ::tiff::tags::ByteOrder::LittleEndian,
            chunk,
            tiled,
            chunks: offsets
                .into_iter()
                .zip(lengths)
                .map(|(a, b)| [a, b])
                .collect(),
        };
        let expected = layout.chunks_a_plane() * if layout.planar { samples } else { 1 };
        if layout.chunks.len() < expected {
            let found = layout.chunks.len();
            return Err(ImageProblem::Damaged(format!(
                "{found} strips or tiles in place of {expected}"
            )));
        }
        Ok(layout)
    }

    /// Strips or tiles from left to right.
    pub fn chunks_across(&self) -> usize {
        self.width.div_ceil(self.chunk[0])
    }

    pub fn chunks_a_plane(&self) -> usize {
        self.chunks_across() * self.height.div_ceil(self.chunk[1])
    }

    /// Whether the bits of each byte are to be reversed.
    pub fn reverses_bits(&self) -> bool {
        self.lowest_bit_first && !matches!(self.compression, Compression::Jpeg { .. })
    }

    /// So many samples, 0 each, of the type that stored ones become.
    pub fn zeros(&self, count: usize) -> Result<Samples, NoMemory> {
        Samples::zeros(count, if self.bits <= 8 { 8 } else { 16 }, u64::MAX)
    }

    /// Samples a pixel inside a strip or tile.
    pub fn chunk_samples(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }
}

impl Colors {
    /// How many samples they take.
    pub fn samples(&self) -> usize {
        match self {
            Self::Gray { .. } | Self::Palette(_) => 1,
            Self::Rgb | Self::YCbCr(_) | Self::Lab { .. } => 3,
            Self::Cmyk => 4,
        }
    }

    /// Whether they are converted to sRGB.
    pub fn become_srgb(&self) -> bool {
        matches!(self, Self::Cmyk | Self::Lab { .. })
    }

    /// How many pixels share a sample of chroma, across and down.
    pub fn subsampling(&self) -> [usize; 2] {
        match self {
            Self::YCbCr(colors) => colors.subsampling,
            _ => [1, 1],
        }
    }

    /// Refuses samples that these colours do not come in.
    fn check(&self, bits: u32, samples: usize, float: bool) -> Result<(), ImageProblem> {
        match self {
            Self::YCbCr(_) if bits != 8 => {
                refused(&format!("luma and chroma (YCbCr) of {bits} bits in TIFF"))
            }
            Self::YCbCr(colors) if colors.subsampling != [1, 1] && samples != 3 => {
                refused("subsampled chroma with more channels in TIFF")
            }
            Self::Lab { .. } if float || !matches!(bits, 8 | 16) => {
                let kind = if float { "floating-point " } else { "" };
                refused(&format!(
                    "CIE L*a*b* in {kind}samples of {bits} bits in TIFF"
                ))
            }
            Self::Palette(_) if float => refused("a palette for floating-point samples in TIFF"),
            _ => Ok(()),
        }
    }
}

/// The lengths of strips or tiles, those that a writer has not filled in up to the next
/// one or the end of the file. Without a place, there is none.
fn found_lengths(offsets: &[u64], mut lengths: Vec<u64>, file_length: u64) -> Vec<u64> {
    let lacks = |(&offset, &length): (&u64, &u64)| length == 0 && offset != 0;
    if offsets.iter().zip(&lengths).any(lacks) {
        let mut ends = offsets.to_vec();
        ends.push(file_length);
        ends.sort_unstable();
        for pair in offsets.iter().zip(&mut lengths) {
            let (&offset, length) = pair;
            if *length == 0 && offset != 0 {
                let end = ends.partition_point(|&end| end <= offset);
                *length = ends.get(end).map_or(0, |end| end - offset);
            }
        }
    }
    lengths
}

fn refused<T>(what: &str) -> Result<T, ImageProblem> {
    Err(ImageProblem::Feature(what.to_owned()))
}

fn compression(file: &mut File<'_>) -> Result<Compression, ImageProblem> {
    let name = match unsigned(file, 259)?.unwrap_or(1) {
        1 => return Ok(Compression::None),
        2 => return Ok(Compression::Fax(Fax::Lines)),
        3 => match unsigned(file, 292)?.unwrap_or(0) & 3 {
            0 => return Ok(Compression::Fax(Fax::Group3)),
            1 => return Ok(Compression::Fax(Fax::Group3TwoDimensional)),
            _ => "fax compression with an uncompressed mode",
        },
        4 => return Ok(Compression::Fax(Fax::Group4)),
        5 => return Ok(Compression::Lzw),
        6 => "the old JPEG compression of TIFF",
        7 => {
            let planar = unsigned(file, 284)? == Some(2);
            return Ok(Compression::Jpeg {
                tables: bytes(file, 347).unwrap_or_default(),
                ycbcr: unsigned(file, 262)? == Some(6) && !planar,
            });
        }
        8 | 32_946 => return Ok(Compression::Deflate),
        32_773 => return Ok(Compression::PackBits),
        34_661..=34_663 => "JBIG compression in TIFF",
        34_712 | 33_003 | 33_004 | 33_005 => "JPEG 2000 compression in TIFF",
        34_887 => "LERC compression in TIFF",
        34_925 => "LZMA compression in TIFF",
        34_676 | 34_677 => "LogLuv compression in TIFF",
        50_000 | 34_926 => "Zstandard compression in TIFF",
        50_001 | 34_927 => "WebP compression in TIFF",
        50_002 | 52_546 => "JPEG XL compression in TIFF",
        other => return refused(&format!("compression {other} in TIFF")),
    };
    refused(name)
}

fn colors(file: &mut File<'_>, compression: &Compression) -> Result<Colors, ImageProblem> {
    let name = match unsigned(file, 262)?.unwrap_or(1) {
        kind @ (0 | 1) => {
            return Ok(Colors::Gray {
                white_is_zero: kind == 0,
            });
        }
        2 => return Ok(Colors::Rgb),
        3 => {
            let map = all_unsigned(file, 320)?.unwrap_or_default();
            return Ok(Colors::Palette(map.into_iter().map(|v| v as u16).collect()));
        }
        4 => "a transparency mask as an image",
        5 => match unsigned(file, 332)?.unwrap_or(1) {
            1 => return Ok(Colors::Cmyk),
            _ => "other inks than those of CMYK",
        },
        6 if matches!(compression, Compression::Jpeg { ycbcr: true, .. }) => {
            return Ok(Colors::Rgb);
        }
        6 => return Ok(Colors::YCbCr(YCbCr::read(file)?)),
        8 => return Ok(Colors::Lab { icc: false }),
        9 => return Ok(Colors::Lab { icc: true }),
        10 => "the L*a*b* colours of fax (ITU)",
        32_803 => return Err(ImageProblem::Format("a camera's raw file")),
        other => return refused(&format!("colours of kind {other} in TIFF")),
    };
    refused(name)
}
