//! PNG files.

use super::super::color;
use super::super::pixels::Pixels;
use super::super::raster::{PROFILE_IS_DAMAGED, Raster};
use super::super::{ImageProblem, Metadata};
use super::png_text::Texts;
use super::png_walk::{Walk, is_wrong_checksum, wrong_checksum};
use super::{
    DecodeOptions, END_IS_MISSING, HEADER_BYTES, Size, Source, check_size, cut_off, damaged,
    first_of_animation, io_problem, nothing_read, tolerate,
};
use crate::host_memory::probe;
use ::png::{
    BitDepth, ColorType, Decoder, DecodingError, Info, Limits, Reader, Transformations, Unit,
};
use std::io::{BufRead, Seek};
use std::time::Duration;

/// The memory for each pixel, rows and the intermediate ones of interlacing.
const PIXEL_BYTES: u64 = 16;

/// How many rows the decoder and what is around it hold, and more.
const ROWS: usize = 8;

pub fn size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    let walk = Walk::new(source)?;
    // Decoding tells of wrong checksums, or tolerates them.
    let mut options = ::png::DecodeOptions::default();
    options.set_ignore_crc(true);
    let mut decoder = Decoder::new_with_options(source, options);
    decoder.set_limits(limits(0));
    let info = decoder.read_header_info().map_err(problem)?;
    check_size([info.width, info.height], max_pixels)?;
    Ok(([info.width, info.height], walk.orientation()))
}

pub fn decode(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let mut notes = Vec::new();
    let walk = Walk::checked(source, options, &mut notes)?;
    if walk.lacks_pixels() {
        tolerate(cut_off(), options, &mut notes)?;
    }
    let mut reader = open(source, options)?;
    let [width, height] = size_of(reader.info());
    let (channels, is_wide) = layout(&reader);
    let bits = if is_wide { 16 } else { 8 };
    let mut pixels = Pixels::new(
        [width, height],
        channels,
        bits,
        walk.orientation(),
        !options.tolerant,
        options.in_memory,
    )?;
    // Its own rows, as they are stored and as samples, those above them and ours.
    let row_bytes = reader.output_line_size(width);
    let row_bytes = row_bytes.ok_or(ImageProblem::Memory)?;
    probe(row_bytes.saturating_mul(ROWS))?;
    let mut rows = 0;
    let read = read_rows(
        &mut reader,
        [width, height],
        is_wide,
        &mut pixels,
        &mut rows,
    );
    match read {
        // Then the decoder keeps the last rows to itself, which may be all.
        Err(problem) if is_wrong_checksum(&problem) => return Err(problem),
        Err(problem) if rows == 0 => return Err(nothing_read(problem)),
        Err(problem) => tolerate(problem.after_header(), options, &mut notes)?,
        // The checksum of the pixels comes at their end, and texts after it.
        Ok(()) => match finish(&mut reader) {
            // Nothing that is shown is missing.
            Err(ImageProblem::Incomplete(_)) if !walk.ended => {}
            Err(problem) => tolerate(problem.after_header(), options, &mut notes)?,
            Ok(()) => {}
        },
    }
    if !walk.ended && notes.is_empty() {
        notes.push(END_IS_MISSING.to_owned());
    }
    let mut raster = Raster::new(pixels);
    raster.notes = notes;
    if walk.durations.len() > 1 {
        raster.note(first_of_animation(walk.durations.len()));
    }
    describe(&mut raster, reader.info(), &walk)?;
    Ok(raster)
}

/// A decoder in front of the first pixel.
pub fn open<R: BufRead + Seek>(
    source: R,
    options: &DecodeOptions,
) -> Result<Reader<R>, ImageProblem> {
    let mut decode_options = ::png::DecodeOptions::default();
    decode_options.set_ignore_adler32(options.tolerant);
    // The walk over the chunks has looked at these.
    decode_options.set_ignore_crc(true);
    let mut decoder = Decoder::new_with_options(source, decode_options);
    decoder.set_limits(limits(0));
    let info = decoder.read_header_info().map_err(problem)?;
    let [width, height] = size_of(info);
    check_size([width, height], options.max_pixels)?;
    decoder.set_limits(limits(u64::from(width) * u64::from(height)));
    decoder.set_transformations(Transformations::EXPAND);
    decoder.read_info().map_err(problem)
}

/// Width and height.
pub fn size_of(info: &Info<'_>) -> [u32; 2] {
    [info.width, info.height]
}

/// The passes of an interlaced image: first column, columns from pixel to pixel,
/// first row, rows from one to the next.
const PASSES: [[usize; 4]; 7] = [
    [0, 8, 0, 8],
    [4, 8, 0, 8],
    [0, 4, 4, 8],
    [2, 4, 0, 4],
    [0, 2, 2, 4],
    [1, 2, 0, 2],
    [0, 1, 1, 2],
];

/// Reads what follows the rows.
fn finish<R: BufRead + Seek>(reader: &mut Reader<R>) -> Result<(), ImageProblem> {
    reader.next_row().map_err(problem)?;
    reader.finish().map_err(problem)
}

/// Reads all rows and counts them.
fn read_rows<R: BufRead + Seek>(
    reader: &mut Reader<R>,
    [width, height]: [u32; 2],
    is_wide: bool,
    pixels: &mut Pixels,
    rows: &mut usize,
) -> Result<(), ImageProblem> {
    let passes = match reader.info().interlaced {
        true => &PASSES[..],
        false => &[[0, 1, 0, 1]],
    };
    // Passes without pixels are not there.
    let passes = passes.iter().filter(|[x, ..]| *x < width as usize);
    let places = passes.flat_map(|&[x, step, first, down]| {
        let rows = (first..height as usize).step_by(down);
        rows.map(move |y| ([x, y], step))
    });
    let mut samples: Vec<u16> = Vec::new();
    for (place, step) in places {
        let row = reader.next_row().map_err(problem)?.ok_or_else(cut_off)?;
        match is_wide {
            true => {
                samples.clear();
                let (pairs, _) = row.data().as_chunks();
                samples.extend(pairs.iter().map(|&pair| u16::from_be_bytes(pair)));
                pixels.put(place, step, &samples)?;
            }
            false => pixels.put(place, step, row.data())?,
        }
        *rows += 1;
    }
    Ok(())
}

