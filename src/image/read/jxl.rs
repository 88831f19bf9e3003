//! JPEG XL files.

use super::super::color;
use super::super::exif;
use super::super::pixels::Pixels;
use super::super::raster::Raster;
use super::super::{ImageProblem, Metadata, Samples, orientation::Orientation};
use super::{
    DecodeOptions, HEADER_BYTES, Size, Source, check_size, cut_off, damaged, first_of_animation,
    io_problem, nothing_read, other_channels, tolerate,
};
use crate::host_memory::probe;
use brotli_decompressor::Decompressor;
use jxl::api::{
    AlphaMode, Endianness, Event, ExtraChannel, JxlAuxBox, JxlAuxBoxType, JxlBasicInfo,
    JxlBitDepth, JxlColorEncoding, JxlColorProfile, JxlColorType, JxlDataFormat, JxlDecoder,
    JxlDecoderOptions, JxlOutputBuffer, JxlPixelFormat, JxlTransferFunction, ProfileLevel,
    VisibleFrameInfo,
};
use jxl::error::Error;
use std::io::{Read, Seek};
use std::time::Duration;

pub fn size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    let mut decoder = JxlDecoder::new(options(max_pixels));
    let (size, _) = header(&mut decoder, source, max_pixels)?;
    // The decoder turns images upright.
    Ok((size, Orientation::UPRIGHT))
}

pub fn decode(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let scan = Scan::new(source, options)?;
    let mut decoding = Decoding::new(source, options)?;
    let (mut raster, _) = decoding.frame(source, &scan, options)?;
    if scan.frames.len() > 1 {
        raster.note(first_of_animation(scan.frames.len()));
    }
    Ok(raster)
}

/// A decoder behind the header.
pub struct Decoding {
    pub decoder: JxlDecoder,
    size: [u32; 2],
    channels: usize,
    bits: u32,
    icc_profile: Option<Vec<u8>>,
    notes: Vec<String>,
}

impl Decoding {
    pub fn new(source: &mut Source, options: &DecodeOptions) -> Result<Self, ImageProblem> {
        let mut notes = Vec::new();
        source.rewind().map_err(ImageProblem::Read)?;
        let mut decoder = JxlDecoder::new(self::options(options.max_pixels));
        let (size, info) = header(&mut decoder, source, options.max_pixels)?;
        let profile = decoder.embedded_color_profile();
        let gray = profile.is_some_and(|profile| profile.channels() == 1);
        let is_cmyk = profile.is_some_and(JxlColorProfile::is_cmyk);
        if is_cmyk {
            return Err(ImageProblem::Feature("CMYK in JPEG XL".to_owned()));
        }
        let kind = |channel: &ExtraChannel| {
            let mut channels = info.extra_channels.iter();
            channels.any(|extra| extra.ec_type == *channel)
        };
        let has_alpha = kind(&ExtraChannel::Alpha);
        let color_type = match (gray, has_alpha) {
            (true, false) => JxlColorType::Grayscale,
            (true, true) => JxlColorType::GrayscaleAlpha,
            (false, false) => JxlColorType::Rgb,
            (false, true) => JxlColorType::Rgba,
        };
        let others = info.extra_channels.len() - usize::from(has_alpha);
        if others > 0 {
            notes.push(other_channels(others));
        }
        let wide =
            !matches!(info.bit_depth, JxlBitDepth::Int { bits_per_sample } if bits_per_sample <= 8);
        if matches!(info.bit_depth, JxlBitDepth::Float { .. }) {
            notes.push("samples in floating point, rounded to 16 bits".to_owned());
        }
        let format = match wide {
            true => JxlDataFormat::U16 {
                endianness: Endianness::native(),
                bit_depth: 16,
            },
            false => JxlDataFormat::U8 { bit_depth: 8 },
        };
        let format = JxlPixelFormat {
            color_type,
            color_data_format: Some(format),
            extra_channel_format: vec![None; info.extra_channels.len()],
        };
        decoder.set_pixel_format(format).map_err(problem)?;
        let icc_profile = profile_of(decoder.output_color_profile(), &mut notes)?;
        Ok(Self {
            decoder,
            size,
            channels: color_type.samples_per_pixel(),
            bits: if wide { 16 } else { 8 },
            icc_profile,
            notes,
        })
    }

