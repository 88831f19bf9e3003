//! The pixels of all strips or tiles in their places.

use super::super::super::pixels::Pixels;
use super::super::super::{ImageProblem, Samples, orientation::Orientation};
use super::super::{DecodeOptions, cut_off, nothing_read, tolerate};
use super::File;
use super::colors::Interpreter;
use super::layout::Layout;
use super::samples::Rows;
use super::unpack::{Section, Unpacked, unpack};
use crate::host_memory::{probe, zeros};
use std::cell::RefCell;
use std::io::{self, Read};

/// How many rows are held at a time on their way through the colours, and more.
const ROWS: usize = 16;

/// All pixels of the image.
pub fn read(
    file: &mut File<'_>,
    layout: &Layout,
    file_length: u64,
    orientation: Orientation,
    interpreter: &Interpreter<'_>,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Pixels, ImageProblem> {
    let size = [layout.width, layout.height].map(|side| side as u32);
    let (channels, bits) = (interpreter.channels(), interpreter.bits());
    let mut pixels = Pixels::new(size, channels, bits, orientation, true, options.in_memory)?;
    let planes = if layout.planar { layout.samples } else { 1 };
    let a_plane = layout.chunks_a_plane();
    let widest = layout.chunk[0].max(layout.width);
    let row_bytes = widest * layout.samples * (layout.bits as usize).max(16) / 8;
    probe(row_bytes.saturating_mul(ROWS))?;
    let source = RefCell::new(&mut **file.inner().source());
    let mut rows = Rows::new(layout);
    let (mut faults, mut empty, mut is_nothing) = (0, 0, true);
    for index in 0..a_plane {
        let mut parts = Vec::new();
        for plane in 0..planes {
            let [offset, length] = layout.chunks[plane * a_plane + index];
            let is_empty = [offset, length] == [0, 0];
            empty += usize::from(is_empty);
            let start = offset.min(file_length);
            let end = start + length.min(file_length - start);
            let section = Section::new(&source, start..end, layout.reverses_bits());
            parts.push(Part::new(
                layout,
                Place::new(layout, plane, index),
                section,
                is_empty,
            )?);
        }
        let Place {
            x,
            y,
            width,
            height,
            ..
        } = parts[0].place;
        let mut stored = layout.zeros(width * layout.samples)?;
        for row in 0..height {
            for part in &mut parts {
                part.read(row, layout, &mut rows, &mut stored)?;
            }
            match interpreter.row(&stored).as_ref() {
                Samples::U8(row_pixels) => pixels.put([x, y + row], 1, row_pixels),
                Samples::U16(row_pixels) => pixels.put([x, y + row], 1, row_pixels),
            }?;
        }
        for part in &mut parts {
            part.finish()?;
            faults += usize::from(!part.is_whole && !part.is_empty);
            is_nothing &= !part.has_any;
        }
    }
    let count = planes * a_plane;
    let kind = if layout.tiled { "tiles" } else { "strips" };
    if faults > 0 {
        let reason = format!("{faults} of its {count} {kind} are cut off or damaged");
        let problem = ImageProblem::Incomplete(reason);
        if is_nothing {
            return Err(nothing_read(problem));
        }
        tolerate(problem, options, notes)?;
    }
    if empty > 0 {
        if empty == count {
            return Err(nothing_read(cut_off()));
        }
        notes.push(format!(
            "{empty} of its {count} {kind} are not stored and were read as zeros"
        ));
    }
    rows.finish(notes)?;
    Ok(pixels)
}

/// Where a strip or tile lies.
struct Place {
    /// The first of its samples.
    sample: usize,
    x: usize,
    y: usize,
    /// What it has of the image.
    width: usize,
    height: usize,
    /// What is stored: tiles are whole even where they reach over the edge.
    stored: [usize; 2],
    /// How many pixels share a sample, across and down.
    shared: [usize; 2],
}

impl Place {
    fn new(layout: &Layout, plane: usize, index: usize) -> Self {
        let across = layout.chunks_across();
        let [chunk_width, chunk_height] = layout.chunk;
        let (x, y) = (index % across * chunk_width, index / across * chunk_height);
        let width = chunk_width.min(layout.width - x);
        let height = chunk_height.min(layout.height - y);
        let shared = match plane {
            1 | 2 if layout.planar => layout.colors.subsampling(),
            _ => [1, 1],
        };
        let stored = match layout.tiled {
            true => layout.chunk,
            false => [width, height],
        };
        Self {
            sample: plane,
            x,
            y,
            width,
            height,
            stored: [0, 1].map(|side| stored[side].div_ceil(shared[side])),
            shared,
        }
    }
}

/// A strip or tile, of which rows are read from top to bottom.
struct Part<'a> {
    place: Place,
    unpacked: Unpacked<'a>,
    units: Option<Units>,
    /// The row of it that was read last, and its samples.
    bytes: Vec<u8>,
    line: Samples,
    /// How many rows were read.
    done: usize,
    is_empty: bool,
    /// Whether nothing is missing so far.
    is_whole: bool,
    /// Whether anything of it could be read.
    has_any: bool,
}

