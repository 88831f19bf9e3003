//! The chunks of a PNG file: those that may stand anywhere, and whether the file is
//! whole. The decoder reads on over wrong checksums without a word, or not at all.

use super::super::{ImageProblem, exif, orientation::Orientation};
use super::zlib::Zlib;
use super::{DecodeOptions, Source, tolerate};
use crc32fast::Hasher;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::time::Duration;

/// The most bytes of EXIF that are read: more than JPEG can hold.
const MAX_EXIF: u32 = 16 << 20;

/// What the chunks of a file say, wherever they stand: EXIF may follow the
/// pixels.
#[derive(Default)]
pub struct Walk {
    pub exif: Option<Vec<u8>>,
    /// How long each frame of an animation is shown.
    pub durations: Vec<Duration>,
    /// Whether there is a colour profile, be it one that cannot be read.
    pub has_profile: bool,
    /// How many texts there are.
    pub texts: usize,
    /// Whether the last chunk is there.
    pub ended: bool,
    /// How many frames the file states.
    stated_frames: u32,
    /// The chunk that is read.
    open: Option<[u8; 4]>,
    /// Chunks with a wrong checksum: how many, and the name of the first.
    wrong: u32,
    first_wrong: [u8; 4],
    /// Where the pixels of each image are.
    streams: Vec<Vec<Range<u64>>>,
}

impl Walk {
    /// Without looking at checksums. Leaves the file at its start.
    pub fn new(source: &mut Source) -> Result<Self, ImageProblem> {
        Self::of(source, false)
    }

    /// Fails if there is a wrong checksum, or tells of it. Leaves the file at its start.
    pub fn checked(
        source: &mut Source,
        options: &DecodeOptions,
        notes: &mut Vec<String>,
    ) -> Result<Self, ImageProblem> {
        let walk = Self::of(source, true)?;
        if walk.wrong > 0 {
            let name = String::from_utf8_lossy(&walk.first_wrong);
            let reason = match walk.wrong {
                1 => format!("the checksum of its {name} chunk is wrong"),
                count => format!(
                    "the checksums of {count} of its chunks are wrong, the first of them {name}"
                ),
            };
            tolerate(ImageProblem::Incomplete(reason), options, notes)?;
        }
        // Else, the decoder looks at these.
        if options.tolerant {
            for stream in &walk.streams {
                let is_wrong = has_wrong_checksum(source, stream);
                if is_wrong.map_err(ImageProblem::Read)? {
                    tolerate(wrong_checksum(), options, notes)?;
                }
            }
            source.rewind().map_err(ImageProblem::Read)?;
        }
        Ok(walk)
    }

    fn of(source: &mut Source, checks: bool) -> Result<Self, ImageProblem> {
        let mut walk = Self::default();
        let result = walk.run(source, checks);
        source.rewind().map_err(ImageProblem::Read)?;
        match result {
            Ok(problem) => problem.map_or(Ok(walk), Err),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(walk),
            Err(error) => Err(ImageProblem::Read(error)),
        }
    }

    /// Gives what the decoder would call damage.
    fn run(&mut self, source: &mut Source, checks: bool) -> io::Result<Option<ImageProblem>> {
        source.seek(SeekFrom::Start(8))?;
        loop {
            let mut head = [0; 8];
            source.read_exact(&mut head)?;
            let [a, b, c, d, name @ ..] = head;
            let length = u32::from_be_bytes([a, b, c, d]);
            if !name.iter().all(u8::is_ascii_alphabetic) {
                return Ok(None);
            }
            let wanted = match &name {
                b"eXIf" if length <= MAX_EXIF => length,
                b"fcTL" if length == 26 => length,
                b"acTL" if length == 8 => length,
                b"cICP" if length == 4 => length,
                _ => 0,
            };
            self.open = Some(name);
            let start = source.stream_position()?;
            let mut data = Vec::new();
            source.by_ref().take(wanted.into()).read_to_end(&mut data)?;
            if checks {
                let mut hasher = Hasher::new();
                hasher.update(&name);
                hasher.update(&data);
                let left = u64::from(length) - data.len() as u64;
                hash(source, left, &mut hasher)?;
                let mut stated = [0; 4];
                source.read_exact(&mut stated)?;
                if hasher.finalize() != u32::from_be_bytes(stated) {
                    if self.wrong == 0 {
                        self.first_wrong = name;
                    }
                    self.wrong += 1;
                }
            } else {
                // Seeking past the end of a file is no error.
                source.seek(SeekFrom::Start(start + u64::from(length) + 3))?;
                source.read_exact(&mut [0])?;
            }
            self.open = None;
            if let Some(problem) = self.take(name, &data, start..start + u64::from(length)) {
                return Ok(Some(problem));
            }
            if self.ended {
                return Ok(None);
            }
        }
    }

