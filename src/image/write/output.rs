//! Where encoders write to.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};

/// What files, and bytes in memory, can do.
pub trait WriteSeek: Write + Seek {}

impl<T: Write + Seek> WriteSeek for T {}

/// Writes to a file, and keeps the first error: some encoders tell only that
/// writing failed, and not why.
pub struct Output<'a> {
    inner: BufWriter<&'a mut dyn WriteSeek>,
    pub error: Option<io::Error>,
}

impl<'a> Output<'a> {
    pub fn new(inner: &'a mut dyn WriteSeek) -> Self {
        Self {
            inner: BufWriter::with_capacity(1 << 16, inner),
            error: None,
        }
    }

    fn kept<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.error.get_or_insert(error);
            }
            kind.into()
        })
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.kept(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.kept(result)
    }
}

impl Seek for Output<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let result = self.inner.seek(to);
        self.kept(result)
    }
}
