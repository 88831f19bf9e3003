//! Fax compression (CCITT T.4 and T.6): the `fax` crate has the codes, and what
//! a fax machine sends; files that hold less are read here.

use super::super::super::ImageProblem;
use crate::host_memory::with_room;
use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, Color};
use std::iter;

/// A kind of fax compression.
#[derive(Clone, Copy, Debug)]
pub enum Fax {
    /// Lines of runs that begin at a byte each (CCITT 1D).
    Lines,
    /// Lines of runs, their ends marked.
    Group3,
    /// Lines of runs or of differences to the line above, their ends marked.
    Group3TwoDimensional,
    /// Lines of differences to the line above.
    Group4,
}

/// Rows of bits, 1 where the paper is black; those that are missing or wrong
/// are left out at the end.
pub fn decode(
    kind: Fax,
    data: &[u8],
    width: usize,
    height: usize,
) -> Result<Vec<u8>, ImageProblem> {
    let row = width.div_ceil(8);
    let (Ok(columns), Ok(lines)) = (u16::try_from(width), u16::try_from(height)) else {
        let what = "fax compression of more than 65535 pixels a side in TIFF";
        return Err(ImageProblem::Feature(what.to_owned()));
    };
    let mut bytes = with_room(row * height)?;
    let mut line = |changes: &[u16]| {
        if bytes.len() == row * height {
            return;
        }
        let start = bytes.len();
        bytes.resize(start + row, 0);
        for (x, color) in fax::decoder::pels(changes, columns).enumerate() {
            if color == Color::Black {
                bytes[start + x / 8] |= 0x80 >> (x % 8);
            }
        }
    };
    let input = data.iter().copied();
    // How far it got is seen by the number of lines.
    let _ = match kind {
        Fax::Group4 => fax::decoder::decode_g4(input, columns, Some(lines), &mut line),
        // The decoder wants the six ends of lines that end a transmission;
        // TIFF leaves them out.
        Fax::Group3 => fax::decoder::decode_g3(input.chain([0, 1].repeat(6)), &mut line),
        Fax::Lines => each_line_at_a_byte(input, columns, lines, &mut line),
        Fax::Group3TwoDimensional => two_dimensional(input, columns, lines, &mut line),
    };
    Ok(bytes)
}

/// Codes are looked up by more bits than the last one may have.
fn bits(input: impl Iterator<Item = u8>) -> impl BitReader {
    let padded = input.chain(iter::repeat_n(0, 4));
    let bytes = padded.map(Ok::<_, std::convert::Infallible>);
    match fax::ByteReader::new(bytes) {
        Ok(reader) => reader,
        Err(never) => match never {},
    }
}

fn each_line_at_a_byte(
    input: impl Iterator<Item = u8>,
    width: u16,
    height: u16,
    line: &mut impl FnMut(&[u16]),
) -> Option<()> {
    let mut reader = bits(input);
    for _ in 0..height {
        line(&runs(&mut reader, width)?);
        let rest = reader.bits_to_byte_boundary();
        reader.consume(rest).ok()?;
    }
    Some(())
}

fn two_dimensional(
    input: impl Iterator<Item = u8>,
    width: u16,
    height: u16,
    line: &mut impl FnMut(&[u16]),
) -> Option<()> {
    let mut reader = bits(input);
    let mut above = Vec::new();
    for _ in 0..height {
        end_of_line(&mut reader)?;
        let is_whole = reader.peek(1)? == 1;
        reader.consume(1).ok()?;
        above = match is_whole {
            true => runs(&mut reader, width)?,
            false => differences(&mut reader, &above, width)?,
        };
        line(&above);
    }
    Some(())
}

/// Eleven zeros or more, and a one.
fn end_of_line(reader: &mut impl BitReader) -> Option<()> {
    let mut zeros = 0;
    while reader.peek(1)? == 0 {
        reader.consume(1).ok()?;
        zeros += 1;
    }
    reader.consume(1).ok()?;
    (zeros >= 11).then_some(())
}

/// Where colours change in a line, from white on.
struct Changes {
    list: Vec<u16>,
    width: u16,
}

impl Changes {
    /// Adds one. Two at one place are none.
    fn push(&mut self, at: u16) -> Option<()> {
        match self.list.last() {
            Some(&last) if last > at => return None,
            Some(&last) if last == at => {
                self.list.pop();
            }
            _ if at < self.width => self.list.push(at),
            _ if at == self.width => {}
            _ => return None,
        }
        Some(())
    }
}

/// The changes of a line that is coded as runs.
fn runs(reader: &mut impl BitReader, width: u16) -> Option<Vec<u16>> {
    let list = Vec::new();
    let mut changes = Changes { list, width };
    let (mut at, mut color) = (0u16, Color::White);
    while at < width {
        at = at.checked_add(run(reader, color)?)?;
        changes.push(at)?;
        color = !color;
    }
    Some(changes.list)
}

/// The length of a run.
fn run(reader: &mut impl BitReader, color: Color) -> Option<u16> {
    let mut sum = 0u16;
    loop {
        let part = match color {
            Color::White => white::decode(reader),
            Color::Black => black::decode(reader),
        }?;
        sum = sum.checked_add(part)?;
        if part < 64 {
            return Some(sum);
        }
    }
}

/// The changes of a line that is coded by those of the line above.
fn differences(reader: &mut impl BitReader, above: &[u16], width: u16) -> Option<Vec<u16>> {
    let list = Vec::new();
    let mut changes = Changes { list, width };
    // A change at the first pixel is right of the start, too.
    let (mut at, mut color) = (-1i32, Color::White);
    let mut next = 0;
    while at < i32::from(width) {
        // The first change above right of here, to the other colour.
        while next > 0 && i32::from(above[next - 1]) > at {
            next -= 1;
        }
        while next < above.len() && i32::from(above[next]) <= at {
            next += 1;
        }
        let is_to_black = next % 2 == 0;
        let first = next + usize::from(is_to_black != (color == Color::White));
        let change = |index: usize| above.get(index).map_or(width, |&change| change);
        match mode::decode(reader)? {
            Mode::Pass => at = change(first + 1).into(),
            Mode::Vertical(distance) => {
                at = i32::from(change(first)) + i32::from(distance);
                changes.push(u16::try_from(at).ok()?)?;
                color = !color;
            }
            Mode::Horizontal => {
                let start = at.max(0) as u16;
                let middle = start.checked_add(run(reader, color)?)?;
                let end = middle.checked_add(run(reader, !color)?)?;
                changes.push(middle)?;
                changes.push(end)?;
                at = end.into();
            }
            Mode::Extension | Mode::EOF => return None,
        }
    }
    Some(changes.list)
}
