//! WebP files.

use super::super::exif;
use super::super::pixels::Pixels;
use super::super::raster::Raster;
use super::super::{ImageProblem, Metadata, Samples, orientation::Orientation};
use super::replaced::Replaced;
use super::webp_frames::Frames;
use super::{
    DecodeOptions, HEADER_BYTES, Size, Source, check_size, cut_off, damaged, first_of_animation,
    io_problem, length, nothing_read, tolerate,
};
use crate::host_memory::{probe, zeros};
use image_webp::{DecodingError, WebPDecoder};
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

/// The memory for each pixel: what is decoded, and its planes before that.
const PIXEL_BYTES: u64 = 16;

pub fn size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    let mut decoder = open(source)?;
    let (width, height) = decoder.dimensions();
    check_size([width, height], max_pixels)?;
    decoder.set_memory_limit(HEADER_BYTES as usize);
    let exif = decoder.exif_metadata().ok().flatten();
    Ok(([width, height], orientation(exif.as_deref())))
}

pub fn decode(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let mut notes = Vec::new();
    if states_more_than_there_is(source)? {
        tolerate(cut_off(), options, &mut notes)?;
    }
    let mut decoder = open(source)?;
    let head = Head::read(&mut decoder, options, notes)?;
    if decoder.is_animated() {
        let count = head.frames;
        let mut raster = Frames::new(source, head, options)?.frame(source, 0)?;
        if count > 1 {
            raster.note(first_of_animation(count));
        }
        return Ok(raster);
    }
    let bytes = decoder.output_buffer_size().ok_or(ImageProblem::Memory)?;
    let [width, height] = head.size.map(|side| side as usize);
    // Lossless ones are decoded to RGBA in any case, lossy ones to planes.
    probe(bytes.saturating_add((width * height).saturating_mul(5)))?;
    let mut samples = zeros(bytes)?;
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let is_lossy = decoder.is_lossy();
    let read = decoder.read_image(&mut samples).map_err(problem);
    if !is_lossy && read.is_err() {
        // What there is of it are differences between pixels.
        samples.fill(0);
    }
    head.raster(channels, samples.into(), read, options)
}

/// A file whose header has been read.
pub type Open<'a> = WebPDecoder<Replaced<&'a mut Source>>;

/// Flags of the extended header.
const ALPHA: u8 = 0x10;
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;

/// Reads the header, its flags made true of the chunks that there are. Programs that
/// take chunks out forget them, and other readers do not look at them.
pub fn open(source: &mut Source) -> Result<Open<'_>, ImageProblem> {
    const FLAGS_AT: usize = 20;
    let mut start = Vec::new();
    source
        .by_ref()
        .take(FLAGS_AT as u64 + 1)
        .read_to_end(&mut start)
        .map_err(ImageProblem::Read)?;
    let (mut found, mut opacity) = (0, None);
    walk(source, |name, _, data| {
        match name {
            b"EXIF" => found |= EXIF,
            b"XMP " => found |= XMP,
            b"ALPH" => found |= ALPHA,
            // A signature, the size, and whether there is opacity.
            b"VP8L" => {
                let mut head = [0; 5];
                opacity = opacity.or(data.read_exact(&mut head).ok().map(|()| head[4] & ALPHA));
            }
            _ => {}
        }
        Ok(())
    })?;
    let is_extended = start.get(12..16) == Some(b"VP8X");
    if let Some(flags) = start.get_mut(FLAGS_AT).filter(|_| is_extended) {
        *flags &= !(ALPHA | EXIF | XMP);
        *flags |= match opacity {
            Some(opacity) => found & !ALPHA | opacity,
            None => found,
        };
    }
    let file = Replaced::new(source, start)?;
    WebPDecoder::new(file).map_err(problem)
}

/// What there is in a file besides pixels.
pub struct Head {
    pub size: [u32; 2],
    pub frames: usize,
    /// The most bytes that a decoder may take.
    pub memory: usize,
    metadata: Metadata,
    orientation: Orientation,
    notes: Vec<String>,
}

