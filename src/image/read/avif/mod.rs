//! AVIF files.

mod av1;
mod boxes;
mod bytes;
mod mosaic;
mod pixels;
mod sequence;
mod track;

use super::super::color;
use super::super::exif;
use super::super::pixels::Pixels;
use super::super::raster::Raster;
use super::super::{ImageProblem, Metadata, orientation::Orientation};
use super::{DecodeOptions, Size, Source, cut_off, first_of_animation, tolerate};
use av1::CodePoints;
use boxes::{Container, Item};
use bytes::wrong_header;
use mosaic::{Mosaic, size_of};
use pixels::Alpha;
use sequence::Tracks;
pub use sequence::open;
use std::ops::Range;
use std::time::Duration;
use track::{Animation, Playing};

pub fn size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    let container = Container::read(source)?;
    let primary = primary(&container)?;
    let size = size_of(&container, primary, max_pixels)?;
    let shown = shown(&container, primary, size)?;
    let size = shown.map(|range| range.len() as u32);
    Ok((size, orientation(&container, primary)))
}

pub fn decode(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let mut notes = Vec::new();
    let container = container(source, options, &mut notes)?;
    if options.frame.is_some() {
        animation(&container, options, &mut notes)?;
    }
    let alone = container.animation.as_ref();
    let alone = alone.filter(|_| container.is_animation_alone);
    let mut tracks = Tracks::default();
    let frame = alone.map(|animation| (animation, &mut tracks, 0));
    let mut raster = raster(source, &container, frame, options, notes)?;
    if let (Some(animation), None) = (container.several_frames(), options.frame) {
        raster.note(first_of_animation(animation.color.durations.len()));
    }
    Ok(raster)
}