    /// Takes a chunk and, of those that are read, what it holds.
    fn take(&mut self, name: [u8; 4], data: &[u8], place: Range<u64>) -> Option<ImageProblem> {
        match (&name, data) {
            (b"eXIf", _) => self.exif = Some(exif::without_header(data).to_vec()),
            (b"iCCP", _) => self.has_profile = true,
            (b"tEXt" | b"zTXt" | b"iTXt", _) => self.texts += 1,
            (b"acTL", [a, b, c, d, ..]) => {
                self.stated_frames = u32::from_be_bytes([*a, *b, *c, *d]);
            }
            (b"fcTL", [.., o1, o2, u1, u2, _, _]) => {
                let [over, under] = [[*o1, *o2], [*u1, *u2]].map(u16::from_be_bytes);
                let under = if under == 0 { 100 } else { under };
                let seconds = f64::from(over) / f64::from(under);
                self.durations.push(Duration::from_secs_f64(seconds));
                self.streams.push(Vec::new());
            }
            // Behind the header of the first frame, or of no frame.
            (b"IDAT", _) => match self.streams.last_mut() {
                Some(stream) => stream.push(place),
                None => self.streams.push(vec![place]),
            },
            // Behind their number.
            (b"fdAT", _) => {
                let place = place.end.min(place.start + 4)..place.end;
                self.streams.iter_mut().last()?.push(place);
            }
            (b"cICP", [_, _, matrix, _]) if *matrix != 0 => {
                let what = format!("colours that are no RGB (cICP with matrix {matrix})");
                return Some(ImageProblem::Feature(what));
            }
            // It comes first. Pixels are compressed and their channels ordered in another
            // way, and multiplied with opacity.
            (b"CgBI", _) => {
                let what = "Apple's own form of PNG (CgBI)".to_owned();
                return Some(ImageProblem::Feature(what));
            }
            (b"IEND", _) => self.ended = true,
            _ => {}
        }
        None
    }

    /// Whether the file ends inside pixels, or before frames of its animation. What is
    /// cut off by a chunk of pixels that states too many bytes may look whole.
    pub fn lacks_pixels(&self) -> bool {
        let is_cut = [*b"IDAT", *b"fdAT"].map(Some).contains(&self.open);
        is_cut || (!self.ended && (self.durations.len() as u64) < self.stated_frames.into())
    }

    pub fn orientation(&self) -> Orientation {
        let number = self.exif.as_deref().and_then(exif::orientation);
        Orientation::new(number.unwrap_or(1))
    }
}

const WRONG_CHECKSUM: &str = "the checksum of its pixels is wrong";

/// Why pixels are wrong that a decoder could take for right.
pub fn wrong_checksum() -> ImageProblem {
    ImageProblem::Incomplete(WRONG_CHECKSUM.to_owned())
}

pub fn is_wrong_checksum(problem: &ImageProblem) -> bool {
    matches!(problem, ImageProblem::Incomplete(reason) if reason == WRONG_CHECKSUM)
}

fn hash(source: &mut Source, mut left: u64, hasher: &mut Hasher) -> io::Result<()> {
    while left > 0 {
        let buffer = source.fill_buf()?;
        if buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let count = left.min(buffer.len() as u64) as usize;
        hasher.update(&buffer[..count]);
        source.consume(count);
        left -= count as u64;
    }
    Ok(())
}

/// Whether a stream of pixels in several places can be decompressed and its checksum
/// is another.
fn has_wrong_checksum(source: &mut Source, places: &[Range<u64>]) -> io::Result<bool> {
    let places = places.iter();
    let mut stream = Zlib::new(BufReader::new(Places {
        source,
        places,
        left: 0,
    }));
    match io::copy(&mut stream, &mut io::sink()) {
        // The decoder tells of other faults.
        Err(error) if error.raw_os_error().is_some() => Err(error),
        _ => Ok(stream.has_wrong_checksum()),
    }
}

/// Parts of a file as one.
struct Places<'a> {
    source: &'a mut Source,
    places: std::slice::Iter<'a, Range<u64>>,
    /// Bytes that are left of the place.
    left: u64,
}

impl Read for Places<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let Some(place) = self.places.next() else {
                return Ok(0);
            };
            self.source.seek(SeekFrom::Start(place.start))?;
            self.left = place.end - place.start;
        }
        let count = (&mut *self.source).take(self.left).read(buffer)?;
        self.left -= count as u64;
        Ok(count)
    }
}
