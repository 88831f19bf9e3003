//! Frames of animated WebP files. `image-webp` decodes each alone; what it makes of
//! several is wrong where one is cleared before the next.

use super::super::{ImageProblem, raster::Raster};
use super::canvas::{Canvas, Layout};
use super::frames::{Opened, Progress, Sequence};
use super::webp::{self, Head, problem, states_more_than_there_is, walk};
use super::{DecodeOptions, Source, check_frame, cut_off, nothing_read, tolerate};
use crate::host_memory::{collected, probe, zeros};
use ::png::{BlendOp, DisposeOp, FrameControl};
use image_webp::WebPDecoder;
use std::io::{Cursor, Read, Seek, SeekFrom};

/// The frames of an animation, one laid on the other.
pub struct Frames {
    head: Head,
    /// Where each is in the file: offset and length.
    places: Vec<(u64, u64)>,
    canvas: Canvas<u8>,
    progress: Progress,
    options: DecodeOptions,
}

impl Frames {
    pub fn new(
        source: &mut Source,
        head: Head,
        options: &DecodeOptions,
    ) -> Result<Self, ImageProblem> {
        let mut places = Vec::new();
        source.rewind().map_err(ImageProblem::Read)?;
        walk(source, |name, length, data| {
            if name == b"ANMF" {
                places.push((data.stream_position()?, length));
            }
            Ok(())
        })?;
        let layout = Layout {
            colors: 3,
            channels: 4,
        };
        Ok(Self {
            canvas: Canvas::new(head.size.map(|side| side as usize), layout)?,
            head,
            places,
            progress: Progress::default(),
            options: *options,
        })
    }

    /// Composes a frame; none of those that were composed before.
    pub fn frame(&mut self, source: &mut Source, wanted: usize) -> Result<Raster, ImageProblem> {
        check_frame(wanted, self.head.frames.max(1))?;
        let read = self.progress.advance(wanted, |index| {
            let &(start, length) = self.places.get(index).ok_or_else(cut_off)?;
            let mut frame = Vec::new();
            source
                .seek(SeekFrom::Start(start))
                .and_then(|_| source.take(length).read_to_end(&mut frame))
                .map_err(ImageProblem::Read)?;
            let (head, data) = frame.split_first_chunk().ok_or_else(cut_off)?;
            let control = control(head);
            let [width, height] = self.head.size;
            if control.x_offset + control.width > width
                || control.y_offset + control.height > height
            {
                let reason = "a frame reaches beyond the image".to_owned();
                return Err(ImageProblem::Damaged(reason));
            }
            let pixels = decode(&control, head, data, self.head.memory)?;
            Ok(self.canvas.show(&control, &pixels)?)
        });
        let shown = self.canvas.shown()?;
        // Else, it would be the frame before.
        if let Err(problem) = read {
            return Err(match shown.all_zero() {
                true => nothing_read(problem),
                false => problem.after_header(),
            });
        }
        (self.head).raster(4, shown, Ok(()), &self.options)
    }
}

struct Animation(Source, Frames);

pub fn open(mut source: Source, options: &DecodeOptions) -> Result<Opened, ImageProblem> {
    let mut notes = Vec::new();
    if states_more_than_there_is(&mut source)? {
        tolerate(cut_off(), options, &mut notes)?;
    }
    let mut decoder = webp::open(&mut source)?;
    if !decoder.is_animated() {
        source.rewind().map_err(ImageProblem::Read)?;
        return Ok(Opened::Still(source));
    }
    let head = Head::read(&mut decoder, options, notes)?;
    let frames = Frames::new(&mut source, head, options)?;
    Ok(Opened::Sequence(Box::new(Animation(source, frames))))
}

impl Sequence for Animation {
    fn frame(&mut self, wanted: usize) -> Result<Raster, ImageProblem> {
        let Self(source, frames) = self;
        frames.frame(source, wanted)
    }
}

/// Where a frame lies, and what becomes of it and of what it covers.
fn control(head: &[u8; 16]) -> FrameControl {
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], 0]);
    FrameControl {
        x_offset: 2 * number(0),
        y_offset: 2 * number(3),
        width: 1 + number(6),
        height: 1 + number(9),
        dispose_op: match head[15] & 1 {
            0 => DisposeOp::None,
            _ => DisposeOp::Background,
        },
        blend_op: match head[15] & 2 {
            0 => BlendOp::Over,
            _ => BlendOp::Source,
        },
        ..FrameControl::default()
    }
}

/// The pixels of a frame, with alpha.
fn decode(
    control: &FrameControl,
    head: &[u8; 16],
    data: &[u8],
    memory_limit: usize,
) -> Result<Vec<u8>, ImageProblem> {
    // As a file of its own. Alpha beside lossy pixels needs the extended form.
    let mut chunks = b"WEBP".to_vec();
    if data.starts_with(b"ALPH") {
        let has_alpha = 0x10;
        chunks.extend(b"VP8X\x0a\0\0\0");
        chunks.extend([has_alpha, 0, 0, 0]);
        chunks.extend(&head[6..12]);
    }
    chunks.extend(data);
    let length = (chunks.len() as u32).to_le_bytes();
    let file = [b"RIFF", &length[..], &chunks].concat();
    let mut decoder = WebPDecoder::new(Cursor::new(file)).map_err(problem)?;
    if decoder.dimensions() != (control.width, control.height) {
        let reason = "a frame has another size than it states".to_owned();
        return Err(ImageProblem::Damaged(reason));
    }
    decoder.set_memory_limit(memory_limit);
    let bytes = decoder.output_buffer_size().ok_or(ImageProblem::Memory)?;
    let count = control.width as usize * control.height as usize;
    probe(bytes.saturating_add(count.saturating_mul(5)))?;
    let mut pixels = zeros(bytes)?;
    decoder.read_image(&mut pixels).map_err(problem)?;
    if decoder.has_alpha() {
        return Ok(pixels);
    }
    let pixels = pixels.chunks_exact(3);
    let pixels = pixels.flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]);
    Ok(collected(4 * count, pixels)?)
}
