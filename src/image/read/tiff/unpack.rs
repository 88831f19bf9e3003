//! Strips and tiles decompressed.

use super::super::super::ImageProblem;
use super::super::Source;
use super::super::jpeg::{Stream, decode_stream};
use super::super::zlib::Zlib;
use super::fax;
use super::layout::{Compression, Layout};
use crate::host_memory::reserve;
use mozjpeg::ColorSpace;
use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

/// What a strip or tile holds. Less than what was asked for means that the
/// rest is missing or wrong.
pub enum Unpacked<'a> {
    Bytes(Box<dyn Read + 'a>),
    /// Samples of 8 bits, converted to the colours of the file.
    Jpeg(Stream, Vec<u8>),
}

/// A part of a file. Several may be read at once.
pub struct Section<'a> {
    source: &'a RefCell<&'a mut Source>,
    range: Range<u64>,
    /// Whether the bits of each byte are stored lowest first.
    is_reversed: bool,
}

impl<'a> Section<'a> {
    pub fn new(source: &'a RefCell<&'a mut Source>, range: Range<u64>, is_reversed: bool) -> Self {
        Self {
            source,
            range,
            is_reversed,
        }
    }

    /// All of it.
    fn whole(mut self) -> Result<Vec<u8>, ImageProblem> {
        let mut bytes = Vec::new();
        reserve(&mut bytes, (self.range.end - self.range.start) as usize)?;
        self.read_to_end(&mut bytes).map_err(ImageProblem::Read)?;
        Ok(bytes)
    }
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Range { start, end } = &mut self.range;
        let mut source = self.source.borrow_mut();
        source.seek(SeekFrom::Start(*start))?;
        let count = (&mut **source).take(*end - *start).read(buffer)?;
        *start += count as u64;
        if self.is_reversed {
            let bytes = buffer[..count].iter_mut();
            bytes.for_each(|byte| *byte = byte.reverse_bits());
        }
        Ok(count)
    }
}

/// Decompresses a strip or tile of `width` x `height`.
pub fn unpack<'a>(
    section: Section<'a>,
    layout: &Layout,
    [width, height]: [usize; 2],
) -> Result<Unpacked<'a>, ImageProblem> {
    let buffered = |section| BufReader::with_capacity(1 << 16, section);
    Ok(Unpacked::Bytes(match &layout.compression {
        Compression::None => Box::new(buffered(section)),
        Compression::Lzw => Box::new(Lzw::new(buffered(section))?),
        Compression::Deflate => Box::new(Zlib::new(buffered(section))),
        Compression::PackBits => Box::new(PackBits::new(buffered(section))),
        Compression::Fax(kind) => {
            let bytes = fax::decode(*kind, &section.whole()?, width, height)?;
            Box::new(Cursor::new(bytes))
        }
        Compression::Jpeg { tables, ycbcr } => {
            let (stream, samples) = jpeg(buffered(section), tables, *ycbcr, layout.chunk)?;
            return Ok(Unpacked::Jpeg(stream, samples));
        }
    }))
}

struct Lzw<R> {
    input: R,
    decoder: weezl::decode::Decoder,
}

impl<R: BufRead> Lzw<R> {
    fn new(mut input: R) -> Result<Self, ImageProblem> {
        // The first code clears the table: 256, 9 bits of which fill a byte and
        // one bit more, from the top today and from the bottom before TIFF 5.0.
        if let [0, second, ..] = input.fill_buf().map_err(ImageProblem::Read)?
            && second & 1 == 1
        {
            let what = "the LZW compression of before TIFF 5.0".to_owned();
            return Err(ImageProblem::Feature(what));
        }
        let decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
        Ok(Self { input, decoder })
    }
}

impl<R: BufRead> Read for Lzw<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let data = self.input.fill_buf()?;
            let step = self.decoder.decode_bytes(data, buffer);
            self.input.consume(step.consumed_in);
            let goes_on = matches!(step.status, Ok(weezl::LzwStatus::Ok));
            if step.consumed_out > 0 || !goes_on || step.consumed_in == 0 {
                return Ok(step.consumed_out);
            }
        }
    }
}

struct PackBits<R> {
    input: R,
    /// Bytes that are left of the run.
    left: usize,
    /// The byte that it repeats; none: those that follow.
    repeated: Option<u8>,
}

impl<R: BufRead> PackBits<R> {
    fn new(input: R) -> Self {
        Self {
            input,
            left: 0,
            repeated: None,
        }
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.input.fill_buf()?.first().copied();
        self.input.consume(byte.iter().len());
        Ok(byte)
    }
}

impl<R: BufRead> Read for PackBits<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let Some(count) = self.byte()? else {
                return Ok(0);
            };
            (self.left, self.repeated) = match count {
                0..=127 => (usize::from(count) + 1, None),
                128 => (0, None),
                _ => match self.byte()? {
                    Some(byte) => (257 - usize::from(count), Some(byte)),
                    None => return Ok(0),
                },
            };
        }
        let count = self.left.min(buffer.len());
        let count = match self.repeated {
            Some(byte) => {
                buffer[..count].fill(byte);
                count
            }
            None => self.input.read(&mut buffer[..count])?,
        };
        self.left -= count;
        Ok(count)
    }
}

/// A stream and its samples.
fn jpeg(
    data: impl BufRead,
    tables: &[u8],
    ycbcr: bool,
    chunk: [usize; 2],
) -> Result<(Stream, Vec<u8>), ImageProblem> {
    // The tables are a stream of their own: its end marker and the start
    // marker of the other are left out.
    let mut data = data;
    let tables = match tables {
        [tables @ .., 0xff, 0xd9] => {
            io::copy(&mut data.by_ref().take(2), &mut io::sink()).map_err(ImageProblem::Read)?;
            tables
        }
        _ => &[],
    };
    let wanted = ycbcr.then_some(ColorSpace::JCS_RGB);
    // Some writers state whole blocks of pixels.
    let most = chunk.map(|side| side.next_multiple_of(64));
    let mut samples = Vec::new();
    let stream = decode_stream(tables.chain(data), wanted, most, &mut |_, row| {
        let made = samples.try_reserve(row.len());
        made.map_err(|_| ImageProblem::NoMemory)?;
        samples.extend_from_slice(row);
        Ok(())
    })?;
    if stream.is_subsampled && !ycbcr {
        // Then they are luma and chroma, whatever the tags say.
        let what = "subsampled JPEG coding of other colours than luma and chroma in TIFF";
        return Err(ImageProblem::Feature(what.to_owned()));
    }
    Ok((stream, samples))
}
