//! The pixels of all strips or tiles in their places.

use super::super::super::{ImageProblem, Samples};
use super::super::{DecodeOptions, tolerate};
use super::File;
use super::layout::Layout;
use super::samples::Rows;
use super::unpack::{Unpacked, unpack};
use std::io::{Read, Seek, SeekFrom};

/// All samples of the picture, interleaved. Those of up to 8 bits are as they
/// are stored, those of more are scaled to 16.
pub fn read(
    file: &mut File<'_>,
    layout: &Layout,
    file_length: u64,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Samples, ImageProblem> {
    let count = layout.width * layout.height * layout.samples;
    let mut all = if layout.bits <= 8 {
        Samples::U8(vec![0; count])
    } else {
        Samples::U16(vec![0; count])
    };
    let planes = if layout.planar { layout.samples } else { 1 };
    let a_plane = layout.chunks_a_plane();
    let mut rows = Rows::new(layout);
    let mut faults = 0;
    for index in 0..planes * a_plane {
        let place = Place::new(layout, index / a_plane, index % a_plane);
        let [offset, length] = layout.chunks[index];
        let whole = read_chunk(
            file,
            layout,
            &place,
            [offset, length],
            file_length,
            &mut rows,
            &mut all,
        )?;
        faults += usize::from(!whole);
    }
    if faults > 0 {
        let count = planes * a_plane;
        let kind = if layout.tiled { "tiles" } else { "strips" };
        let reason = format!("{faults} of its {count} {kind} are cut off or damaged");
        tolerate(ImageProblem::Incomplete(reason), options, notes)?;
    }
    rows.finish(notes)?;
    Ok(all)
}

/// Where a strip or tile lies.
struct Place {
    /// The first of its samples.
    sample: usize,
    x: usize,
    y: usize,
    /// What it has of the picture.
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

/// Reads a strip or tile into its place; false where some of it is missing.
fn read_chunk(
    file: &mut File<'_>,
    layout: &Layout,
    place: &Place,
    [offset, length]: [u64; 2],
    file_length: u64,
    rows: &mut Rows<'_>,
    all: &mut Samples,
) -> Result<bool, ImageProblem> {
    let there = length.min(file_length.saturating_sub(offset));
    let mut data = Vec::new();
    let source = file.inner();
    source
        .seek(SeekFrom::Start(offset.min(file_length)))
        .and_then(|_| source.take(there).read_to_end(&mut data))
        .map_err(ImageProblem::Read)?;
    let samples = layout.chunk_samples();
    let row_bits = place.stored[0] * samples * layout.bits as usize;
    let units = Units::new(layout, place);
    let row_bytes = match &units {
        Some(units) => units.row_bytes(),
        None => row_bits.div_ceil(8),
    };
    let stored_rows = match &units {
        Some(units) => place.stored[1].div_ceil(units.height),
        None => place.stored[1],
    };
    let unpacked = match unpack(data, layout, place.stored, row_bytes * stored_rows) {
        Ok(unpacked) => unpacked,
        Err(ImageProblem::Damaged(_) | ImageProblem::Incomplete(_)) => return Ok(false),
        Err(problem) => return Err(problem),
    };
    let [shared_x, shared_y] = place.shared;
    // Rows below the picture need not be there.
    let needed = match &units {
        Some(units) => place.height.div_ceil(units.height),
        None => place.height.div_ceil(shared_y),
    };
    match unpacked {
        Unpacked::Jpeg(stream) => {
            let fits = stream.width * shared_x >= place.width
                && stream.height >= needed
                && stream.channels == samples;
            if !fits {
                return Ok(false);
            }
            let whole = stream.is_whole();
            for y in 0..place.height {
                let row = &stream.samples[y / shared_y * stream.width * samples..];
                let sample = |x: usize, sample: usize| row[x / shared_x * samples + sample].into();
                put(all, layout, place, y, sample);
            }
            Ok(whole)
        }
        Unpacked::Bytes(mut bytes) => {
            let wanted = row_bytes * needed;
            let whole = bytes.len() >= wanted;
            let missing = wanted.saturating_sub(bytes.len());
            let room = bytes.try_reserve_exact(missing);
            room.map_err(|_| ImageProblem::Memory)?;
            bytes.resize(bytes.len() + missing, 0);
            let stored = bytes.chunks_exact_mut(row_bytes).take(needed);
            match &units {
                Some(units) => {
                    for (index, row) in stored.enumerate() {
                        let start = index * units.height;
                        for y in start..place.height.min(start + units.height) {
                            let sample = |x, sample| row[units.index(x, y - start, sample)].into();
                            put(all, layout, place, y, sample);
                        }
                    }
                }
                None => {
                    for (index, row) in stored.enumerate() {
                        rows.take(row);
                        let start = index * shared_y;
                        for y in start..place.height.min(start + shared_y) {
                            put(all, layout, place, y, |x, sample| {
                                rows.sample(x / shared_x * samples + sample)
                            });
                        }
                    }
                }
            }
            Ok(whole)
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

/// Puts a row of a strip or tile into its place; `value` gives a sample of a
/// pixel.
fn put(
    all: &mut Samples,
    layout: &Layout,
    place: &Place,
    y: usize,
    mut value: impl FnMut(usize, usize) -> u16,
) {
    let start = ((place.y + y) * layout.width + place.x) * layout.samples + place.sample;
    for x in 0..place.width {
        for sample in 0..layout.chunk_samples() {
            let at = start + x * layout.samples + sample;
            let value = value(x, sample);
            match all {
                Samples::U8(all) => all[at] = value as u8,
                Samples::U16(all) => all[at] = value,
            }
        }
    }
}