impl Head {
    pub fn read(
        decoder: &mut Open<'_>,
        options: &DecodeOptions,
        mut notes: Vec<String>,
    ) -> Result<Self, ImageProblem> {
        let (width, height) = decoder.dimensions();
        check_size([width, height], options.max_pixels)?;
        let memory = HEADER_BYTES + PIXEL_BYTES * u64::from(width) * u64::from(height);
        let memory = usize::try_from(memory).unwrap_or(usize::MAX);
        decoder.set_memory_limit(memory);
        let mut kept = |name: &str, data: Result<Option<Vec<u8>>, DecodingError>| match data {
            Ok(data) => data,
            Err(_) => {
                notes.push(format!("its {name} cannot be read and was left out"));
                None
            }
        };
        let icc_profile = kept("colour profile", decoder.icc_profile());
        let exif = kept("EXIF", decoder.exif_metadata());
        let xmp = kept("XMP", decoder.xmp_metadata());
        // Many writers put JPEG's header before the block.
        let exif = exif.map(|block| exif::without_header(&block).to_vec());
        Ok(Self {
            size: [width, height],
            frames: decoder.num_frames() as usize,
            memory,
            orientation: orientation(exif.as_deref()),
            metadata: Metadata {
                icc_profile,
                exif,
                xmp,
                ..Metadata::default()
            },
            notes,
        })
    }

    /// The image of these samples, as far as they could be read.
    pub fn raster(
        &self,
        channels: usize,
        samples: Samples,
        read: Result<(), ImageProblem>,
        options: &DecodeOptions,
    ) -> Result<Raster, ImageProblem> {
        let mut notes = self.notes.clone();
        if let Err(error) = read {
            if samples.all_zero() {
                return Err(nothing_read(error));
            }
            tolerate(error.after_header(), options, &mut notes)?;
        }
        let (size, turned) = (self.size, self.orientation);
        let pixels = Pixels::whole(size, channels, samples, turned, options.in_memory)?;
        let mut raster = Raster::new(pixels);
        raster.notes = notes;
        raster.metadata = self.metadata.clone();
        Ok(raster)
    }
}

/// How long each frame is shown; none of an image that is no animation.
pub fn durations(
    source: &mut Source,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Duration>, ImageProblem> {
    let mut durations = Vec::new();
    let is_cut = walk(source, |name, _, data| {
        // Place and size of the frame come before it.
        if name == b"ANMF" {
            let mut head = [0; 15];
            match data.read_exact(&mut head) {
                // Its chunk reaches beyond the end of the file.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                read => read?,
            }
            let milliseconds = u32::from_le_bytes([head[12], head[13], head[14], 0]);
            durations.push(Duration::from_millis(milliseconds.into()));
        }
        Ok(())
    })?;
    if is_cut {
        tolerate(cut_off(), options, notes)?;
    }
    Ok(durations)
}

fn orientation(exif: Option<&[u8]>) -> Orientation {
    let block = exif.map(exif::without_header);
    Orientation::new(block.and_then(exif::orientation).unwrap_or(1))
}

/// Whether the container or a chunk in it states more bytes than the file has.
/// Leaves the file at its start.
pub fn states_more_than_there_is(source: &mut Source) -> Result<bool, ImageProblem> {
    walk(source, |_, _, _| Ok(()))
}

/// Looks at all chunks: their names and lengths, and the file at their content. Gives whether
/// they state more bytes than the file has, and leaves it at its start.
pub fn walk(
    source: &mut Source,
    mut look: impl FnMut(&[u8], u64, &mut Source) -> io::Result<()>,
) -> Result<bool, ImageProblem> {
    let length = length(source)?;
    let mut head = [0; 8];
    let read = source.read_exact(&mut head);
    read.map_err(io_problem)?;
    let stated = 8 + u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
    let mut at = 12;
    let (mut beyond, mut padding) = (false, 0);
    while !beyond && at + 8 <= stated.min(length) {
        source
            .seek(SeekFrom::Start(at))
            .map_err(ImageProblem::Read)?;
        source.read_exact(&mut head).map_err(io_problem)?;
        let size = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        look(&head[..4], size, source).map_err(io_problem)?;
        at += 8 + size.next_multiple_of(2);
        // The byte that pads the last chunk is left out by some writers.
        padding = size % 2;
        beyond = at > length + padding;
    }
    source.rewind().map_err(ImageProblem::Read)?;
    Ok(beyond || stated > length + padding)
}

pub fn problem(error: DecodingError) -> ImageProblem {
    match error {
        DecodingError::IoError(error) => io_problem(error),
        DecodingError::MemoryLimitExceeded | DecodingError::ImageTooLarge => ImageProblem::Memory,
        DecodingError::UnsupportedFeature(_) => {
            ImageProblem::Feature("a frame of a video as a WebP image".to_owned())
        }
        error => damaged(&error),
    }
}
