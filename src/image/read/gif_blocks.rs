//! The blocks of a GIF file, for what its decoder does not tell.

use super::{ImageProblem, Source};
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

/// Goes back to the start. A walk that came to the end of the file gives `at_end`.
fn finish<T>(source: &mut Source, walked: io::Result<T>, at_end: T) -> Result<T, ImageProblem> {
    source.rewind().map_err(ImageProblem::Read)?;
    match walked {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(at_end),
        walked => walked.map_err(ImageProblem::Read),
    }
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
