//! Why an image cannot be read or written.

use super::{OutputFormat, format::READABLE};
use crate::atomic_file::Fault;
use crate::host_memory::NoMemory;
use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

/// An image file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub struct ImageError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: ImageProblem,
}

/// What is wrong with an image file.
#[derive(Debug, thiserror::Error)]
pub enum ImageProblem {
    /// There is no such input.
    #[error("there is no such file; check the path of the image")]
    Missing,
    /// A folder where an image should be.
    #[error("is a folder; name an image file")]
    Folder,
    /// A device, pipe or socket.
    #[error("is not a regular file; name an image file on a disk")]
    NotRegular,
    /// The system refuses to read it.
    #[error("cannot be read ({}); {}", plainly(.0), read_advice(.0))]
    Read(#[source] io::Error),
    /// It has no bytes.
    #[error("is empty (0 bytes); fetch or save the image again")]
    Empty,
    /// Its first bytes are not those of any image.
    #[error("is not an image, whatever its name says; give a {} file", READABLE)]
    NotAPicture,
    /// An image in a format that is not read.
    #[error("is {0}, which cannot be read; convert it to one of {READABLE}")]
    Format(&'static str),
    /// An image in a format that is read with a feature that is not built.
    #[error(
        "is {format} image, which this build of srdiff does not read; build with `cargo install --path . --features {feature}`, or convert the image to PNG"
    )]
    NotBuilt {
        /// The format, with its article.
        format: &'static str,
        /// The feature of this crate.
        feature: &'static str,
    },
    /// A variant of a format that is not read.
    #[error("uses {0}, which cannot be read; save it as an ordinary 8-bit or 16-bit PNG")]
    Feature(String),
    /// Its bytes are cut off or wrong.
    #[error("is truncated or damaged ({0}); fetch or save the image again")]
    Damaged(String),
    /// Parts are missing or wrong, and the rest can be read: see
    /// [`DecodeOptions::tolerant`](super::DecodeOptions::tolerant).
    #[error("is truncated or damaged ({0}); fetch or save the image again")]
    Incomplete(String),
    /// A decoder failed in a way that it should not.
    #[error("makes its decoder fail ({0}); save it with another program, best as PNG")]
    Codec(String),
    /// No pixels.
    #[error(
        "is {width}x{height} pixels, and there is nothing in it; give an image of at least 1x1"
    )]
    NoPixels {
        /// Width that the file states.
        width: u32,
        /// Height that the file states.
        height: u32,
    },
    /// More pixels than may be read.
    #[error(
        "states a size of {width}x{height} pixels, but at most {limit} pixels are read; crop or shrink it first, or fetch it again if it should be smaller"
    )]
    TooLarge {
        /// Width that the file states.
        width: u32,
        /// Height that the file states.
        height: u32,
        /// The most pixels that are read.
        limit: u64,
    },
    /// A frame or page that a file does not have.
    #[error("has {count} frames or pages, and no number {number}; choose one that it has")]
    NoFrame {
        /// The frame that was asked for, counted from 1.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// Decoding needs more memory than an image of its size should.
    #[error(
        "needs more memory to decode than an image should; crop or shrink it, or save it as an ordinary PNG"
    )]
    Memory,
    /// The system refuses the memory that it takes.
    #[error("takes more memory than the system gives; free memory, or crop or shrink it")]
    NoMemory,
    /// There is no room on a disk for its pixels.
    #[error("{}", temporary(.0))]
    Temporary(NoMemory),
    /// No extension, which would name a format to write.
    #[error(
        "has no extension that says which format to write; end its name in one of {}",
        OutputFormat::EXTENSIONS
    )]
    Extension,
    /// An extension that names no format that is written.
    #[error(
        "its extension .{extension} names no format that is written; end its name in one of {}",
        OutputFormat::EXTENSIONS
    )]
    NotWritten {
        /// Without its dot.
        extension: String,
    },
    /// The format has no room for so many pixels.
    #[error(
        "a {format} image has at most {limit} pixels a side, and the result has {width}x{height}; write a {other} file"
    )]
    FormatLimit {
        /// Format of the output.
        format: OutputFormat,
        /// Longest side it can hold.
        limit: usize,
        /// Width of the result.
        width: usize,
        /// Height of the result.
        height: usize,
        /// A format that can hold it.
        other: OutputFormat,
    },
    /// A quality that JPEG does not know.
    #[error("the JPEG quality is {0}, but it goes from 1 to 100; give another")]
    Quality(u8),
    /// The output is there already.
    #[error("exists already; give another name, or ask for it to be overwritten")]
    Exists,
    /// The folder of the output is not there.
    #[error("its folder {} does not exist; create it or give another path", .0.display())]
    NoFolder(PathBuf),
    /// A file is in the place of a folder of the output.
    #[error("{} is a file and no folder; give another path", .0.display())]
    NotAFolder(PathBuf),
    /// The output cannot be written.
    #[error("cannot be written ({}); {}", plainly(.0), write_advice(.0))]
    Write(#[source] io::Error),
    /// Rows are missing, or not in their order or of the image's size.
    #[error("has only {found} of its {height} rows, so it was not written; make the image again")]
    MissingRows { found: usize, height: usize },
    /// The encoder refuses.
    #[error("cannot be encoded ({0}); write another format")]
    Encode(String),
}

