//! Which of the directories of a TIFF file are pictures.

use super::super::super::error::innermost_message;
use super::super::super::{ImageProblem, Metadata, exif};
use super::super::replaced::Replaced;
use super::super::{HEADER_BYTES, Source, check_frame, length};
use super::metadata::metadata;
use super::{File, all_stated, problem, stated, tag};
use ::tiff::decoder::ifd::Value;
use ::tiff::decoder::{Decoder, IfdDecoder, Limits};
use ::tiff::tags::IfdPointer;
use std::collections::HashSet;
use std::io::{Read, Seek};

const PHOTOMETRIC: u16 = 262;
const NEW_SUBFILE_TYPE: u16 = 254;
/// What stood in its place before TIFF 6.0.
const SUBFILE_TYPE: u16 = 255;
/// Directories below one, which the chain of pages does not have.
const SUB_DIRECTORIES: u16 = 330;
const DNG_VERSION: u16 = 50_706;

/// More directories than any file of pages has, and more than stand below those that
/// are looked at.
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
    /// What cannot be kept of that.
    pub lost: Vec<String>,
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
        lost: Vec::new(),
        orientation: None,
    };
    let mut first = None;
    if pages.directories.is_empty() {
        pages.directories.push(0);
        match found.below {
            Some(below) => {
                let mut file = start(source, length, None)?;
                file.seek_to_image(below.index).map_err(problem)?;
                pages.metadata = Some(metadata(&mut file, length, &mut pages.lost));
                pages.orientation = stated(&mut file.image_ifd(), exif::ORIENTATION)?;
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
    let file = Replaced::new(source, head)?;
    Ok(Decoder::new(file).map_err(problem)?.with_limits(limits))
}

/// What the directories of a file are.
struct Found {
    pages: Vec<usize>,
    /// The largest that is no mask, of which others may be smaller versions.
    largest: usize,
    /// The largest picture below those up to the first page.
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
    if file.image_ifd().find_entry(tag(DNG_VERSION)).is_some() {
        return Err(ImageProblem::Format("a camera's raw file (DNG)"));
    }
    let mut found = Found {
        pages: Vec::new(),
        largest: 0,
        below: None,
        end: None,
    };
    let (mut index, mut most) = (0, 0);
    let mut seen = HashSet::new();
    loop {
        if found.pages.is_empty() {
            let below = below(&mut file, index, &mut seen)?;
            found.below = found
                .below
                .into_iter()
                .chain(below)
                .max_by_key(|below| below.pixels);
        }
        let kind = Kind::of(&mut file.image_ifd())?;
        if !kind.is_part() {
            found.pages.push(index);
        }
        let (width, height) = file.dimensions().map_err(problem)?;
        let pixels = u64::from(width) * u64::from(height);
        if pixels > most && !kind.is_mask {
            (found.largest, most) = (index, pixels);
        }
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

/// What a directory says that its picture is for.
struct Kind {
    is_smaller: bool,
    is_mask: bool,
}

impl Kind {
    fn of(tags: &mut IfdDecoder<'_>) -> Result<Self, ImageProblem> {
        let kind = stated(tags, NEW_SUBFILE_TYPE)?;
        let old_kind = stated(tags, SUBFILE_TYPE)?;
        Ok(Self {
            is_smaller: kind.map_or(old_kind == Some(2), |kind| kind & 1 != 0),
            is_mask: kind.is_some_and(|kind| kind & 4 != 0)
                || stated(tags, PHOTOMETRIC)? == Some(4),
        })
    }

    /// Whether it is a smaller version or a mask of another picture.
    fn is_part(&self) -> bool {
        self.is_smaller || self.is_mask
    }
}

/// The largest picture in the directories below one, less those that were looked at.
/// Those of cameras' raw files are refused: what stands above them is a preview.
fn below(
    file: &mut File<'_>,
    index: usize,
    seen: &mut HashSet<u64>,
) -> Result<Option<Below>, ImageProblem> {
    let pointers = all_stated(&mut file.image_ifd(), SUB_DIRECTORIES, MAX_BELOW)?;
    let mut largest = None;
    for pointer in pointers.unwrap_or_default() {
        if seen.len() == MAX_BELOW {
            break;
        }
        if !seen.insert(pointer) {
            continue;
        }
        let directory = match file.read_directory(IfdPointer(pointer)).map_err(problem) {
            Ok(directory) => directory,
            Err(problem @ ImageProblem::Read(_)) => return Err(problem),
            Err(_) => continue,
        };
        let mut tags = file.read_directory_tags(&directory);
        // Colour filters, and what was made of them without a look.
        if let Some(32_803 | 34_892) = stated(&mut tags, PHOTOMETRIC)? {
            return Err(ImageProblem::Format("a camera's raw file"));
        }
        let width = stated(&mut tags, 256)?.unwrap_or(0);
        let height = stated(&mut tags, 257)?.unwrap_or(0);
        let pixels = width.saturating_mul(height);
        let is_larger = pixels > largest.as_ref().map_or(0, |below: &Below| below.pixels);
        if is_larger && !Kind::of(&mut tags)?.is_part() {
            largest = Some(Below {
                index,
                pointer,
                pixels,
            });
        }
    }
    Ok(largest)
}
