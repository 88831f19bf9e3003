//! BMP files.

use super::super::pixels::Pixels;
use super::super::raster::Raster;
use super::super::{ImageProblem, Metadata, Samples, orientation::Orientation};
use super::codec::{checked_size, decode_whole, problem};
use super::padded::Padded;
use super::replaced::Replaced;
use super::{DecodeOptions, Size, Source, check_size, io_problem, nothing_read, tolerate};
use crate::host_memory::{with_room, zeros};
use ::image::codecs::bmp::BmpDecoder;
use std::io::{Read, Seek, SeekFrom};

pub fn size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    let file = open(source)?;
    checked_size(&BmpDecoder::new(file).map_err(problem)?, max_pixels)
}

/// The file with a header that the decoder knows.
fn open(source: &mut Source) -> Result<Replaced<&mut Source>, ImageProblem> {
    let (start, count) = Header::read(source)?.plain()?.unwrap_or_default();
    Replaced::of_length(source, start, count)
}

pub fn decode(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let mut file = open(source)?;
    let header = Header::read(&mut file)?;
    let mut notes = Vec::new();
    let metadata = header.metadata(&mut file, &mut notes)?;
    let mut raster = match header.masks_with_alpha() {
        Some(masks) => {
            file.rewind().map_err(ImageProblem::Read)?;
            // Refuse headers that the size check refuses.
            let decoder = BmpDecoder::new(&mut file).map_err(problem)?;
            checked_size(&decoder, options.max_pixels)?;
            header.decode_masked(&mut file, masks, options)?
        }
        None => {
            file.rewind().map_err(ImageProblem::Read)?;
            let (file, padding) = Padded::new(&mut file);
            let decoder = BmpDecoder::new(file).map_err(problem)?;
            let palette = decoder.get_palette().unwrap_or_default().to_vec();
            let mut raster = decode_whole(decoder, &padding, options)?;
            raster.pixels.set_palette(&palette);
            raster
        }
    };
    raster.metadata = metadata;
    raster.notes.extend(notes);
    Ok(raster)
}

/// The file header and the start of the image header (BITMAPV5HEADER, of
/// which older ones are the beginning). Fields that are not there are 0.
struct Header([u8; 138]);

/// No compression, of which masks are no part.
const UNCOMPRESSED: u32 = 0;

/// Compression of pixels whose channels are told apart by masks.
const BITFIELDS: u32 = 3;

/// The same, and one of the masks behind the header is that of alpha (Windows CE).
const ALPHA_BITFIELDS: u32 = 6;

/// Bytes of the image header that all but the oldest have (BITMAPINFOHEADER), of that
/// with masks of the colours, and of that with a mask of alpha too (BITMAPV3INFOHEADER).
const INFO: u32 = 40;
const MASKS: u32 = 52;
const ALPHA_MASK: u32 = 56;

/// Bytes of the file header, which comes before.
const FILE_HEADER: usize = 14;

impl Header {
    fn read(source: &mut impl Read) -> Result<Self, ImageProblem> {
        let mut bytes = [0; 138];
        source.read_exact(&mut bytes[..18]).map_err(io_problem)?;
        let size = u32::from_le_bytes([bytes[14], bytes[15], bytes[16], bytes[17]]);
        let rest = (size.clamp(4, 124) - 4) as usize;
        let read = source.read_exact(&mut bytes[18..18 + rest]);
        read.map_err(io_problem)?;
        Ok(Self(bytes))
    }