/// What the system says, without the path: it may be that of a temporary file.
fn plainly(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code).to_string(),
        None => innermost_message(error),
    }
}

fn temporary(error: &NoMemory) -> String {
    let (size, rest) = (error.mebibytes(), error.advice());
    format!("needs {size} MiB{rest}")
}

fn read_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::InvalidFilename => "give a shorter name",
        io::ErrorKind::PermissionDenied => "check its permissions",
        _ => "check its disk",
    }
}

fn write_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on its disk, or give a path on another"
        }
        io::ErrorKind::FileTooLarge => {
            "the largest size of a file is limited here: raise the limit, or write a smaller format"
        }
        io::ErrorKind::InvalidFilename => "give a shorter name",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "check the permissions of its folder, or give another path"
        }
        _ => "check its folder and disk, or give another path",
    }
}

impl From<NoMemory> for ImageProblem {
    fn from(error: NoMemory) -> Self {
        match error.file {
            None => Self::NoMemory,
            Some(_) => Self::Temporary(error),
        }
    }
}

impl From<Fault> for ImageProblem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Exists => Self::Exists,
            Fault::Folder => Self::Folder,
            Fault::NotRegular => Self::NotRegular,
            Fault::NoFolder(folder) => Self::NoFolder(folder),
            Fault::NotAFolder(path) => Self::NotAFolder(path),
            Fault::Io(error) => Self::Write(error),
        }
    }
}

impl ImageProblem {
    /// Names the file it is a problem of.
    pub(crate) fn of(self, file: &Path) -> ImageError {
        let problem = match self {
            // Readers and writers say so, too.
            Self::Read(error) | Self::Write(error)
                if error.kind() == io::ErrorKind::OutOfMemory =>
            {
                Self::NoMemory
            }
            problem => problem,
        };
        ImageError {
            file: file.to_owned(),
            problem,
        }
    }

    /// The same problem, if it is one of the file, which is there whenever it is read.
    pub(super) fn repeated(&self) -> Option<Self> {
        match self {
            Self::Damaged(reason) => Some(Self::Damaged(reason.clone())),
            Self::Incomplete(reason) => Some(Self::Incomplete(reason.clone())),
            _ => None,
        }
    }

    /// Damage of which nothing can be tolerated.
    pub(super) fn into_damage(self) -> Self {
        match self {
            Self::Incomplete(reason) => Self::Damaged(reason),
            problem => problem,
        }
    }

    /// Damage found behind the header, so that what lies before it can be read.
    pub(super) fn after_header(self) -> Self {
        match self {
            Self::Damaged(reason) => Self::Incomplete(reason),
            problem => problem,
        }
    }
}

/// What the innermost error says, on one line and without a full stop; the
/// layers around it only say that decoding failed.
pub(super) fn innermost_message(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches('.').to_owned()
}
