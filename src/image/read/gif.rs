//! GIF files.

use super::super::pixels::Pixels;
use super::super::raster::Raster;
use super::super::{ImageProblem, Metadata, orientation::Orientation};
use super::codec::{checked_size, limits, problem};
use super::frames::{Opened, Progress, Sequence};
use super::gif_blocks::{comments, lacks_trailer, larger_screen};
use super::replaced::Replaced;
use super::{
    DecodeOptions, END_IS_MISSING, Size, Source, check_size, cut_off, damaged, io_problem,
    no_frame, nothing_read, tolerate,
};
use crate::host_memory::{probe, zeros};
use ::gif::{ColorOutput, Decoder, DecodingError, MemoryLimit};
use ::image::codecs::gif::GifDecoder;
use ::image::{AnimationDecoder, Frames, ImageDecoder};
use std::io::{BufRead, Read, Seek};
use std::time::Duration;

pub fn size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    let file = with_screen(source)?;
    checked_size(&GifDecoder::new(file).map_err(problem)?, max_pixels)
}

/// The file with a screen that its first image fits on.
fn with_screen(source: &mut Source) -> Result<Replaced<&mut Source>, ImageProblem> {
    let start = larger_screen(source)?;
    Replaced::new(source, start)
}

/// Decodes the first frame, row by row: of one that is cut off, some are there.
pub fn decode(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let (size, mut decoder) = open_rows(with_screen(&mut *source)?, options)?;
    let [width, height] = size.map(|side| side as usize);
    let mut canvas = zeros(4 * width * height)?;
    let (mut rows, mut notes) = (0, Vec::new());
    if !next_frame(&mut decoder).map_err(nothing_read)? {
        return Err(no_image());
    }
    let frame = decoder.current_frame_info().ok_or_else(no_image)?;
    let [left, top] = [frame.left, frame.top].map(usize::from);
    let palette = decoder.palette().unwrap_or_default().to_vec();
    let read = read_rows(&mut decoder, |y, row| {
        rows += 1;
        if top + y >= height || left >= width {
            return;
        }
        let place = &mut canvas[4 * ((top + y) * width + left)..4 * (top + y + 1) * width];
        let pixels = place.chunks_exact_mut(4).zip(row.chunks_exact(4));
        // Below what is transparent is nothing.
        for (place, pixel) in pixels.filter(|(_, pixel)| pixel[3] > 0) {
            place.copy_from_slice(pixel);
        }
    });
    // Before what follows the image is looked at.
    let mut metadata = metadata(&decoder);
    match read {
        Err(problem) if rows == 0 => return Err(nothing_read(problem)),
        Err(problem) => tolerate(problem.after_header(), options, &mut notes)?,
        Ok(()) => match next_frame(&mut decoder) {
            Ok(false) => {}
            Ok(true) => {
                notes.push("an animation; only the first frame is used".to_owned());
            }
            Err(ImageProblem::Incomplete(_)) if lacks_trailer(source)? => {
                notes.push(END_IS_MISSING.to_owned());
            }
            Err(ImageProblem::Damaged(reason) | ImageProblem::Incomplete(reason)) => {
                notes.push(format!("what follows its image cannot be read: {reason}"));
            }
            Err(problem) => return Err(problem),
        },
    }
    metadata.comments = comments(source)?;
    let upright = Orientation::UPRIGHT;
    let mut pixels = Pixels::whole(size, 4, canvas.into(), upright, options.in_memory)?;
    pixels.set_palette(palette.as_chunks().0);
    let mut raster = Raster::new(pixels);
    (raster.metadata, raster.notes) = (metadata, notes);
    Ok(raster)
}

/// What the decoder has found beside images, as far as it has read.
fn metadata<R: Read>(decoder: &Decoder<R>) -> Metadata {
    Metadata {
        icc_profile: decoder.icc_profile().map(<[u8]>::to_vec),
        xmp: decoder.xmp_metadata().map(<[u8]>::to_vec),
        ..Metadata::default()
    }
}

/// A decoder of rows, and the size of the canvas.
fn open_rows<R: BufRead>(
    source: R,
    options: &DecodeOptions,
) -> Result<([u32; 2], Decoder<R>), ImageProblem> {
    let mut decoding = ::gif::DecodeOptions::new();
    decoding.set_color_output(ColorOutput::RGBA);
    // A row is held at a time.
    decoding.set_memory_limit(MemoryLimit::Unlimited);
    let decoder = decoding.read_info(source).map_err(row_problem)?;
    let size = [decoder.width(), decoder.height()].map(u32::from);
    check_size(size, options.max_pixels)?;
    // The canvas, and what becomes of it.
    probe(8 * size[0] as usize * size[1] as usize)?;
    Ok((size, decoder))
}

/// Goes to the next frame; false if the file ends before it, as it should.
fn next_frame<R: BufRead>(decoder: &mut Decoder<R>) -> Result<bool, ImageProblem> {
    Ok(decoder.next_frame_info().map_err(row_problem)?.is_some())
}

