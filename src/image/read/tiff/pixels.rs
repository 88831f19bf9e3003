//! The pixels of all strips or tiles in their places.

use super::super::super::{ImageProblem, Samples};
use super::super::{DecodeOptions, tolerate};
use super::File;
use super::layout::Layout;
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
}

impl Place {
    fn new(layout: &Layout, plane: usize, index: usize) -> Self {
        let across = layout.chunks_across();
        let [chunk_width, chunk_height] = layout.chunk;
        let (x, y) = (index % across * chunk_width, index / across * chunk_height);
        let width = chunk_width.min(layout.width - x);
        let height = chunk_height.min(layout.height - y);
        Self {
            sample: plane,
            x,
            y,
            width,
            height,
            stored: if layout.tiled {
                layout.chunk
            } else {
                [width, height]
            },
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
    let row_bytes = row_bits.div_ceil(8);
    // Rows below the picture need not be there.
    let wanted = row_bytes * place.height;
    let unpacked = match unpack(data, layout, place.stored, row_bytes * place.stored[1]) {
        Ok(unpacked) => unpacked,
        Err(ImageProblem::Damaged(_) | ImageProblem::Incomplete(_)) => return Ok(false),
        Err(problem) => return Err(problem),
    };
    match unpacked {
        Unpacked::Jpeg(stream) => {
            let fits = stream.width >= place.width
                && stream.height >= place.height
                && stream.channels == samples;
            if !fits {
                return Ok(false);
            }
            let whole = stream.is_whole();
            for y in 0..place.height {
                let row = &stream.samples[y * stream.width * samples..];
                put(all, layout, place, y, |index| u32::from(row[index]));
            }
            Ok(whole)
        }
        Unpacked::Bytes(mut bytes) => {
            let whole = bytes.len() >= wanted;
            bytes.resize(wanted.max(bytes.len()), 0);
            for (y, row) in bytes
                .chunks_exact_mut(row_bytes)
                .take(place.height)
                .enumerate()
            {
                put_row(all, layout, place, y, row);
            }
            Ok(whole)
        }
    }
}

/// Undoes the predictor and puts the samples of a row into their places.
fn put_row(all: &mut Samples, layout: &Layout, place: &Place, y: usize, row: &mut [u8]) {
    let step = layout.chunk_samples();
    match layout.bits {
        8 => {
            if layout.predictor {
                for i in step..row.len() {
                    row[i] = row[i].wrapping_add(row[i - step]);
                }
            }
            put(all, layout, place, y, |index| u32::from(row[index]));
        }
        16 => {
            let mut values: Vec<u16> = row
                .chunks_exact(2)
                .map(|pair| {
                    let pair = [pair[0], pair[1]];
                    if layout.little_endian {
                        u16::from_le_bytes(pair)
                    } else {
                        u16::from_be_bytes(pair)
                    }
                })
                .collect();
            if layout.predictor {
                for i in step..values.len() {
                    values[i] = values[i].wrapping_add(values[i - step]);
                }
            }
            put(all, layout, place, y, |index| u32::from(values[index]));
        }
        32 => {
            let mut values: Vec<u32> = row
                .chunks_exact(4)
                .map(|word| {
                    let word = [word[0], word[1], word[2], word[3]];
                    if layout.little_endian {
                        u32::from_le_bytes(word)
                    } else {
                        u32::from_be_bytes(word)
                    }
                })
                .collect();
            if layout.predictor {
                for i in step..values.len() {
                    values[i] = values[i].wrapping_add(values[i - step]);
                }
            }
            // To 16 bits, rounded.
            let narrowed = |value: u32| ((u64::from(value) + 32_768) / 65_537) as u32;
            put(all, layout, place, y, |index| narrowed(values[index]));
        }
        bits => {
            // Packed from the top bit of each byte on.
            let largest = (1u32 << bits) - 1;
            let value = |index: usize| {
                let bit = index * bits as usize;
                let window = (0..4).fold(0u32, |word, i| {
                    word << 8 | u32::from(row.get(bit / 8 + i).copied().unwrap_or(0))
                });
                let value = (window >> (32 - bits as usize - bit % 8)) & largest;
                if bits <= 8 {
                    value
                } else {
                    (value * 65_535 + largest / 2) / largest
                }
            };
            put(all, layout, place, y, value);
        }
    }
}

/// Puts a row of a strip or tile into its place.
fn put(all: &mut Samples, layout: &Layout, place: &Place, y: usize, value: impl Fn(usize) -> u32) {
    let inside = layout.chunk_samples();
    let start = ((place.y + y) * layout.width + place.x) * layout.samples + place.sample;
    for x in 0..place.width {
        for sample in 0..inside {
            let at = start + x * layout.samples + sample;
            let value = value(x * inside + sample);
            match all {
                Samples::U8(all) => all[at] = value as u8,
                Samples::U16(all) => all[at] = value as u16,
            }
        }
    }
}
