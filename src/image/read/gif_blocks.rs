//! The blocks of a GIF file, for what its decoder does not tell.

use super::{ImageProblem, Source};
use crate::image::pixels::are_gray;
use crate::image::raster::MAX_WORDS;
use std::io::{self, BufRead, ErrorKind, Read, Seek};

const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2c;
const COMMENT: u8 = 0xfe;
const GRAPHIC_CONTROL: u8 = 0xf9;

/// The comments before the first image, as far as the file goes. Leaves the file at
/// its start.
pub fn comments(source: &mut Source) -> Result<Vec<Vec<u8>>, ImageProblem> {
    let mut comments = Vec::new();
    let walked = read_comments(source, &mut comments);
    finish(source, walked, ())?;
    Ok(comments)
}

/// Whether a file ends after an image, and only its trailer is missing. A decoder does
/// not tell this from an end inside what comes before the next image. Leaves the file
/// at its start.
pub fn lacks_trailer(source: &mut Source) -> Result<bool, ImageProblem> {
    let walked = ends_after_image(source);
    finish(source, walked, false)
}

/// Whether all colours of all images are greys, as far as the file goes. Leaves the
/// file at its start.
pub fn has_gray_colors(source: &mut Source) -> Result<bool, ImageProblem> {
    let mut are_gray = Vec::new();
    let walked = read_colors(source, &mut are_gray);
    finish(source, walked, ())?;
    Ok(are_gray.into_iter().all(|is_gray| is_gray))
}

/// Goes back to the start. A walk that came to the end of the file gives `at_end`.
fn finish<T>(source: &mut Source, walked: io::Result<T>, at_end: T) -> Result<T, ImageProblem> {
    source.rewind().map_err(ImageProblem::Read)?;
    match walked {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(at_end),
        walked => walked.map_err(ImageProblem::Read),
    }
}

/// What stands before the first block, with a screen on which the first image has
/// room, if that of the file is too small: viewers show such an image whole. Else
/// nothing. Leaves the file at its start.
pub fn larger_screen(source: &mut Source) -> Result<Vec<u8>, ImageProblem> {
    let walked = read_first_place(source).and_then(|place| {
        source.rewind()?;
        let mut start = bytes::<13>(source)?.to_vec();
        let mut is_larger = false;
        for side in 0..2 {
            let end = place[side].saturating_add(place[side + 2]);
            let stated = &mut start[6 + 2 * side..][..2];
            if end > u16::from_le_bytes([stated[0], stated[1]]) {
                stated.copy_from_slice(&end.to_le_bytes());
                is_larger = true;
            }
        }
        Ok(if is_larger { start } else { Vec::new() })
    });
    finish(source, walked, Vec::new())
}

/// Left, top, width and height of the first image.
fn read_first_place(source: &mut Source) -> io::Result<[u16; 4]> {
    skip_header(source)?;
    loop {
        match bytes(source)? {
            [EXTENSION] => skip(source, 1)?,
            [IMAGE] => break,
            _ => return Err(ErrorKind::UnexpectedEof.into()),
        }
        skip_data(source)?;
    }
    let place = bytes::<8>(source)?;
    Ok([0, 2, 4, 6].map(|at| u16::from_le_bytes([place[at], place[at + 1]])))
}

fn read_comments(source: &mut Source, comments: &mut Vec<Vec<u8>>) -> io::Result<()> {
    skip_header(source)?;
    // No more than one byte too many is kept, of which a note tells.
    let mut left = MAX_WORDS + 1;
    while bytes(source)? == [EXTENSION] {
        let is_comment = bytes(source)? == [COMMENT];
        let mut comment = Vec::new();
        loop {
            let length = match bytes(source)? {
                [0] => break,
                [length] => usize::from(length),
            };
            let kept = if is_comment { length.min(left) } else { 0 };
            let at = comment.len();
            comment.resize(at + kept, 0);
            source.read_exact(&mut comment[at..])?;
            skip(source, (length - kept) as u64)?;
            left -= kept;
        }
        if !comment.is_empty() {
            comments.push(comment);
        }
    }
    Ok(())
}

fn ends_after_image(source: &mut Source) -> io::Result<bool> {
    skip_header(source)?;
    let mut is_after_image = false;
    'blocks: while !source.fill_buf()?.is_empty() {
        let [kind] = bytes(source)?;
        match kind {
            // One that belongs to the image that comes.
            EXTENSION => is_after_image &= bytes(source)? != [GRAPHIC_CONTROL],
            IMAGE => {
                let [.., flags] = bytes::<9>(source)?;
                // After the colours, the least number of bits of a code.
                skip(source, colors_bytes(flags) + 1)?;
                is_after_image = true;
            }
            _ => return Ok(false),
        }
        while !source.fill_buf()?.is_empty() {
            match bytes(source)? {
                [0] => continue 'blocks,
                [length] => skip(source, length.into())?,
            }
        }
        // The pixels may be there, if not the end of their block.
        return Ok(kind == IMAGE);
    }
    Ok(is_after_image)
}

/// Finds for each image whether its colours are greys.
fn read_colors(source: &mut Source, are_gray: &mut Vec<bool>) -> io::Result<()> {
    source.rewind()?;
    let [.., flags, _, _] = bytes::<13>(source)?;
    let of_all = are_colors_gray(source, flags)?;
    loop {
        match bytes(source)? {
            [EXTENSION] => skip(source, 1)?,
            [IMAGE] => {
                let [.., flags] = bytes::<9>(source)?;
                let own = are_colors_gray(source, flags)?;
                are_gray.push(own.or(of_all) == Some(true));
                skip(source, 1)?;
            }
            _ => return Ok(()),
        }
        skip_data(source)?;
    }
}

/// Whether the table of colours that these flags announce has nothing but greys;
/// nothing where there is no table.
fn are_colors_gray(source: &mut Source, flags: u8) -> io::Result<Option<bool>> {
    let mut colors = [0; 3 * 256];
    let colors = &mut colors[..colors_bytes(flags) as usize];
    source.read_exact(colors)?;
    let (colors, _) = colors.as_chunks();
    Ok((!colors.is_empty()).then(|| are_gray(colors)))
}

/// Goes to the block after the one whose parts come.
fn skip_data(source: &mut Source) -> io::Result<()> {
    loop {
        match bytes(source)? {
            [0] => return Ok(()),
            [length] => skip(source, length.into())?,
        }
    }
}

/// Goes to the first block.
fn skip_header(source: &mut Source) -> io::Result<()> {
    source.rewind()?;
    let [.., flags, _, _] = bytes::<13>(source)?;
    skip(source, colors_bytes(flags))
}

/// Bytes of the table of colours that these flags announce.
fn colors_bytes(flags: u8) -> u64 {
    match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    }
}

fn bytes<const N: usize>(source: &mut Source) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(source: &mut Source, count: u64) -> io::Result<()> {
    let skipped = io::copy(&mut source.take(count), &mut io::sink())?;
    match skipped == count {
        true => Ok(()),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}
