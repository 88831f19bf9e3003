//! Zlib streams (RFC 1950) whose checksum is looked at after all that was
//! decompressed has been given: other decoders throw the last of it away with it.

use flate2::bufread::DeflateDecoder;
use simd_adler32::Adler32;
use std::io::{self, BufRead, Read};

pub struct Zlib<R> {
    deflated: DeflateDecoder<R>,
    checksum: Adler32,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Data,
    End { is_wrong: bool },
}

impl<R: BufRead> Zlib<R> {
    pub fn new(input: R) -> Self {
        Self {
            deflated: DeflateDecoder::new(input),
            checksum: Adler32::new(),
            state: State::Start,
        }
    }

    /// Whether its end was reached, and another checksum than that of the data stands
    /// there. One that is missing is not wrong.
    pub fn has_wrong_checksum(&self) -> bool {
        self.state == State::End { is_wrong: true }
    }
}

impl<R: BufRead> Read for Zlib<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wrong = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason);
        if self.state == State::Start {
            let mut head = [0; 2];
            self.deflated.get_mut().read_exact(&mut head)?;
            let [method, _] = head;
            if method & 15 != 8 || !u16::from_be_bytes(head).is_multiple_of(31) {
                return Err(wrong("no zlib stream"));
            }
            self.state = State::Data;
        }
        let count = self.deflated.read(buffer)?;
        self.checksum.write(&buffer[..count]);
        if count == 0 && !buffer.is_empty() && self.state == State::Data {
            let mut stated = [0; 4];
            let is_there = self.deflated.get_mut().read_exact(&mut stated).is_ok();
            let is_wrong = is_there && u32::from_be_bytes(stated) != self.checksum.finish();
            self.state = State::End { is_wrong };
        }
        match self.has_wrong_checksum() {
            true => Err(wrong("a wrong checksum")),
            false => Ok(count),
        }
    }
}
