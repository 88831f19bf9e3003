//! The segments of a JPEG file (ISO/IEC 10918-1, annex B): what it is, its
//! metadata, and whether it is all there.

use super::super::ImageProblem;
use super::super::exif;
use super::super::iptc;
use super::{Source, cut_off};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Seek};

/// What the segments say.
#[derive(Debug, Default)]
pub struct Header {
    pub width: u16,
    pub height: u16,
    pub components: Vec<u8>,
    /// Number of the frame marker: how the coefficients are coded.
    pub process: u8,
    pub precision: u8,
    /// Whether Adobe's segment is there: CMYK is stored inverted then.
    pub adobe: bool,
    pub dpi: Option<[f64; 2]>,
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
    /// Whether XMP goes on in segments that are not read.
    pub has_more_xmp: bool,
    /// How many pictures the file says that it holds.
    pub pictures: usize,
    /// Of Photoshop, put together.
    pub resources: Vec<u8>,
    pub comments: Vec<Vec<u8>>,
    profile: BTreeMap<u8, Vec<u8>>,
    profile_parts: u8,
    /// Whether the end marker is there.
    pub ended: bool,
    scans: Vec<Scan>,
    /// Bytes between the markers from the first scan on.
    pub coded: u64,
    /// Those of them that repeat each other right before a marker or the end of the
    /// file: what fills scans up.
    pub fill: u64,
    run: Run,
}

/// How often a byte was repeated at last.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    byte: u8,
    count: u64,
}

impl Run {
    fn take(&mut self, bytes: &[u8]) {
        let Some(&last) = bytes.last() else {
            return;
        };
        let equal = bytes.iter().rev().take_while(|&&byte| byte == last).count();
        let goes_on = equal == bytes.len() && self.byte == last;
        let before = if goes_on { self.count } else { 0 };
        *self = Self {
            byte: last,
            count: before + equal as u64,
        };
    }
}

#[derive(Debug)]
struct Scan {
    components: Vec<u8>,
    /// Coefficients, first and last.
    band: [u8; 2],
    /// Bits that later scans refine.
    low: u8,
}

/// The colour profile of a file.
pub enum Profile {
    None,
    Whole(Vec<u8>),
    /// Not all of its parts are there.
    Broken,
}

const START_OF_SCAN: u8 = 0xda;
const END: u8 = 0xd9;
const COMMENT: u8 = 0xfe;

/// The frame marker of JPEG-LS (ISO/IEC 14495-1).
const JPEG_LS: u8 = 0xf7;