    /// Decodes the next frame, and tells whether all of it was there.
    pub fn frame(
        &mut self,
        source: &mut Source,
        scan: &Scan,
        options: &DecodeOptions,
    ) -> Result<(Raster, bool), ImageProblem> {
        let mut notes = [&scan.notes[..], &self.notes].concat();
        let [width, height] = self.size.map(|side| side as usize);
        let count = self.channels * width * height;
        // The decoder holds strips and its own channels in floating point.
        probe(count.saturating_mul(8))?;
        let mut samples = Samples::zeros(count, self.bits, options.in_memory)?;
        let row = self.channels * width * self.bits as usize / 8;
        let mut buffers = [JxlOutputBuffer::new(samples.bytes_mut(), height, row)];
        let mut lacking = None;
        loop {
            match self.decoder.process(source, Some(&mut buffers), None) {
                Ok(Event::FrameComplete { .. } | Event::Complete) => break,
                Ok(Event::BasicInfo | Event::FrameHeader) => {}
                ended => {
                    let reason = match ended {
                        Err(error) => problem(error).after_header(),
                        Ok(_) => cut_off(),
                    };
                    // What has come so far; that it is not all is told.
                    let _ = self.decoder.flush_pixels(&mut buffers, None);
                    lacking = Some(reason);
                    break;
                }
            }
        }
        let is_whole = lacking.is_none();
        match lacking {
            Some(problem) if samples.all_zero() => return Err(nothing_read(problem)),
            Some(problem) => tolerate(problem, options, &mut notes)?,
            None => {}
        }
        // The decoder turns images upright.
        let upright = Orientation::UPRIGHT;
        let pixels = Pixels::whole(
            self.size,
            self.channels,
            samples,
            upright,
            options.in_memory,
        )?;
        let mut raster = Raster::new(pixels);
        raster.states_space = true;
        raster.notes = notes;
        raster.metadata = Metadata {
            icc_profile: self.icc_profile.clone(),
            exif: scan.exif.clone(),
            xmp: scan.xmp.clone(),
            ..Metadata::default()
        };
        Ok((raster, is_whole))
    }
}

