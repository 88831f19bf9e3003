//! Frames of animated PNG files (APNG), composed as viewers show them.

use super::super::ImageProblem;
use super::super::pixels::Pixels;
use super::super::raster::Raster;
use super::canvas::{Canvas, Layout};
use super::frames::{Opened, Progress, Sequence};
use super::png::{describe, layout, open as open_reader, problem, size_of};
use super::png_walk::Walk;
use super::{DecodeOptions, END_IS_MISSING, Source, check_frame, cut_off, tolerate};
use crate::host_memory::{collected, zeros};
use ::png::{FrameControl, Reader};

struct Animation {
    reader: Reader<Source>,
    walk: Walk,
    canvas: AnyCanvas,
    /// Those of the canvas.
    channels: usize,
    /// The frame that is decoded, as it is stored.
    bytes: Vec<u8>,
    progress: Progress,
    notes: Vec<String>,
    in_memory: u64,
}

enum AnyCanvas {
    Narrow(Canvas<u8>),
    Wide(Canvas<u16>),
}

pub fn open(mut source: Source, options: &DecodeOptions) -> Result<Opened, ImageProblem> {
    if Walk::new(&mut source)?.durations.is_empty() {
        return Ok(Opened::Still(source));
    }
    let mut notes = Vec::new();
    let walk = Walk::checked(&mut source, options, &mut notes)?;
    if walk.lacks_pixels() {
        tolerate(cut_off(), options, &mut notes)?;
    } else if !walk.ended {
        notes.push(END_IS_MISSING.to_owned());
    }
    let mut reader = open_reader(source, options)?;
    let (channels, is_wide) = layout(&reader);
    let colors = if channels <= 2 { 1 } else { 3 };
    let bytes = reader.output_buffer_size().ok_or(ImageProblem::Memory)?;
    let mut bytes = zeros(bytes)?;
    let layout = Layout { colors, channels };
    let size = size_of(reader.info()).map(|side| side as usize);
    let canvas = match is_wide {
        false => AnyCanvas::Narrow(Canvas::new(size, layout)?),
        true => AnyCanvas::Wide(Canvas::new(size, layout)?),
    };
    if reader.info().frame_control.is_none() {
        // An image for viewers that show no animations.
        reader.next_frame(&mut bytes).map_err(problem)?;
    }
    Ok(Opened::Sequence(Box::new(Animation {
        reader,
        walk,
        canvas,
        channels: colors + 1,
        bytes,
        progress: Progress::default(),
        notes,
        in_memory: options.in_memory,
    })))
}

impl Sequence for Animation {
    fn frame(&mut self, wanted: usize) -> Result<Raster, ImageProblem> {
        check_frame(wanted, self.walk.durations.len())?;
        let Self {
            reader,
            walk,
            canvas,
            channels,
            bytes,
            progress,
            notes,
            in_memory,
        } = self;
        progress.advance(wanted, |_| {
            let (control, bytes) = next(reader, bytes)?;
            match canvas {
                AnyCanvas::Narrow(canvas) => canvas.show(&control, &bytes)?,
                AnyCanvas::Wide(canvas) => {
                    let pairs = bytes.chunks_exact(2);
                    let samples = pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                    canvas.show(&control, &collected(bytes.len() / 2, samples)?)?;
                }
            }
            Ok(())
        })?;
        let samples = match canvas {
            AnyCanvas::Narrow(canvas) => canvas.shown()?,
            AnyCanvas::Wide(canvas) => canvas.shown()?,
        };
        let info = reader.info();
        let pixels = Pixels::whole(
            size_of(info),
            *channels,
            samples,
            walk.orientation(),
            *in_memory,
        )?;
        let mut raster = Raster::new(pixels);
        raster.notes.clone_from(notes);
        describe(&mut raster, info, walk)?;
        Ok(raster)
    }
}

/// Decodes the next frame.
fn next(
    reader: &mut Reader<Source>,
    bytes: &mut [u8],
) -> Result<(FrameControl, Vec<u8>), ImageProblem> {
    let frame = reader.next_frame(bytes).map_err(problem)?;
    let Some(control) = reader.info().frame_control else {
        let reason = "a frame of its animation lacks its header".to_owned();
        return Err(ImageProblem::Damaged(reason));
    };
    // Rows of an interlaced frame lie as far apart as those of the whole canvas,
    // whatever the decoder says.
    let info = reader.info();
    let stride = match info.interlaced {
        true => reader.output_line_size(info.width),
        false => Some(frame.line_size),
    };
    let rows = bytes.chunks(stride.ok_or(ImageProblem::Memory)?);
    let rows = rows.take(frame.height as usize);
    let used = rows.flat_map(|row| &row[..frame.line_size]).copied();
    let count = frame.line_size * frame.height as usize;
    Ok((control, collected(count, used)?))
}