/// Channels a pixel, and whether they have 16 bits.
pub fn layout<R: BufRead + Seek>(reader: &Reader<R>) -> (usize, bool) {
    let (color, depth) = reader.output_color_type();
    let channels = match color {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb | ColorType::Indexed => 3,
        ColorType::Rgba => 4,
    };
    (channels, depth == BitDepth::Sixteen)
}

/// Adds what the file says about its pixels.
pub fn describe(raster: &mut Raster, info: &Info<'_>, walk: &Walk) -> Result<(), ImageProblem> {
    if let Some(points) = info.coding_independent_code_points {
        color::check_transfer(points.transfer_function)?;
        if !points.is_video_full_range_image {
            raster.pixels.spread_video_range();
            raster.note("its colours are of video range (cICP) and were spread over all levels");
        }
    }
    if let (ColorType::Indexed, Some(palette)) = (info.color_type, &info.palette) {
        raster.pixels.set_palette(palette.as_chunks().0);
    }
    let others = info.icc_profile.is_some() || info.coding_independent_code_points.is_some();
    if walk.has_profile && !others {
        raster.note(PROFILE_IS_DAMAGED);
    }
    raster.states_space = info.srgb.is_some()
        || info.coding_independent_code_points.is_some()
        || info.gama_chunk.is_some()
        || info.chrm_chunk.is_some();
    raster.metadata = metadata(info, walk, raster);
    Ok(())
}

/// How long each frame is shown; none of an image that is no animation.
pub fn durations(
    source: &mut Source,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Duration>, ImageProblem> {
    let walk = Walk::checked(source, options, notes)?;
    if walk.lacks_pixels() {
        tolerate(cut_off(), options, notes)?;
    }
    Ok(walk.durations)
}

fn limits(pixels: u64) -> Limits {
    let bytes = HEADER_BYTES.saturating_add(pixels.saturating_mul(PIXEL_BYTES));
    Limits {
        bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
    }
}

pub fn problem(error: DecodingError) -> ImageProblem {
    match error {
        DecodingError::IoError(error) => io_problem(error),
        DecodingError::LimitsExceeded => ImageProblem::Memory,
        // The words of the decoder are those of its code.
        error if error.to_string().contains("WrongChecksum") => wrong_checksum(),
        error => damaged(&error),
    }
}

fn metadata(info: &Info<'_>, walk: &Walk, raster: &mut Raster) -> Metadata {
    let dpi = info.pixel_dims.filter(|dims| dims.unit == Unit::Meter);
    let texts = Texts::read(info, walk.texts, &mut raster.notes);
    Metadata {
        icc_profile: profile(info, raster),
        exif: walk.exif.clone(),
        xmp: texts.xmp,
        dpi: dpi.map(|dims| [dims.xppu, dims.yppu].map(|n| f64::from(n) * 0.0254)),
        texts: texts.list,
        ..Metadata::default()
    }
}

/// The colour space as an ICC profile, so that every format can hold it. Of
/// several statements the first of this order counts (PNG, third edition,
/// 4.3): cICP, iCCP, sRGB, gAMA with cHRM.
fn profile(info: &Info<'_>, raster: &mut Raster) -> Option<Vec<u8>> {
    let gray = raster.pixels.is_gray();
    if let Some(points) = &info.coding_independent_code_points {
        let points = [points.color_primaries, points.transfer_function];
        return color::profile_of_named(points, "cICP", !gray, raster);
    }
    if let Some(profile) = &info.icc_profile {
        return Some(profile.to_vec());
    }
    if info.srgb.is_some() {
        return None;
    }
    let primaries = info.chrm_chunk.map(|c| {
        let pairs = [c.white, c.red, c.green, c.blue];
        let values: Vec<f64> = pairs
            .iter()
            .flat_map(|&(x, y)| [x, y])
            .map(|value| f64::from(value.into_value()))
            .collect();
        let mut all = [0.0; 8];
        all.copy_from_slice(&values);
        all
    });
    const SRGB: [f64; 8] = [0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06];
    let primaries = primaries.filter(|all| {
        let near = all.iter().zip(SRGB).all(|(a, b)| (a - b).abs() < 2e-3);
        !near && !gray && all.iter().skip(1).step_by(2).all(|&y| y > 0.0)
    });
    let gamma = info.gama_chunk.map(|gamma| f64::from(gamma.into_value()));
    let gamma = gamma.filter(|gamma| (0.01..=10.0).contains(gamma));
    // The exponent that stands for sRGB's curve.
    let plain = gamma.is_none_or(|gamma| (gamma - 0.45455).abs() < 0.01);
    if plain && primaries.is_none() {
        return None;
    }
    let gamma = gamma.unwrap_or(0.45455);
    let profile = color::profile_of_gamma(gamma, primaries, gray);
    let what = match (plain, primaries) {
        (true, _) => "its primaries (cHRM)".to_owned(),
        (false, None) => format!("its gamma (gAMA {gamma:.5})"),
        (false, Some(_)) => format!("its gamma and primaries (gAMA {gamma:.5}, cHRM)"),
    };
    match profile {
        Some(_) => raster.made_profile_of = Some(what),
        None => raster.note(format!("{what} cannot be kept and was left out")),
    }
    profile
}