    /// What stands for the start of the file with a header that the decoder knows, and
    /// for how many bytes of it; none: they are such a header. Refuses by name what the
    /// decoder does not know.
    fn plain(&self) -> Result<Option<(Vec<u8>, u64)>, ImageProblem> {
        let refused = |what: &str| Err(ImageProblem::Feature(format!("{what} in BMP")));
        let (size, compression) = (self.header_size(), self.u32(30));
        if !(16..=124).contains(&size) {
            return Ok(None);
        }
        // Those of OS/2 end anywhere, and leave the rest at 0.
        let is_os2 = size <= 64 && ![INFO, MASKS, ALPHA_MASK].contains(&size);
        if !is_os2 && size > ALPHA_MASK && ![108, 124].contains(&size) {
            return refused(&format!("an image header of {size} bytes"));
        }
        match (compression, is_os2) {
            (0..=2, _) | (BITFIELDS | ALPHA_BITFIELDS, false) => {}
            (3, true) => return refused("the fax compression of OS/2"),
            (4, true) => return refused("the run lengths of OS/2 for 24 bits"),
            (4, false) => return refused("a JPEG image"),
            (5, false) => return refused("a PNG image"),
            (11..=13, false) => return refused("CMYK"),
            (other, _) => return refused(&format!("compression {other}")),
        }
        let mut start = self.0.to_vec();
        let mut put =
            |at: usize, value: u32| start[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let end = FILE_HEADER + size as usize;
        if is_os2 {
            put(10, self.u32(10).wrapping_add(INFO).wrapping_sub(size));
            put(14, INFO);
            start.truncate(FILE_HEADER + INFO as usize);
            return Ok(Some((start, end as u64)));
        }
        if compression == ALPHA_BITFIELDS {
            put(30, BITFIELDS);
            // The masks are where a larger header has them.
            put(14, size.max(ALPHA_MASK));
            start.truncate(34);
            return Ok(Some((start, 34)));
        }
        Ok(None)
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    fn header_size(&self) -> u32 {
        self.u32(14)
    }

    fn bits(&self) -> u16 {
        u16::from_le_bytes([self.0[28], self.0[29]])
    }

    /// The masks of red, green, blue and alpha, where there is alpha.
    fn masks_with_alpha(&self) -> Option<[u32; 4]> {
        let masks = [54, 58, 62, 66].map(|at| self.u32(at));
        let used = match (self.u32(30), self.bits()) {
            (BITFIELDS, 16 | 32) => self.header_size() >= 56,
            // Some writers fill them in and do not say that they count.
            (UNCOMPRESSED, 32) => self.header_size() >= 108 && masks[..3].iter().all(|&m| m != 0),
            _ => false,
        };
        (used && masks[3] != 0).then_some(masks)
    }

    fn metadata(
        &self,
        source: &mut (impl Read + Seek),
        notes: &mut Vec<String>,
    ) -> Result<Metadata, ImageProblem> {
        let mut metadata = Metadata::default();
        if self.header_size() >= 40 {
            let per_metre = [38, 42].map(|at| self.u32(at) as i32);
            if per_metre.iter().all(|&n| n > 0) {
                metadata.dpi = Some(per_metre.map(|n| f64::from(n) * 0.0254));
            }
        }
        // An embedded profile, stated by its place after the file header.
        if self.header_size() >= 124 && &self.0[70..74] == b"DEBM" {
            let (at, size) = (self.u32(126), self.u32(130));
            let at = SeekFrom::Start(14 + u64::from(at));
            let mut profile = Vec::new();
            source
                .seek(at)
                .and_then(|_| source.by_ref().take(size.into()).read_to_end(&mut profile))
                .map_err(ImageProblem::Read)?;
            // One that is cut off is noticed where those of all formats are looked at.
            metadata.icc_profile = Some(profile);
        }
        if self.header_size() >= 124 && &self.0[70..74] == b"KNIL" {
            notes.push("its colour profile is in another file and was left out".to_owned());
        }
        Ok(metadata)
    }

    /// Decodes pixels with an alpha mask, which the decoder below ignores.
    fn decode_masked(
        &self,
        source: &mut (impl Read + Seek),
        masks: [u32; 4],
        options: &DecodeOptions,
    ) -> Result<Raster, ImageProblem> {
        let [width, height] = [18, 22].map(|at| self.u32(at) as i32);
        let size = [u32::try_from(width).unwrap_or(0), height.unsigned_abs()];
        check_size(size, options.max_pixels)?;
        let bytes = usize::from(self.bits() / 8);
        let row = (size[0] as usize * bytes).next_multiple_of(4);
        let start = SeekFrom::Start(self.u32(10).into());
        source.seek(start).map_err(ImageProblem::Read)?;
        // Rows go upwards unless the height is negative.
        let orientation = Orientation::new(if height > 0 { 4 } else { 1 });
        let is_whole = !options.tolerant;
        let mut pixels = Pixels::new(size, 4, 8, orientation, is_whole, options.in_memory)?;
        let mut notes = Vec::new();
        let (mut stored, mut samples) = (zeros(row)?, with_room(4 * size[0] as usize)?);
        for y in 0..size[1] as usize {
            match source.read_exact(&mut stored).map_err(io_problem) {
                Err(problem @ ImageProblem::Incomplete(_)) if y > 0 => {
                    tolerate(problem, options, &mut notes)?;
                    break;
                }
                read => read.map_err(nothing_read)?,
            }
            samples.clear();
            for pixel in stored.chunks_exact(bytes).take(size[0] as usize) {
                let mut word = [0; 4];
                word[..bytes].copy_from_slice(pixel);
                let word = u32::from_le_bytes(word);
                samples.extend(masks.map(|mask| masked(word, mask)));
            }
            pixels.put([0, y], 1, &samples)?;
        }
        // Nobody saves an image of nothing: the channel was not filled in.
        let is_nothing = |alpha: &Samples| (0..alpha.len()).all(|i| alpha.at_u8(i) == 0);
        if self.u32(30) == UNCOMPRESSED && pixels.alpha.as_ref().is_some_and(is_nothing) {
            pixels.alpha = None;
        }
        let mut raster = Raster::new(pixels);
        raster.notes = notes;
        Ok(raster)
    }
}

/// The part of a word under a mask, scaled to 8 bits.
fn masked(word: u32, mask: u32) -> u8 {
    if mask == 0 {
        return 0;
    }
    let shift = mask.trailing_zeros();
    let (value, largest) = (u64::from((word & mask) >> shift), u64::from(mask >> shift));
    ((value * 255 + largest / 2) / largest) as u8
}
