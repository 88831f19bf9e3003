//! Files with another beginning, for decoders that get lost in theirs.

use super::super::ImageProblem;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// A file whose first bytes are replaced by others.
pub struct Replaced<R> {
    source: R,
    /// What stands in their place.
    start: Vec<u8>,
    /// Where in the source the rest begins.
    rest: u64,
    /// Where it is. Behind the start, the source is at the same byte.
    at: u64,
}

impl<R: BufRead + Seek> Replaced<R> {
    /// `start` in place of as many bytes.
    pub fn new(source: R, start: Vec<u8>) -> Result<Self, ImageProblem> {
        let count = start.len() as u64;
        Self::of_length(source, start, count)
    }

    /// `start` in place of the first `count` bytes.
    pub fn of_length(mut source: R, start: Vec<u8>, count: u64) -> Result<Self, ImageProblem> {
        let sought = source.seek(SeekFrom::Start(count));
        sought.map_err(ImageProblem::Read)?;
        Ok(Self {
            source,
            start,
            rest: count,
            at: 0,
        })
    }

    /// The file as it is, somewhere in it.
    pub fn source(&mut self) -> &mut R {
        &mut self.source
    }

    /// What is left of the start.
    fn left(&self) -> &[u8] {
        let at = self.at.min(self.start.len() as u64);
        &self.start[at as usize..]
    }
}

impl<R: BufRead + Seek> BufRead for Replaced<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.left().is_empty() {
            true => self.source.fill_buf(),
            false => Ok(self.left()),
        }
    }

    fn consume(&mut self, count: usize) {
        if self.left().is_empty() {
            self.source.consume(count);
        }
        self.at += count as u64;
    }
}

impl<R: BufRead + Seek> Read for Replaced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead + Seek> Seek for Replaced<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let start = self.start.len() as u64;
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => {
                let length = self.source.seek(SeekFrom::End(0))?;
                (length.saturating_sub(self.rest) + start).checked_add_signed(by)
            }
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        let behind = target.saturating_sub(start);
        self.source
            .seek(SeekFrom::Start(self.rest.saturating_add(behind)))?;
        self.at = target;
        Ok(target)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn a_start_of_another_length_is_read_as_the_files_own() {
        let mut file = Replaced::of_length(Cursor::new(b"abcdef"), b"123".to_vec(), 2).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "123cdef");
        for (to, expected) in [
            (SeekFrom::Start(1), "23cdef"),
            (SeekFrom::Start(4), "def"),
            (SeekFrom::End(-6), "23cdef"),
            (SeekFrom::Current(-3), "def"),
        ] {
            file.seek(to).unwrap();
            text.clear();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, expected, "{to:?}");
        }
        assert_eq!(file.stream_position().unwrap(), 7);
    }
}
