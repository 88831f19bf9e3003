//! Files that go on after their end, for decoders that give nothing of an image
//! unless all of it is there.

use std::cell::Cell;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::rc::Rc;

/// A file.
pub struct Padded<'a, R> {
    source: &'a mut R,
    padding: Rc<Padding>,
    /// How far in the padding it is; none: inside the file.
    at: Option<usize>,
}

/// What follows the end of a file: zeros.
#[derive(Default)]
pub struct Padding {
    is_started: Cell<bool>,
    is_text: Cell<bool>,
    is_used: Cell<bool>,
    bytes_before: Cell<u64>,
}

impl Padding {
    /// Makes the zeros numbers in a text.
    pub fn set_text(&self) {
        self.is_text.set(true);
    }

    /// Whether the zeros are numbers in a text.
    pub fn is_text(&self) -> bool {
        self.is_text.get()
    }

    /// From here on, the file goes on after its end.
    pub fn start(&self) {
        self.is_started.set(true);
    }

    /// Whether anything was read after the end.
    pub fn is_used(&self) -> bool {
        self.is_used.get()
    }

    /// How many bytes were read between the start and the end; spaces in a text are none.
    pub fn bytes_before(&self) -> u64 {
        self.bytes_before.get()
    }

    fn bytes(&self) -> &'static [u8] {
        match self.is_text() {
            false => &[0; 64],
            true => b" 0",
        }
    }
}

impl<'a, R> Padded<'a, R> {
    pub fn new(source: &'a mut R) -> (Self, Rc<Padding>) {
        let padding = Rc::new(Padding::default());
        let padded = Self {
            source,
            padding: padding.clone(),
            at: None,
        };
        (padded, padding)
    }
}

impl<R: BufRead> BufRead for Padded<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.padding.is_started.get() && self.source.fill_buf()?.is_empty() {
            let at = self.at.get_or_insert(0);
            return Ok(&self.padding.bytes()[*at..]);
        }
        self.source.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Some(at) = &mut self.at {
            // A number in a text ends at its end, too.
            let needed = usize::from(self.padding.is_text());
            if *at + count > needed {
                self.padding.is_used.set(true);
            }
            *at = (*at + count) % self.padding.bytes().len();
            return;
        }
        if self.padding.is_started.get() {
            let used = match self.padding.is_text() {
                false => count,
                true => {
                    // What was looked at before is there.
                    let bytes = self.source.fill_buf().unwrap_or_default();
                    let bytes = bytes.iter().take(count);
                    bytes.filter(|byte| !byte.is_ascii_whitespace()).count()
                }
            };
            let before = &self.padding.bytes_before;
            before.set(before.get() + used as u64);
        }
        self.source.consume(count);
    }
}

impl<R: BufRead> Read for Padded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead + Seek> Seek for Padded<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = None;
        self.source.seek(to)
    }
}