/// How long each frame is shown.
pub fn durations(
    source: &mut Source,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Duration>, ImageProblem> {
    let scan = Scan::new(source, options)?;
    notes.extend(scan.notes);
    let duration = |frame: &VisibleFrameInfo| {
        Duration::try_from_secs_f64(frame.duration_ms / 1e3).unwrap_or_default()
    };
    Ok(scan.frames.iter().map(duration).collect())
}

fn options(max_pixels: u64) -> JxlDecoderOptions {
    let mut options = JxlDecoderOptions::default();
    options.alpha_mode = AlphaMode::Unpremultiplied;
    options.high_precision = true;
    options.max_profile_level = ProfileLevel::Main10;
    // Of samples of all channels. Frames may be larger than the image, and the
    // size of that is checked beside this.
    options.sample_limit = usize::try_from(max_pixels.saturating_mul(8)).ok();
    options
}

/// Reads the header.
fn header(
    decoder: &mut JxlDecoder,
    source: &mut Source,
    max_pixels: u64,
) -> Result<([u32; 2], JxlBasicInfo), ImageProblem> {
    let too_large = |(width, height): (usize, usize)| {
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        ImageProblem::TooLarge {
            width: side(width),
            height: side(height),
            limit: max_pixels,
        }
    };
    while decoder.basic_info().is_none() {
        match decoder.process(source, None, None) {
            Ok(Event::NeedMoreInput { .. }) => return Err(cut_off()),
            Ok(_) => {}
            Err(Error::ImageSizeTooLarge(width, height)) => return Err(too_large((width, height))),
            Err(error) => return Err(problem(error)),
        }
    }
    let Some(info) = decoder.basic_info() else {
        return Err(cut_off());
    };
    let (Ok(width), Ok(height)) = (u32::try_from(info.size.0), u32::try_from(info.size.1)) else {
        return Err(too_large(info.size));
    };
    check_size([width, height], max_pixels)?;
    Ok(([width, height], info.clone()))
}

/// What there is in a file besides pixels.
pub struct Scan {
    pub frames: Vec<VisibleFrameInfo>,
    exif: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
    notes: Vec<String>,
}

impl Scan {
    pub fn new(source: &mut Source, options: &DecodeOptions) -> Result<Self, ImageProblem> {
        let mut notes = Vec::new();
        let mut scanning = self::options(options.max_pixels);
        scanning.scan_frames_only = true;
        scanning.request_aux_boxes = vec![JxlAuxBoxType::EXIF, JxlAuxBoxType::XMP];
        let mut decoder = JxlDecoder::new(scanning);
        header(&mut decoder, source, options.max_pixels)?;
        let mut closed = false;
        loop {
            match decoder.process(source, None, None) {
                Ok(Event::Complete) => break,
                // More boxes might have come.
                Ok(Event::NeedMoreInput { .. }) if !closed => {
                    decoder.close_input();
                    closed = true;
                }
                Ok(Event::NeedMoreInput { .. }) => {
                    tolerate(cut_off(), options, &mut notes)?;
                    break;
                }
                Ok(_) => {}
                Err(error) => {
                    tolerate(problem(error).after_header(), options, &mut notes)?;
                    break;
                }
            }
        }
        let mut found = |kind, name: &str| {
            let part = decoder.aux_boxes(kind).first()?;
            let data = content(part);
            if data.is_none() {
                notes.push(format!("its {name} cannot be read and was left out"));
            }
            data
        };
        let exif = found(JxlAuxBoxType::EXIF, "EXIF")
            .and_then(|block| exif::at_stated_start(&block).map(<[u8]>::to_vec));
        let xmp = found(JxlAuxBoxType::XMP, "XMP");
        Ok(Self {
            frames: decoder.scanned_frames().to_vec(),
            exif,
            xmp,
            notes,
        })
    }
}

/// What a box holds; none if it is damaged or absurdly large.
fn content(part: &JxlAuxBox) -> Option<Vec<u8>> {
    if !part.is_compressed() {
        return Some(part.raw_data().to_vec());
    }
    let mut data = Vec::new();
    let read = Decompressor::new(part.raw_data(), 4096)
        .take(HEADER_BYTES + 1)
        .read_to_end(&mut data);
    (read.is_ok() && data.len() as u64 <= HEADER_BYTES).then_some(data)
}

/// The colour space as an ICC profile; none for sRGB.
fn profile_of(
    profile: Option<&JxlColorProfile>,
    notes: &mut Vec<String>,
) -> Result<Option<Vec<u8>>, ImageProblem> {
    let Some(profile) = profile else {
        return Ok(None);
    };
    match profile.transfer_function() {
        Some(JxlTransferFunction::PQ) => return Err(color::high_dynamic_range("PQ")),
        Some(JxlTransferFunction::HLG) => return Err(color::high_dynamic_range("HLG")),
        _ => {}
    }
    let srgb = JxlColorProfile::Simple(JxlColorEncoding::srgb(profile.channels() == 1));
    if profile.same_color_encoding(&srgb) {
        return Ok(None);
    }
    let icc = profile.try_as_icc().map(|icc| icc.into_owned());
    if icc.is_none() {
        notes.push("its colour space cannot be kept and was left out".to_owned());
    }
    Ok(icc)
}

pub fn problem(error: Error) -> ImageProblem {
    match error {
        Error::IOError(error) => io_problem(error),
        Error::OutOfMemory(_) | Error::ImageOutOfMemory(..) => ImageProblem::NoMemory,
        Error::ImageSizeTooLarge(..) => ImageProblem::Memory,
        error => damaged(&error),
    }
}