/// Reads the header of a file.
fn container(
    source: &mut Source,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Container, ImageProblem> {
    let container = Container::read(source)?;
    if container.is_cut {
        tolerate(cut_off(), options, notes)?;
    }
    Ok(container)
}

/// The still image, or a frame of an animation.
fn raster(
    source: &mut Source,
    container: &Container,
    mut frame: Option<(&Animation, &mut Tracks, usize)>,
    options: &DecodeOptions,
    mut notes: Vec<String>,
) -> Result<Raster, ImageProblem> {
    let primary = primary(container)?;
    let size = size_of(container, primary, options.max_pixels)?;
    let shown = shown(container, primary, size)?;
    let stated = code_points(container, primary);
    if let Some(points) = stated {
        color::check_transfer(points.transfer)?;
    }

    let color = match &mut frame {
        Some((animation, ..)) if animation.color.size != size => {
            let what = "an animation of another size than its still image";
            return Err(ImageProblem::Feature(what.to_owned()));
        }
        Some((animation, tracks, wanted)) => {
            let frame = animation.color.frame(source, &mut tracks.color, *wanted)?;
            Mosaic::of(frame, size)
        }
        None => Mosaic::decode(source, container, primary, options, &mut notes)?,
    };
    let points = stated.or_else(|| color.any_frame().map(|frame| frame.code_points()));
    let points = points.ok_or_else(wrong_header)?;
    color::check_transfer(points.transfer)?;
    let alpha = match frame {
        Some((animation, tracks, wanted)) => {
            alpha_of_frame(source, animation, &mut tracks.alpha, wanted)
        }
        None => alpha(source, container, options, &mut notes),
    };
    let alpha = match alpha {
        Ok(Some(alpha)) if alpha.plane.size != color.size => return Err(wrong_header()),
        Ok(alpha) => alpha,
        Err(problem) => {
            tolerate(problem.after_header(), options, &mut notes)?;
            None
        }
    };
    let (channels, samples) = pixels::samples(&color, alpha.as_ref(), points, &shown)?;
    let size = shown.map(|range| range.len() as u32);
    let turned = orientation(container, primary);
    let pixels = Pixels::whole(size, channels, samples, turned, options.in_memory)?;
    let mut raster = Raster::new(pixels);
    raster.notes = notes;
    const UNSPECIFIED: u8 = 2;
    raster.states_space = points.primaries != UNSPECIFIED;
    let icc_profile = match icc_profile(container, primary) {
        Some(profile) => Some(profile),
        None => color::profile_of_named(
            [
                or_default(points.primaries, 1),
                or_default(points.transfer, 13),
            ],
            "nclx",
            channels > 2,
            &mut raster,
        ),
    };
    raster.metadata = Metadata {
        icc_profile,
        ..described(source, container, &mut raster.notes)
    };
    Ok(raster)
}

/// How long each frame is shown.
pub fn durations(
    source: &mut Source,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Duration>, ImageProblem> {
    let container = Container::read(source)?;
    let animation = animation(&container, options, notes)?;
    Ok(animation.map_or(Vec::new(), |animation| animation.color.durations.clone()))
}

/// The animation, where there is one of several frames.
fn animation<'a>(
    container: &'a Container,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Option<&'a Animation>, ImageProblem> {
    if container.has_wrong_tracks {
        let reason = "the header of its animation contradicts itself".to_owned();
        tolerate(ImageProblem::Incomplete(reason), options, notes)?;
    }
    Ok(container.several_frames())
}

/// The image that is shown.
fn primary(container: &Container) -> Result<&Item, ImageProblem> {
    let item = container.items.get(&container.primary);
    let item = item.ok_or_else(wrong_header)?;
    match &item.kind {
        b"av01" | b"grid" => Ok(item),
        kind => {
            let kind = String::from_utf8_lossy(kind).into_owned();
            Err(ImageProblem::Feature(format!(
                "an AVIF item of the type {kind}"
            )))
        }
    }
}

/// Columns and rows that are shown: all, or a clean aperture.
fn shown(
    container: &Container,
    item: &Item,
    size: [u32; 2],
) -> Result<[Range<usize>; 2], ImageProblem> {
    let Some(mut aperture) = container.properties(item, *b"clap").next() else {
        return Ok(size.map(|side| 0..side as usize));
    };
    let mut fraction = || Some([aperture.u32()? as i32, aperture.u32()? as i32].map(i128::from));
    let fractions = [fraction(), fraction(), fraction(), fraction()];
    // The offset is that of its centre from the image's.
    let range = |side: u32, length: Option<[i128; 2]>, offset: Option<[i128; 2]>| {
        let ([length, of], [offset, parts]) = (length?, offset?);
        let length = length.checked_div(of).filter(|_| length % of == 0)?;
        let twice = (i128::from(side) - length) * parts + 2 * offset;
        let start = twice.checked_div(2 * parts)?;
        let is_inside = start >= 0 && length > 0 && start + length <= side.into();
        (twice % (2 * parts) == 0 && is_inside).then_some(start as usize..(start + length) as usize)
    };
    let [width, height, x, y] = fractions;
    match (range(size[0], width, x), range(size[1], height, y)) {
        (Some(columns), Some(rows)) => Ok([columns, rows]),
        _ => Err(wrong_header()),
    }
}

/// A quarter turn or several, and then a mirror. What EXIF says does not count.
fn orientation(container: &Container, item: &Item) -> Orientation {
    let number = |kind| {
        let mut all = container.properties(item, kind);
        all.next().and_then(|mut property| property.number(1))
    };
    // Anticlockwise.
    let turns = number(*b"irot").unwrap_or(0) & 3;
    Orientation::new(match (turns, number(*b"imir").map(|axis| axis & 1)) {
        (0, None) => 1,
        (1, None) => 8,
        (2, None) => 3,
        (_, None) => 6,
        // Top and bottom are exchanged.
        (0, Some(0)) => 4,
        (1, Some(0)) => 5,
        (2, Some(0)) => 2,
        (_, Some(0)) => 7,
        (0, Some(_)) => 2,
        (1, Some(_)) => 7,
        (2, Some(_)) => 4,
        (_, Some(_)) => 5,
    })
}

/// What the header says about colours, for which frames have statements of their own.
fn code_points(container: &Container, item: &Item) -> Option<CodePoints> {
    container.properties(item, *b"colr").find_map(|mut color| {
        if &color.name()? != b"nclx" {
            return None;
        }
        let mut number = || u8::try_from(color.number(2)?).ok();
        Some(CodePoints {
            primaries: number()?,
            transfer: number()?,
            matrix: number()?,
            is_full_range: color.number(1)? & 0x80 != 0,
        })
    })
}

fn icc_profile(container: &Container, item: &Item) -> Option<Vec<u8>> {
    container.properties(item, *b"colr").find_map(|mut color| {
        let is_profile = matches!(&color.name()?, b"prof" | b"rICC");
        is_profile.then(|| color.0.to_vec())
    })
}

/// A code point, or what stands for 2: that it is not stated.
fn or_default(point: u8, default: u8) -> u8 {
    if point == 2 { default } else { point }
}

/// Items that say something about the image, and their numbers.
fn about_primary(container: &Container, reference: [u8; 4]) -> impl Iterator<Item = &Item> {
    let all = container.items.values();
    all.filter(move |item| item.references(reference).contains(&container.primary))
}

fn alpha(
    source: &mut Source,
    container: &Container,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Option<Alpha>, ImageProblem> {
    let has_alpha = |item: &&Item| {
        let mut kinds = container.properties(item, *b"auxC");
        kinds.any(|mut kind| kind.version().is_some() && is_alpha(kind.text()))
    };
    let Some(item) = about_primary(container, *b"auxl").find(has_alpha) else {
        return Ok(None);
    };
    let plane = Mosaic::decode(source, container, item, options, notes)?;
    let primary = container.items.get(&container.primary);
    let is_premultiplied = primary.is_some_and(|item| !item.references(*b"prem").is_empty());
    Ok(Some(Alpha::new(plane, is_premultiplied)))
}

fn alpha_of_frame(
    source: &mut Source,
    animation: &Animation,
    playing: &mut Option<Playing>,
    wanted: usize,
) -> Result<Option<Alpha>, ImageProblem> {
    let Some(track) = &animation.alpha else {
        return Ok(None);
    };
    let plane = Mosaic::of(track.frame(source, playing, wanted)?, track.size);
    Ok(Some(Alpha::new(plane, animation.is_premultiplied)))
}

/// Whether the kind of what belongs to an image is its opacity.
fn is_alpha(kind: &[u8]) -> bool {
    const KINDS: [&[u8]; 2] = [
        b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
        b"urn:mpeg:hevc:2015:auxid:1",
    ];
    KINDS.contains(&kind)
}

/// EXIF and XMP.
fn described(source: &mut Source, container: &Container, notes: &mut Vec<String>) -> Metadata {
    let mut found = |name: &str, is_wanted: fn(&Item) -> bool| {
        let item = about_primary(container, *b"cdsc").find(|item| is_wanted(item))?;
        let content = container.content(source, item).ok();
        if content.is_none() {
            notes.push(format!("its {name} cannot be read and was left out"));
        }
        content
    };
    let exif = found("EXIF", |item| &item.kind == b"Exif");
    let xmp = found("XMP", |item| {
        &item.kind == b"mime" && item.content_type == b"application/rdf+xml"
    });
    Metadata {
        exif: exif.and_then(|block| exif::at_stated_start(&block).map(<[u8]>::to_vec)),
        xmp,
        ..Metadata::default()
    }
}
