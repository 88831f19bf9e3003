//! JPEG files, by libjpeg.

use super::super::{ImageProblem, Picture, error::innermost_message, iptc};
use super::output::Output;
use super::rows::Rows;
use super::words;
use crate::host_memory::probe;
use mozjpeg::{ColorSpace, Compress, Marker, PixelDensity, PixelDensityUnit};

const EXIF_HEADER: &[u8] = b"Exif\0\0";
const XMP_HEADER: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const ICC_HEADER: &[u8] = b"ICC_PROFILE\0";

/// The most bytes of a segment, less those of its length.
const SEGMENT: usize = 65_533;

/// The most pixels of an image whose coding is made to measure: that takes all
/// of its coefficients in memory, 6 bytes a pixel, and saves a few percent.
const MOST_OPTIMIZED: usize = 16_000_000;

pub fn encode(
    rows: &mut Rows<'_>,
    quality: u8,
    output: &mut Output<'_>,
) -> Result<(), ImageProblem> {
    let head = rows.head;
    let color = match rows.channels {
        1 => ColorSpace::JCS_GRAYSCALE,
        _ => ColorSpace::JCS_RGB,
    };
    let pixels = head.width * head.height;
    // All coefficients, if they are collected; else some rows.
    let is_optimized = pixels <= MOST_OPTIMIZED && probe(6 * pixels).is_ok();
    probe(64 * rows.row_samples())?;
    let mut compress = Compress::new(color);
    compress.set_size(head.width, head.height);
    // The others take many times longer for a few percent of the size.
    compress.set_fastest_defaults();
    compress.set_optimize_coding(is_optimized);
    compress.set_quality(quality.into());
    if rows.channels == 3 {
        compress.set_chroma_sampling_pixel_sizes((1, 1), (1, 1));
    }
    if let Some(dpi) = head.metadata.dpi {
        let [x, y] = dpi.map(|dpi| dpi.round().clamp(1.0, 65_535.0) as u16);
        let unit = PixelDensityUnit::Inches;
        compress.set_pixel_density(PixelDensity { unit, x, y });
    }
    let mut started = compress.start_compress(output).map_err(refused)?;
    let mut segment = |header: &[u8], data: &Option<Vec<u8>>| {
        if let Some(data) = data.as_ref().filter(|data| fits(header, data)) {
            started.write_marker(Marker::APP(1), &[header, data].concat());
        }
    };
    segment(EXIF_HEADER, &head.metadata.exif);
    segment(XMP_HEADER, &head.metadata.xmp);
    if let Some(profile) = &head.metadata.icc_profile {
        let parts: Vec<&[u8]> = profile.chunks(SEGMENT - ICC_HEADER.len() - 2).collect();
        for (index, part) in parts.iter().enumerate() {
            let numbers = [index as u8 + 1, parts.len() as u8];
            let segment = [ICC_HEADER, &numbers, part].concat();
            started.write_marker(Marker::APP(2), &segment);
        }
    }
    let resources = head.metadata.iptc.as_deref().map(iptc::resources);
    if let Some(resources) = resources.filter(|resources| fits(iptc::HEADER, resources)) {
        let segment = [iptc::HEADER, &resources].concat();
        started.write_marker(Marker::APP(13), &segment);
    }
    for comment in words::jpeg_comments(&head.metadata) {
        if fits(&[], comment) {
            started.write_marker(Marker::COM, comment);
        }
    }
    while let Some(samples) = rows.next()? {
        started.write_scanlines(&samples.to_u8()).map_err(refused)?;
    }
    started.finish().map_err(refused)?;
    Ok(())
}

fn refused(error: std::io::Error) -> ImageProblem {
    ImageProblem::Encode(innermost_message(&error))
}

fn fits(header: &[u8], data: &[u8]) -> bool {
    header.len() + data.len() <= SEGMENT
}

/// Notes on metadata that no segment can hold.
pub fn too_long(picture: &Picture) -> Vec<String> {
    let metadata = &picture.metadata;
    let blocks = [
        ("EXIF", EXIF_HEADER, &metadata.exif),
        ("XMP", XMP_HEADER, &metadata.xmp),
    ];
    let long = |header: &[u8], data: &Option<Vec<u8>>| {
        data.as_ref().is_some_and(|data| !fits(header, data))
    };
    let blocks = blocks.iter().filter(|(_, header, data)| long(header, data));
    let mut names: Vec<&str> = blocks.map(|(name, ..)| *name).collect();
    let iptc = metadata.iptc.as_deref().map(iptc::resources);
    if iptc.is_some_and(|resources| !fits(iptc::HEADER, &resources)) {
        names.push("IPTC");
    }
    if words::jpeg_comments(metadata).any(|comment| !fits(&[], comment)) {
        names.push("comment");
    }
    names
        .into_iter()
        .map(|name| format!("its {name} is longer than JPEG can hold and was left out"))
        .collect()
}