impl Header {
    /// Reads up to the first scan, or through all of them. Leaves the file at
    /// its start.
    pub fn read(source: &mut Source, scans: bool) -> Result<Self, ImageProblem> {
        let mut header = Self::default();
        let result = header.walk(source, scans);
        source.rewind().map_err(ImageProblem::Read)?;
        match result {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(ImageProblem::Read(error));
            }
            // Before there is any image, all is missing.
            Err(_) if header.scans.is_empty() => {
                let ImageProblem::Incomplete(what) = cut_off() else {
                    return Err(ImageProblem::NotAPicture);
                };
                return Err(ImageProblem::Damaged(what));
            }
            _ => {}
        }
        if header.components.is_empty() {
            return Err(ImageProblem::Damaged("it has no frame header".to_owned()));
        }
        header.check()?;
        Ok(header)
    }

    fn walk(&mut self, source: &mut Source, scans: bool) -> io::Result<()> {
        loop {
            // Bytes before a marker are the entropy-coded data of a scan,
            // where 0xff is followed by 0 or a restart.
            self.skip_to_marker(source)?;
            let mut marker = byte(source)?;
            while marker == 0xff {
                marker = byte(source)?;
            }
            if !matches!(marker, 0 | 0xd0..=0xd7) {
                self.end_scan();
            }
            match marker {
                END => {
                    self.ended = true;
                    return Ok(());
                }
                // Stuffed bytes, restarts, and the start.
                0 | 1 | 0xd0..=0xd8 => {}
                _ => {
                    let length = u16::from_be_bytes([byte(source)?, byte(source)?]);
                    let length = length.saturating_sub(2);
                    if self.is_wanted(marker) {
                        let mut data = vec![0; length.into()];
                        source.read_exact(&mut data)?;
                        self.take(marker, &data);
                        if marker == START_OF_SCAN && !scans {
                            return Ok(());
                        }
                    } else {
                        source.seek_relative(length.into())?;
                    }
                }
            }
        }
    }

    /// Reads up to and including the next 0xff.
    fn skip_to_marker(&mut self, source: &mut Source) -> io::Result<()> {
        self.run = Run::default();
        loop {
            let buffer = source.fill_buf()?;
            if buffer.is_empty() {
                self.end_scan();
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let place = buffer.iter().position(|&byte| byte == 0xff);
            let data = &buffer[..place.unwrap_or(buffer.len())];
            if !self.scans.is_empty() {
                self.coded += data.len() as u64;
                self.run.take(data);
            }
            let count = data.len() + usize::from(place.is_some());
            source.consume(count);
            if place.is_some() {
                return Ok(());
            }
        }
    }

    fn end_scan(&mut self) {
        self.fill += std::mem::take(&mut self.run).count;
    }

    fn is_wanted(&self, marker: u8) -> bool {
        matches!(marker, 0xc0..=0xcf | 0xe0..=0xe2 | 0xed | 0xee | COMMENT | JPEG_LS | START_OF_SCAN)
            && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
    }

    fn take(&mut self, marker: u8, data: &[u8]) {
        match (marker, data) {
            (0xc0..=0xcf | JPEG_LS, [precision, h1, h2, w1, w2, count, parts @ ..])
                if self.components.is_empty() =>
            {
                self.process = marker - 0xc0;
                self.precision = *precision;
                self.height = u16::from_be_bytes([*h1, *h2]);
                self.width = u16::from_be_bytes([*w1, *w2]);
                let ids = parts.chunks_exact(3).take((*count).into());
                self.components = ids.map(|part| part[0]).collect();
            }
            (0xe0, [b'J', b'F', b'I', b'F', 0, _, _, unit, x1, x2, y1, y2, ..]) => {
                let scale = match unit {
                    1 => 1.0,
                    2 => 2.54,
                    _ => return,
                };
                let [x, y] = [[*x1, *x2], [*y1, *y2]].map(u16::from_be_bytes);
                if x > 0 && y > 0 {
                    self.dpi = Some([x, y].map(|n| f64::from(n) * scale));
                }
            }
            (0xe1, [b'E', b'x', b'i', b'f', 0, _, ..]) if self.exif.is_none() => {
                self.exif = Some(exif::without_header(data).to_vec());
            }
            (0xe1, _) => {
                let packet = data.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0");
                if let (Some(packet), None) = (packet, &self.xmp) {
                    self.xmp = Some(packet.to_vec());
                }
                self.has_more_xmp |= data.starts_with(b"http://ns.adobe.com/xmp/extension/\0");
            }
            (0xe2, _) => {
                if let Some([number, count, part @ ..]) = data.strip_prefix(b"ICC_PROFILE\0") {
                    self.profile_parts = *count;
                    self.profile.insert(*number, part.to_vec());
                }
                if let (Some(index), 0) = (data.strip_prefix(b"MPF\0"), self.pictures) {
                    self.pictures = exif::pictures(index);
                }
            }
            (0xed, _) => {
                let part = data.strip_prefix(iptc::HEADER);
                self.resources.extend(part.unwrap_or_default());
            }
            (COMMENT, comment) if !comment.is_empty() => self.comments.push(comment.to_vec()),
            (0xee, [b'A', b'd', b'o', b'b', b'e', ..]) if data.len() >= 12 => self.adobe = true,
            (START_OF_SCAN, [count, rest @ ..]) => {
                let used = 2 * usize::from(*count);
                if let Some([first, last, bits, ..]) = rest.get(used..) {
                    let ids = rest[..used].chunks_exact(2);
                    self.scans.push(Scan {
                        components: ids.map(|id| id[0]).collect(),
                        band: [*first, *last],
                        low: bits & 15,
                    });
                }
            }
            _ => {}
        }
    }

    /// Refuses by name what libjpeg does not decode.
    fn check(&self) -> Result<(), ImageProblem> {
        let refused = |what: &str| Err(ImageProblem::Feature(what.to_owned()));
        match self.process {
            0 | 1 | 2 | 9 | 10 => {}
            3 | 11 => return refused("lossless JPEG coding"),
            0x37 => return refused("JPEG-LS coding"),
            _ => return refused("hierarchical JPEG coding"),
        }
        if self.precision != 8 {
            return refused(&format!("JPEG coding of {} bits a sample", self.precision));
        }
        if self.height == 0 && self.width > 0 {
            return refused("a JPEG height that stands after the pixels (DNL)");
        }
        match self.components.len() {
            1 | 3 | 4 => Ok(()),
            count => refused(&format!("JPEG coding of {count} colours")),
        }
    }

    /// Whether the coefficients are coded arithmetically.
    pub fn is_arithmetic(&self) -> bool {
        self.process >= 9
    }

    /// Whether there is a colour that the scans do not bring to its full
    /// precision, or not at all.
    pub fn lacks_scans(&self) -> bool {
        let progressive = matches!(self.process, 2 | 10);
        self.components.iter().any(|id| {
            let mut scans = self.scans.iter().filter(|s| s.components.contains(id));
            if !progressive {
                return scans.next().is_none();
            }
            let whole = |coefficient: u8| {
                let [mut seen, mut low] = [false, true];
                for scan in self.scans.iter().filter(|s| s.components.contains(id)) {
                    if (scan.band[0]..=scan.band[1]).contains(&coefficient) {
                        seen = true;
                        low = scan.low > 0;
                    }
                }
                seen && !low
            };
            !(0..64).all(whole)
        })
    }

    /// The colour profile, put together.
    pub fn profile(&mut self) -> Profile {
        if self.profile.is_empty() {
            return Profile::None;
        }
        let parts = std::mem::take(&mut self.profile);
        // They count from 1; some writers count from 0.
        let first = parts.keys().next().copied().unwrap_or(0).min(1);
        let expected = (0..self.profile_parts).map(|part| part.saturating_add(first));
        if !parts.keys().copied().eq(expected) {
            return Profile::Broken;
        }
        Profile::Whole(parts.into_values().flatten().collect())
    }
}

fn byte(source: &mut Source) -> io::Result<u8> {
    let mut byte = [0];
    source.read_exact(&mut byte)?;
    Ok(byte[0])
}
