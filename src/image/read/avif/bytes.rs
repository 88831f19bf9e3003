//! The bytes of AVIF files: boxes, numbers and names.

use super::super::{Source, cut_off};
use crate::image::ImageProblem;
use std::io::{Read, Seek, SeekFrom};

/// The type of a box, an item, a reference or a property.
pub type Name = [u8; 4];

pub fn wrong_header() -> ImageProblem {
    ImageProblem::Damaged("its header contradicts itself".to_owned())
}

/// The type of a box, and the bytes of its head and of the whole; none where the file
/// ends.
pub fn box_at(
    source: &mut Source,
    at: u64,
    length: u64,
) -> Result<Option<(Name, u64, u64)>, ImageProblem> {
    let start = read_at(source, at, (length - at).min(16))?;
    let mut start = Bytes(&start);
    let mut head = || {
        let size = start.number(4)?;
        let name = start.name()?;
        Some(match size {
            0 => (name, 8, length - at),
            1 => (name, 16, start.number(8)?),
            size => (name, 8, size),
        })
    };
    match head() {
        Some((_, head, size)) if size < head => Err(wrong_header()),
        found => Ok(found),
    }
}

pub fn read_at(source: &mut Source, at: u64, size: u64) -> Result<Vec<u8>, ImageProblem> {
    let mut bytes = Vec::new();
    source
        .seek(SeekFrom::Start(at))
        .and_then(|_| source.take(size).read_to_end(&mut bytes))
        .map_err(ImageProblem::Read)?;
    match bytes.len() as u64 == size {
        true => Ok(bytes),
        false => Err(cut_off()),
    }
}

/// Bytes that are read from their start.
#[derive(Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of up to 8 bytes, the first the largest.
    pub fn number(&mut self, bytes: usize) -> Option<u64> {
        let bytes = self.take(bytes)?;
        (bytes.len() <= 8).then(|| bytes.iter().fold(0, |n, &byte| n << 8 | u64::from(byte)))
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.number(4).map(|number| number as u32)
    }

    pub fn name(&mut self) -> Option<Name> {
        self.take(4)?.try_into().ok()
    }

    /// Text up to a zero or the end.
    pub fn text(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|&byte| byte == 0);
        let text = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = &self.0[(text.len() + 1).min(self.0.len())..];
        text
    }

    /// The version and flags that some boxes begin with.
    pub fn version(&mut self) -> Option<(u64, u64)> {
        Some((self.number(1)?, self.number(3)?))
    }

    pub fn id(&mut self, wide: bool) -> Option<u32> {
        self.number(if wide { 4 } else { 2 }).map(|id| id as u32)
    }

    /// The next box and its content; within, none at the end.
    pub fn next_box(&mut self) -> Option<Option<(Name, &'a [u8])>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let mut rest = *self;
        let (size, name) = (rest.number(4)?, rest.name()?);
        let (head, size) = match size {
            0 => (8, self.0.len()),
            1 => (16, usize::try_from(rest.number(8)?).ok()?),
            size => (8, size as usize),
        };
        let content = self.take(size)?.get(head..)?;
        Some(Some((name, content)))
    }

    /// The content of the first box of a kind.
    pub fn child(mut self, kind: &Name) -> Option<Self> {
        while let Some((name, content)) = self.next_box()? {
            if &name == kind {
                return Some(Self(content));
            }
        }
        None
    }
}