/// Reads the rows of a frame in the order in which they are stored.
fn read_rows<R: BufRead>(
    decoder: &mut Decoder<R>,
    mut take: impl FnMut(usize, &[u8]),
) -> Result<(), ImageProblem> {
    let frame = decoder.current_frame_info().ok_or_else(no_image)?;
    let (height, is_interlaced) = (usize::from(frame.height), frame.interlaced);
    let passes: &[[usize; 2]] = match is_interlaced {
        true => &[[0, 8], [4, 8], [2, 4], [1, 2]],
        false => &[[0, 1]],
    };
    let mut row = zeros(decoder.line_length())?;
    for y in passes
        .iter()
        .flat_map(|&[first, step]| (first..height).step_by(step))
    {
        row.fill(0);
        if !row.is_empty() && !decoder.fill_buffer(&mut row).map_err(row_problem)? {
            return Err(cut_off());
        }
        take(y, &row);
    }
    Ok(())
}

fn row_problem(error: DecodingError) -> ImageProblem {
    match error {
        DecodingError::UnexpectedEof => cut_off(),
        DecodingError::Io(error) => io_problem(error),
        DecodingError::OutOfMemory | DecodingError::MemoryLimit => ImageProblem::Memory,
        error => damaged(&error),
    }
}

/// The frames, composed as viewers show them.
fn composed<'a>(
    source: impl BufRead + Seek + 'a,
    options: &DecodeOptions,
) -> Result<([u32; 2], Frames<'a>), ImageProblem> {
    let mut decoder = GifDecoder::new(source).map_err(problem)?;
    let (size, _) = checked_size(&decoder, options.max_pixels)?;
    decoder.set_limits(limits(size)).map_err(problem)?;
    // The canvas and a frame.
    probe(8 * size[0] as usize * size[1] as usize)?;
    Ok((size, decoder.into_frames()))
}

fn no_image() -> ImageProblem {
    ImageProblem::Damaged("it holds no image".to_owned())
}

struct Animation {
    size: [u32; 2],
    frames: Frames<'static>,
    metadata: Metadata,
    progress: Progress,
    in_memory: u64,
}

pub fn open(mut source: Source, options: &DecodeOptions) -> Result<Opened, ImageProblem> {
    let (_, mut decoder) = open_rows(with_screen(&mut source)?, options)?;
    let is_animation = next_frame(&mut decoder)
        .and_then(|_| read_rows(&mut decoder, |_, _| ()))
        .and_then(|()| next_frame(&mut decoder));
    let mut metadata = metadata(&decoder);
    source.rewind().map_err(ImageProblem::Read)?;
    if !is_animation.unwrap_or(false) {
        // Of a frame that is cut off, some rows are there.
        return Ok(Opened::Still(source));
    }
    metadata.comments = comments(&mut source)?;
    let start = larger_screen(&mut source)?;
    let (size, frames) = composed(Replaced::new(source, start)?, options)?;
    Ok(Opened::Sequence(Box::new(Animation {
        size,
        frames,
        metadata,
        progress: Progress::default(),
        in_memory: options.in_memory,
    })))
}

impl Sequence for Animation {
    fn frame(&mut self, wanted: usize) -> Result<Raster, ImageProblem> {
        let frames = &mut self.frames;
        let frame = self.progress.advance(wanted, |index| match frames.next() {
            Some(frame) => frame.map_err(problem),
            None if index == 0 => Err(no_image()),
            None => Err(no_frame(wanted, index)),
        })?;
        let samples = frame.into_buffer().into_raw().into();
        let upright = Orientation::UPRIGHT;
        let pixels = Pixels::whole(self.size, 4, samples, upright, self.in_memory)?;
        let mut raster = Raster::new(pixels);
        raster.metadata = self.metadata.clone();
        Ok(raster)
    }
}

/// How long each frame is shown.
pub fn durations(
    source: &mut Source,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Duration>, ImageProblem> {
    let lacks_trailer = lacks_trailer(source)?;
    let (_, mut decoder) = open_rows(with_screen(source)?, options)?;
    let mut durations = Vec::new();
    loop {
        let read = match next_frame(&mut decoder) {
            Ok(false) => break,
            Ok(true) => read_rows(&mut decoder, |_, _| ()),
            Err(ImageProblem::Incomplete(_)) if lacks_trailer => {
                notes.push(END_IS_MISSING.to_owned());
                break;
            }
            Err(problem) => Err(problem),
        };
        match read {
            Ok(()) => {
                let hundredths = decoder.current_frame_info().map_or(0, |frame| frame.delay);
                durations.push(Duration::from_millis(10 * u64::from(hundredths)));
            }
            Err(ImageProblem::Damaged(reason) | ImageProblem::Incomplete(reason)) => {
                let number = durations.len() + 1;
                let reason = format!("from frame {number} on: {reason}");
                tolerate(ImageProblem::Incomplete(reason), options, notes)?;
                break;
            }
            Err(problem) => return Err(problem),
        }
    }
    Ok(durations)
}
