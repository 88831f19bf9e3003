//! Frames of animated PNG files (APNG), composed as viewers show them.

use super::super::{ImageProblem, Samples};
use super::canvas::{Canvas, Layout};
use crate::host_memory::{collected, zeros};
use ::png::{DecodingError, Reader};
use std::io::{BufRead, Seek};

/// Decodes an animation up to frame `wanted`; `colors` channels come before
/// alpha, if there is `alpha`. The result has alpha.
pub fn compose<R: BufRead + Seek>(
    reader: &mut Reader<R>,
    wanted: usize,
    [colors, channels]: [usize; 2],
    is_wide: bool,
    problem: impl Fn(DecodingError) -> ImageProblem,
) -> Result<Samples, ImageProblem> {
    let bytes = reader.output_buffer_size().ok_or(ImageProblem::Memory)?;
    let mut bytes = zeros(bytes)?;
    let info = reader.info();
    let size = [info.width, info.height].map(|side| side as usize);
    if info.frame_control.is_none() {
        // An image for viewers that show no animations.
        reader.next_frame(&mut bytes).map_err(&problem)?;
    }
    let mut next = || {
        let frame = reader.next_frame(&mut bytes).map_err(&problem)?;
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
    };
    let layout = Layout { colors, channels };
    Ok(match is_wide {
        false => {
            let mut canvas = Canvas::<u8>::new(size, layout)?;
            for _ in 0..=wanted {
                let (control, bytes) = next()?;
                canvas.show(&control, &bytes)?;
            }
            canvas.pixels.into()
        }
        true => {
            let mut canvas = Canvas::<u16>::new(size, layout)?;
            for _ in 0..=wanted {
                let (control, bytes) = next()?;
                let pairs = bytes.chunks_exact(2);
                let samples = pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                canvas.show(&control, &collected(bytes.len() / 2, samples)?)?;
            }
            canvas.pixels.into()
        }
    })
}
