//! Which of the directories of a TIFF file are pictures.

use super::super::super::error::innermost_message;
use super::super::super::{ImageProblem, Metadata, exif};
use super::super::replaced::Replaced;
use super::super::{HEADER_BYTES, Source, check_frame, length};
use super::metadata::metadata;
use super::{File, all_unsigned, problem, tag, unsigned};
use ::tiff::decoder::ifd::Value;
use ::tiff::decoder::{Decoder, Limits};
use ::tiff::tags::IfdPointer;
use std::io::{Read, Seek};

const NEW_SUBFILE_TYPE: u16 = 254;
/// What stood in its place before TIFF 6.0.
const SUBFILE_TYPE: u16 = 255;
/// Directories below one, which the chain of pages does not have.
const SUB_DIRECTORIES: u16 = 330;
const DNG_VERSION: u16 = 50_706;

/// More directories than any file of pages has, and more than stand below one.
const MAX_PAGES: usize = 10_000;
const MAX_BELOW: usize = 100;

/// The images of a file that are no thumbnails.
pub struct Pages {
    pub directories: Vec<usize>,
    /// Why there may be more than these.
    pub lacking: Option<String>,
    /// What the user should know about the choice.
    pub notes: Vec<String>,
    /// What is said above a picture that stands below a smaller version of it.
    pub metadata: Option<Metadata>,
    pub orientation: Option<u64>,
}

/// Opens one of the images that are no thumbnails.
pub fn open(source: &mut Source, wanted: usize) -> Result<(File<'_>, Pages), ImageProblem> {
    let length = length(source)?;
    let found = find(source, length)?;
    let mut pages = Pages {
        directories: found.pages,
        lacking: None,
        notes: Vec::new(),
        metadata: None,
        orientation: None,
    };
    let mut first = None;
    if pages.directories.is_empty() {
        pages.directories.push(0);
        match found.below {
            Some(below) => {
                let mut file = start(source, length, None)?;
                file.seek_to_image(below.index).map_err(problem)?;
                pages.metadata = Some(metadata(&mut file, length, &mut pages.notes));
                pages.orientation = unsigned(&mut file, exif::ORIENTATION)?;
                first = Some(below.pointer);
            }
            None => {
                pages.directories[0] = found.largest;
                let note = "it calls its picture a smaller version of another, which is not there";
                pages.notes.push(note.to_owned());
            }
        }
    }
    let last = pages.directories.len();
    pages.lacking =
        (found.end).map(|end| format!("what follows page {last} cannot be read ({end})"));
    check_frame(wanted, last)?;
    let mut file = start(source, length, first)?;
    file.seek_to_image(pages.directories[wanted])
        .map_err(problem)?;
    Ok((file, pages))
}

/// Begins to read a file, at another directory than its first where one is given.
fn start(source: &mut Source, length: u64, first: Option<u64>) -> Result<File<'_>, ImageProblem> {
    let mut limits = Limits::unlimited();
    limits.ifd_value_size = HEADER_BYTES as usize;
    // No tag has more values than the file has bytes.
    limits.decoding_buffer_size = (length as usize).saturating_mul(size_of::<Value>());
    source.rewind().map_err(ImageProblem::Read)?;
    let mut head = Vec::new();
    if let Some(first) = first {
        let mut bytes = source.by_ref().take(16);
        bytes.read_to_end(&mut head).map_err(ImageProblem::Read)?;
        let is_little = head.starts_with(b"II");
        let is_big = head.get(2..4).is_some_and(|version| version.contains(&43));
        let place = match is_big {
            true => 8..16,
            false => 4..8,
        };
        let mut pointer = first.to_le_bytes()[..place.len()].to_vec();
        if !is_little {
            pointer.reverse();
        }
        head.truncate(place.end);
        head[place].copy_from_slice(&pointer);
    }
    let count = head.len() as u64;
    let file = Replaced::new(source, head, count).map_err(ImageProblem::Read)?;
    Ok(Decoder::new(file).map_err(problem)?.with_limits(limits))
}

/// What the directories of a file are.
struct Found {
    pages: Vec<usize>,
    /// The largest of all, of which others may be smaller versions or masks.
    largest: usize,
    /// The largest picture below one of them.
    below: Option<Below>,
    /// Why the chain of directories ends too early.
    end: Option<String>,
}

/// A picture below the directory of an index.
struct Below {
    index: usize,
    pointer: u64,
    pixels: u64,
}

fn find(source: &mut Source, length: u64) -> Result<Found, ImageProblem> {
    let mut file = start(source, length, None)?;
    if unsigned(&mut file, DNG_VERSION)?.is_some() {
        return Err(ImageProblem::Format("a camera's raw file (DNG)"));
    }
    let mut found = Found {
        pages: Vec::new(),
        largest: 0,
        below: None,
        end: None,
    };
    let (mut index, mut most) = (0, 0);
    loop {
        let kind = unsigned(&mut file, NEW_SUBFILE_TYPE)?;
        let old_kind = unsigned(&mut file, SUBFILE_TYPE)?;
        if !is_part(kind, old_kind) {
            found.pages.push(index);
        }
        let (width, height) = file.dimensions().map_err(problem)?;
        let pixels = u64::from(width) * u64::from(height);
        if pixels > most {
            (found.largest, most) = (index, pixels);
        }
        let below = below(&mut file, index)?;
        found.below = found
            .below
            .into_iter()
            .chain(below)
            .max_by_key(|below| below.pixels);
        index += 1;
        if !file.more_images() {
            break;
        }
        if index == MAX_PAGES {
            found.end = Some(format!("more than {MAX_PAGES} pages are not read"));
            break;
        }
        if let Err(error) = file.next_image() {
            found.end = Some(innermost_message(&error));
            if let problem @ ImageProblem::Read(_) = problem(error) {
                return Err(problem);
            }
            break;
        }
    }
    Ok(found)
}

/// Whether a directory holds a smaller version or a mask of another picture.
fn is_part(kind: Option<u64>, old_kind: Option<u64>) -> bool {
    match kind {
        // Bit 0: smaller; bit 2: a mask.
        Some(kind) => kind & 0b101 != 0,
        None => old_kind == Some(2),
    }
}

/// The largest picture in the directories below one. Those of cameras' raw files are
/// refused: what stands above them is a preview.
fn below(file: &mut File<'_>, index: usize) -> Result<Option<Below>, ImageProblem> {
    let pointers = all_unsigned(file, SUB_DIRECTORIES)?.unwrap_or_default();
    let mut largest = None;
    for pointer in pointers.into_iter().take(MAX_BELOW) {
        let Ok(directory) = file.read_directory(IfdPointer(pointer)) else {
            continue;
        };
        let mut tags = file.read_directory_tags(&directory);
        let mut number = |number| {
            let values = tags.find_tag_unsigned_vec::<u64>(tag(number)).ok()??;
            values.first().copied()
        };
        // Colour filters, and what was made of them without a look.
        if let Some(32_803 | 34_892) = number(262) {
            return Err(ImageProblem::Format("a camera's raw file"));
        }
        let [width, height] = [256, 257].map(|side| number(side).unwrap_or(0));
        let pixels = width.saturating_mul(height);
        let is_part = is_part(number(NEW_SUBFILE_TYPE), number(SUBFILE_TYPE));
        if !is_part && pixels > largest.as_ref().map_or(0, |below: &Below| below.pixels) {
            largest = Some(Below {
                index,
                pointer,
                pixels,
            });
        }
    }
    Ok(largest)
}
