//! Frames of animated WebP files. `image-webp` decodes each alone; what it makes of
//! several is wrong where one is cleared before the next.

use super::super::ImageProblem;
use super::canvas::Canvas;
use super::webp::{problem, walk};
use super::{Source, cut_off};
use crate::host_memory::{collected, probe, zeros};
use ::png::{BlendOp, DisposeOp, FrameControl};
use image_webp::WebPDecoder;
use std::io::{Cursor, Read, Seek, SeekFrom};

/// Lays all frames up to `wanted` on a canvas with alpha, one after the other.
pub fn compose(
    source: &mut Source,
    canvas: &mut Canvas<u8>,
    size: [u32; 2],
    wanted: usize,
    memory_limit: usize,
) -> Result<(), ImageProblem> {
    let mut places = Vec::new();
    source.rewind().map_err(ImageProblem::Read)?;
    walk(source, |name, length, data| {
        if name == b"ANMF" && places.len() <= wanted {
            places.push((data.stream_position()?, length));
        }
        Ok(())
    })?;
    if places.len() <= wanted {
        return Err(cut_off());
    }
    for (start, length) in places {
        let mut frame = Vec::new();
        source
            .seek(SeekFrom::Start(start))
            .and_then(|_| source.take(length).read_to_end(&mut frame))
            .map_err(ImageProblem::Read)?;
        let Some((head, data)) = frame.split_first_chunk() else {
            return Err(cut_off());
        };
        let control = control(head);
        let [width, height] = size;
        if control.x_offset + control.width > width || control.y_offset + control.height > height {
            let reason = "a frame reaches beyond the image".to_owned();
            return Err(ImageProblem::Damaged(reason));
        }
        canvas.show(&control, &decode(&control, head, data, memory_limit)?)?;
    }
    Ok(())
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
