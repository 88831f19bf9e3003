//! Event files, which TensorBoard shows as curves.
//!
//! An event file is a sequence of records: the length (u64), its checksum, the
//! event, its checksum; little-endian, the checksums CRC-32C and masked. Events
//! are protocol buffers (`tensorflow/core/util/event.proto`), of which these
//! fields are written:
//!
//! ```text
//! Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//! Summary { repeated Value value = 1; }
//! Value   { string tag = 1; float simple_value = 2; Image image = 4; }
//! Image   { int32 height = 1; int32 width = 2; int32 colorspace = 3; bytes encoded = 4; }
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// An event file that is written to.
#[derive(Debug)]
pub struct Events {
    file: File,
    path: PathBuf,
}

impl Events {
    /// Begins a file in `folder`, which is made if need be. TensorBoard takes all
    /// files of a folder together, so that a training that goes on gets another.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let seconds = now() as u64;
        let id = std::process::id();
        let path = folder.join(format!("events.out.tfevents.{seconds:010}.srdiff.{id}"));
        let mut events = Self {
            file: File::options().append(true).create(true).open(&path)?,
            path,
        };
        let mut event = Message::default();
        event.double(1, now());
        event.bytes(3, b"brain.Event:2");
        events.append(&event.0)?;
        Ok(events)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds values of a step, by name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> io::Result<()> {
        let mut summary = Message::default();
        for (tag, value) in values {
            let mut one = Message::default();
            one.bytes(1, tag.as_bytes());
            one.float(2, *value as f32);
            summary.bytes(1, &one.0);
        }
        self.summary(step, &summary)
    }

    /// Adds an image of a step: a PNG file of `[width, height]` pixels.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn image(
        &mut self,
        step: u64,
        tag: &str,
        [width, height]: [usize; 2],
        png: &[u8],
    ) -> io::Result<()> {
        let mut image = Message::default();
        image.number(1, height as u64);
        image.number(2, width as u64);
        image.number(3, 3);
        image.bytes(4, png);
        let (mut one, mut summary) = (Message::default(), Message::default());
        one.bytes(1, tag.as_bytes());
        one.bytes(4, &image.0);
        summary.bytes(1, &one.0);
        self.summary(step, &summary)
    }

    fn summary(&mut self, step: u64, summary: &Message) -> io::Result<()> {
        let mut event = Message::default();
        event.double(1, now());
        event.number(2, step);
        event.bytes(5, &summary.0);
        self.append(&event.0)
    }

    /// In one write, so that a reader never sees half a record for long.
    fn append(&mut self, event: &[u8]) -> io::Result<()> {
        let length = (event.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(event.len() + 16);
        record.extend_from_slice(&length);
        record.extend_from_slice(&masked_crc(&length).to_le_bytes());
        record.extend_from_slice(event);
        record.extend_from_slice(&masked_crc(event).to_le_bytes());
        self.file.write_all(&record)
    }
}

/// The checksum of TFRecord files.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |time| time.as_secs_f64())
}

/// A message of protocol buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    const VARINT: u64 = 0;
    const FIXED64: u64 = 1;
    const BYTES: u64 = 2;
    const FIXED32: u64 = 5;

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.key(field, Self::VARINT);
        self.varint(number);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, Self::FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, Self::FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, Self::BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}
