//! Strips and tiles decompressed.

use super::super::super::ImageProblem;
use super::super::jpeg::{Stream, decode_stream};
use super::fax;
use super::layout::{Compression, Layout};
use flate2::read::ZlibDecoder;
use mozjpeg::ColorSpace;
use std::io::Read;

/// What a strip or tile holds. Less than what was asked for means that the
/// rest is missing or wrong.
pub enum Unpacked {
    Bytes(Vec<u8>),
    /// Samples of 8 bits, converted to the colours of the file.
    Jpeg(Stream),
}

/// Decompresses a strip or tile of `width` x `height` that takes `wanted`
/// bytes.
pub fn unpack(
    mut data: Vec<u8>,
    layout: &Layout,
    [width, height]: [usize; 2],
    wanted: usize,
) -> Result<Unpacked, ImageProblem> {
    if layout.lowest_bit_first && !matches!(layout.compression, Compression::Jpeg { .. }) {
        data.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
    }
    let bytes = match &layout.compression {
        Compression::None => {
            data.truncate(wanted);
            data
        }
        Compression::Lzw => lzw(&data, wanted)?,
        Compression::Deflate => {
            let mut bytes = reserved(wanted)?;
            // What was decompressed before an error counts.
            let _ = ZlibDecoder::new(&data[..])
                .take(wanted as u64)
                .read_to_end(&mut bytes);
            bytes
        }
        Compression::PackBits => packbits(&data, wanted)?,
        Compression::Fax(kind) => fax::decode(*kind, &data, width, height)?,
        Compression::Jpeg { tables, ycbcr } => {
            return jpeg(&data, tables, *ycbcr, layout.chunk).map(Unpacked::Jpeg);
        }
    };
    Ok(Unpacked::Bytes(bytes))
}

fn lzw(data: &[u8], wanted: usize) -> Result<Vec<u8>, ImageProblem> {
    // The first code clears the table: 256, 9 bits of which fill a byte and one
    // bit more, from the top today and from the bottom before TIFF 5.0.
    if let [0, second, ..] = data
        && second & 1 == 1
    {
        let what = "the LZW compression of before TIFF 5.0".to_owned();
        return Err(ImageProblem::Feature(what));
    }
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let mut bytes = reserved(wanted)?;
    bytes.resize(wanted, 0);
    let mut done = 0;
    let mut input = data;
    while done < wanted {
        let step = decoder.decode_bytes(input, &mut bytes[done..]);
        input = &input[step.consumed_in..];
        done += step.consumed_out;
        match step.status {
            Ok(weezl::LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            _ => break,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

fn packbits(mut data: &[u8], wanted: usize) -> Result<Vec<u8>, ImageProblem> {
    let mut bytes = reserved(wanted)?;
    while let ([count, rest @ ..], true) = (data, bytes.len() < wanted) {
        data = match *count {
            count @ 0..=127 => {
                let (literal, rest) = rest.split_at(rest.len().min(usize::from(count) + 1));
                bytes.extend(literal);
                rest
            }
            128 => rest,
            count => match rest {
                [byte, rest @ ..] => {
                    bytes.resize(bytes.len() + 257 - usize::from(count), *byte);
                    rest
                }
                [] => rest,
            },
        };
    }
    bytes.truncate(wanted);
    Ok(bytes)
}

/// An empty vector with room for `count` bytes.
pub fn reserved(count: usize) -> Result<Vec<u8>, ImageProblem> {
    let mut bytes = Vec::new();
    let made = bytes.try_reserve_exact(count);
    made.map_err(|_| ImageProblem::Memory)?;
    Ok(bytes)
}

fn jpeg(
    data: &[u8],
    tables: &[u8],
    ycbcr: bool,
    chunk: [usize; 2],
) -> Result<Stream, ImageProblem> {
    // The tables are a stream of their own: its end marker and the start
    // marker of the other are left out.
    let stream = match tables {
        [tables @ .., 0xff, 0xd9] => [tables, data.get(2..).unwrap_or_default()].concat(),
        _ => data.to_vec(),
    };
    let wanted = ycbcr.then_some(ColorSpace::JCS_RGB);
    // Some writers state whole blocks of pixels.
    decode_stream(&stream, wanted, chunk.map(|side| side.next_multiple_of(64)))
}