impl<'a> Part<'a> {
    /// Of one that is not stored (`is_empty`), all is zeros.
    fn new(
        layout: &Layout,
        place: Place,
        section: Section<'a>,
        is_empty: bool,
    ) -> Result<Self, ImageProblem> {
        let samples = layout.chunk_samples();
        let units = Units::new(layout, &place);
        let row_bytes = match &units {
            Some(units) => units.row_bytes(),
            None => (place.stored[0] * samples * layout.bits as usize).div_ceil(8),
        };
        let unpacked = match is_empty {
            true => Ok(Unpacked::Bytes(Box::new(io::empty()))),
            false => unpack(section, layout, place.stored),
        };
        let (unpacked, is_whole) = match unpacked {
            Ok(Unpacked::Jpeg(stream, all)) => {
                // Rows below the image need not be there.
                let fits = stream.width * place.shared[0] >= place.width
                    && stream.height >= place.height.div_ceil(place.shared[1])
                    && stream.channels == samples;
                match fits {
                    true => {
                        let is_whole = stream.is_whole();
                        (Unpacked::Jpeg(stream, all), is_whole)
                    }
                    false => (Unpacked::Bytes(Box::new(io::empty())), false),
                }
            }
            Ok(unpacked) => (unpacked, true),
            Err(ImageProblem::Damaged(_) | ImageProblem::Incomplete(_)) => {
                (Unpacked::Bytes(Box::new(io::empty())), false)
            }
            Err(problem) => return Err(problem),
        };
        let (bytes, has_any) = match unpacked {
            Unpacked::Bytes(_) => (zeros(row_bytes)?, false),
            Unpacked::Jpeg(..) => (Vec::new(), true),
        };
        Ok(Self {
            place,
            unpacked,
            units,
            bytes,
            line: layout.zeros(0)?,
            done: 0,
            is_empty,
            is_whole,
            has_any,
        })
    }

    /// Looks at the checksum behind the last row, where there is one.
    fn finish(&mut self) -> Result<(), ImageProblem> {
        // Some writers fill the last strip up.
        let most = self.bytes.len().saturating_mul(self.place.stored[1]) as u64;
        if let Unpacked::Bytes(source) = &mut self.unpacked {
            match io::copy(&mut source.take(most + 1), &mut io::sink()) {
                Err(error) if error.raw_os_error().is_some() => {
                    return Err(ImageProblem::Read(error));
                }
                read => self.is_whole &= read.is_ok(),
            }
        }
        Ok(())
    }

    /// Puts its samples of row `y` among those of all planes.
    fn read(
        &mut self,
        y: usize,
        layout: &Layout,
        rows: &mut Rows<'_>,
        stored: &mut Samples,
    ) -> Result<(), ImageProblem> {
        let samples = layout.chunk_samples();
        let [shared_x, shared_y] = self.place.shared;
        let down = self.units.as_ref().map_or(shared_y, |units| units.height);
        if let (Unpacked::Bytes(source), true) = (&mut self.unpacked, y / down == self.done) {
            let filled = fill(source, &mut self.bytes)?;
            self.is_whole &= filled == self.bytes.len();
            self.has_any |= filled > 0;
            self.done += 1;
            if self.units.is_none() {
                let width = self.place.width.div_ceil(shared_x);
                rows.take(&mut self.bytes, width * samples, &mut self.line);
            }
        }
        let step = [layout.samples, samples, self.place.sample];
        match (&self.unpacked, &self.units, &self.line, stored) {
            (Unpacked::Jpeg(stream, all), .., Samples::U8(stored)) => {
                let row = &all[y / shared_y * stream.width * samples..];
                spread(stored, step, |x, sample| {
                    row[x / shared_x * samples + sample]
                });
            }
            (_, Some(units), _, Samples::U8(stored)) => {
                let row = &self.bytes;
                spread(stored, step, |x, sample| {
                    row[units.index(x, y % down, sample)]
                });
            }
            (.., Samples::U8(line), Samples::U8(stored)) => {
                spread(stored, step, |x, sample| {
                    line[x / shared_x * samples + sample]
                });
            }
            (.., Samples::U16(line), Samples::U16(stored)) => {
                spread(stored, step, |x, sample| {
                    line[x / shared_x * samples + sample]
                });
            }
            _ => unreachable!("all have the type that the layout asks for"),
        }
        Ok(())
    }
}

/// Fills a row, and tells how much of it is not zeros because the data end before it
/// does.
fn fill(source: &mut impl Read, mut row: &mut [u8]) -> Result<usize, ImageProblem> {
    let length = row.len();
    while !row.is_empty() {
        match source.read(row) {
            Ok(0) => break,
            Ok(count) => row = &mut row[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error().is_some() => return Err(ImageProblem::Read(error)),
            // What was decompressed before wrong data counts.
            Err(_) => break,
        }
    }
    row.fill(0);
    Ok(length - row.len())
}

/// Puts `count` samples of each pixel among all `of` it, from the one at `first`
/// on.
fn spread<T>(stored: &mut [T], [of, count, first]: [usize; 3], value: impl Fn(usize, usize) -> T) {
    for (x, pixel) in stored.chunks_exact_mut(of).enumerate() {
        for (sample, place) in pixel[first..][..count].iter_mut().enumerate() {
            *place = value(x, sample);
        }
    }
}

/// How the pixels that share samples of chroma are stored: their luma row by
/// row, then the two.
struct Units {
    across: usize,
    width: usize,
    height: usize,
}

impl Units {
    /// Of a strip or tile that has any.
    fn new(layout: &Layout, place: &Place) -> Option<Self> {
        let [width, height] = layout.colors.subsampling();
        let is_shared = !layout.planar && [width, height] != [1, 1];
        is_shared.then(|| Self {
            across: place.stored[0].div_ceil(width),
            width,
            height,
        })
    }

    fn row_bytes(&self) -> usize {
        self.across * (self.width * self.height + 2)
    }

    /// Where in a row of units a sample is.
    fn index(&self, x: usize, y: usize, sample: usize) -> usize {
        let luma = self.width * self.height;
        let inside = match sample {
            0 => y * self.width + x % self.width,
            chroma => luma + chroma - 1,
        };
        x / self.width * (luma + 2) + inside
    }
}
