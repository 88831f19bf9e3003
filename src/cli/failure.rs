//! What went wrong, and the exit code that says so: see [`EXIT_CODES`].

mod messages;

pub use messages::{named_as_flags, of_choice, with_flags};

use super::train::TrainFailure;
use messages::{of_conversion, of_gpu, options_for, options_for_input, with_options};
use srdiff::exec::ExecError;
use srdiff::image::{ImageError, ImageProblem};
use srdiff::model::ModelError;
use srdiff::model::convert::{ConvertError, ConvertProblem};
use srdiff::upscale::{DeviceError, UpscaleError};
use std::fmt;
use std::path::PathBuf;

/// What each code means, for `--help`.
macro_rules! exit_codes {
    () => {
        "\
Exit codes:
  0    done
  1    the device or standard output failed, or the model gave no usable result
  2    wrong usage: an unknown option, or a value out of range
  3    the input cannot be read
  4    the output cannot be written
  5    the model file, or the checkpoint of a training, cannot be used
  6    the picture does not fit the device's memory or limits
  7    there is no such device, or it cannot do what was asked for
  8    of several images, some failed; each of the others is done
  101  a fault of srdiff itself
  129  ended by SIGHUP (its terminal was closed)
  130  ended by Ctrl-C
  143  ended by SIGTERM"
    };
}
pub(crate) use exit_codes;

/// What each code means, for `--help`.
pub const EXIT_CODES: &str = exit_codes!();

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Options that do not go together.
    #[error("{0}")]
    Usage(String),
    /// An input picture.
    #[error(transparent)]
    Input(ImageError),
    /// The picture to upscale, for which there are options that may help.
    #[error("{input}: {problem}{}", options_for_input(problem))]
    UpscaleInput {
        /// The file, and which frame of it.
        input: String,
        /// What is wrong with it.
        problem: ImageProblem,
    },
    /// A folder, pattern or picture that cannot be used.
    #[error("{}: {reason}", path.display())]
    Unsuitable {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The output.
    #[error("{}{}", .0, options_for(&.0.problem))]
    Output(ImageError),
    /// An output without an extension, which may be meant as a folder.
    #[error("{0}, or in / for a folder")]
    NoExtension(ImageError),
    /// A pipe or device in place of an output that can be `-`.
    #[error("-o {}: is no regular file; give a file on a disk, or - for standard output", .0.display())]
    NotAFile(PathBuf),
    /// Two inputs with one output.
    #[error(
        "{} and {}: both would become {}; tell them apart with --name, such as '{{folder}}-{{stem}}_{{from}}_x{{scale}}.{{ext}}'",
        first.display(), second.display(), output.display()
    )]
    SameOutput {
        /// An input.
        first: PathBuf,
        /// Another.
        second: PathBuf,
        /// The output of both.
        output: PathBuf,
    },
    /// Some images of several; what was wrong has been told.
    #[error("{failed} of {total} images failed; the same command tries them again")]
    SomeFailed {
        /// How many.
        failed: usize,
        /// Of how many.
        total: usize,
    },
    /// A signal ended it.
    #[error("{0}")]
    Stopped(Stopped),
    /// A signal ended the timing of kernels, with this exit code.
    #[error("stopped; what was timed so far is kept")]
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    TuningStopped(u8),
    /// Threads that the system does not start.
    #[error(
        "{}threads cannot be started ({reason}); free memory, or raise the limits on memory or threads (`ulimit -a`)",
        input.as_ref().map(|input| format!("{input}: ")).unwrap_or_default()
    )]
    Threads {
        /// The image that they were for, if it was one.
        input: Option<String>,
        /// What the system says.
        reason: String,
    },
    /// A panic while it worked on an image.
    #[error("{input}: srdiff itself failed ({reason}); please report it with the image")]
    Fault {
        /// The image, and which frame of it.
        input: String,
        /// What the panic said.
        reason: String,
    },
    /// A result of an earlier run, whose seed was random.
    #[error(
        "{}: is there already, and the mean needs all results of one seed; give the --seed of that run, or replace them with --force",
        .0.display()
    )]
    OtherSeed(PathBuf),
    /// The manual's pages.
    #[error("{}: cannot be written ({}); give another folder", .0.display(), .1)]
    Pages(PathBuf, std::io::Error),
    /// A file that lists images.
    #[error("--from-file {}: cannot be read ({}); check its path, and write it as UTF-8, a path a line", .0.display(), .1)]
    List(PathBuf, std::io::Error),
    /// A list of images that has none.
    #[error("--from-file {}: names no files; write one a line", .0.display())]
    EmptyList(PathBuf),
    /// Text for stdout.
    #[error("standard output cannot be written ({0}); check the disk or program that it goes to")]
    Stdout(std::io::Error),
    /// The folder of temporary files has no place for what goes to standard output.
    #[error("standard output: the result cannot be kept in {} ({}); make room there, or name another folder in TMPDIR", .0.display(), plainly(.1))]
    NotKept(PathBuf, std::io::Error),
    /// An output would replace an input.
    #[error("{}: is an input, which is never overwritten; give another path with {option}", path.display())]
    SameFile {
        /// The option that names the output.
        option: &'static str,
        /// The output.
        path: PathBuf,
    },
    /// Two outputs of one path.
    #[error("{option} {}: is the place of {other}, too; give another path", path.display())]
    SamePlace {
        /// The option that names it.
        option: &'static str,
        /// The output.
        path: PathBuf,
        /// The other option.
        other: &'static str,
    },
    /// Some images of several were not measured; what was wrong has been told.
    #[error("{failed} of {total} images were not measured{}", match failed < total {
        true => ", and the means are of the others",
        false => "",
    })]
    SomeNotMeasured {
        /// How many.
        failed: usize,
        /// Of how many.
        total: usize,
    },
    /// A signal ended the measuring.
    #[error("stopped; {done} of {total} images were measured")]
    MeasuringStopped {
        /// The code of the signal.
        exit_code: u8,
        /// How many images were measured.
        done: usize,
        /// Of how many.
        total: usize,
    },
    /// Training.
    #[error(transparent)]
    Train(Box<TrainFailure>),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The conversion of a checkpoint.
    #[error("{}", of_conversion(.0))]
    Convert(#[from] ConvertError),
    /// The device, or what it was to run on.
    #[error("{}", with_options(.0))]
    Upscaler(#[from] UpscaleError),
    /// The device that was to be tuned.
    #[error("{}", of_gpu(.0))]
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    Tuning(DeviceError),
    /// Upscaling a picture.
    #[error("{input}: {}", with_options(error))]
    Picture {
        /// The picture, and which frame of it.
        input: String,
        /// What is wrong.
        error: Box<UpscaleError>,
    },
}

impl From<TrainFailure> for Failure {
    fn from(failure: TrainFailure) -> Self {
        Self::Train(Box::new(failure))
    }
}

/// What the system says, without what a library puts around it: the path of a
/// temporary file.
pub fn plainly(error: &std::io::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// What a signal has left undone.
#[derive(Debug)]
pub struct Stopped {
    /// The code of its signal.
    pub exit_code: u8,
    /// How many images are done.
    pub done: usize,
    /// Of how many.
    pub total: usize,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, total, .. } = self;
        match total {
            1 => f.write_str("stopped before the result was written"),
            _ => write!(
                f,
                "stopped; {done} of {total} images are done, and the same command does the rest"
            ),
        }
    }
}

impl Failure {
    /// Names the picture that an error is about, where it is about one.
    pub fn upscaling(input: impl fmt::Display) -> impl FnOnce(UpscaleError) -> Self {
        move |error| match error {
            UpscaleError::Device(_)
            | UpscaleError::Sampler(_)
            | UpscaleError::Option { .. }
            | UpscaleError::NoKernel { .. }
            | UpscaleError::Unexportable(_) => Self::Upscaler(error),
            error => Self::Picture {
                input: input.to_string(),
                error: Box::new(error),
            },
        }
    }

    /// Names the picture to upscale that cannot be read, and which frame of it.
    pub fn reading(input: impl fmt::Display) -> impl FnOnce(ImageError) -> Self {
        move |error| Self::UpscaleInput {
            input: input.to_string(),
            problem: error.problem,
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stdout(_) => 1,
            Self::Input(ImageError { problem, .. })
            | Self::UpscaleInput { problem, .. }
            | Self::Output(ImageError { problem, .. })
                if matches!(problem, ImageProblem::NoMemory | ImageProblem::Temporary(_)) =>
            {
                6
            }
            Self::Threads { .. } => 6,
            Self::Usage(_) | Self::SamePlace { .. } => 2,
            Self::Input(_)
            | Self::UpscaleInput { .. }
            | Self::Unsuitable { .. }
            | Self::List(..)
            | Self::EmptyList(_) => 3,
            Self::Output(_)
            | Self::NoExtension(_)
            | Self::NotAFile(_)
            | Self::NotKept(..)
            | Self::OtherSeed(_)
            | Self::Pages(..)
            | Self::SameFile { .. }
            | Self::SameOutput { .. } => 4,
            Self::Fault { .. } => 101,
            Self::SomeFailed { .. } | Self::SomeNotMeasured { .. } => 8,
            Self::Stopped(stopped) => stopped.exit_code,
            Self::TuningStopped(exit_code) | Self::MeasuringStopped { exit_code, .. } => *exit_code,
            Self::Train(failure) => failure.exit_code(),
            Self::Model(_) => 5,
            Self::Convert(error) => match error.problem {
                // What a checkpoint does not tell is an option's to say.
                ConvertProblem::Option(_)
                | ConvertProblem::GroupsNeeded(_)
                | ConvertProblem::ScheduleUnknown(_)
                | ConvertProblem::Timesteps { .. } => 2,
                ConvertProblem::Exists | ConvertProblem::SameFile | ConvertProblem::Write(_) => 4,
                _ => 5,
            },
            Self::Upscaler(error) => code(error),
            Self::Tuning(_) => 7,
            Self::Picture { error, .. } => code(error),
        }
    }
}

fn code(error: &UpscaleError) -> u8 {
    match error {
        UpscaleError::Sampler(_)
        | UpscaleError::Option { .. }
        | UpscaleError::NotExported(_)
        | UpscaleError::Shrinks { .. }
        | UpscaleError::Mask { .. }
        | UpscaleError::WrapSize { .. } => 2,
        UpscaleError::Picture { .. } => 3,
        UpscaleError::Schedule(_)
        | UpscaleError::Unexportable(_)
        | UpscaleError::Exec(ExecError::Parameter(_)) => 5,
        UpscaleError::TooLarge(_)
        | UpscaleError::ExportTooLarge { .. }
        | UpscaleError::Exec(ExecError::OutOfMemory { .. } | ExecError::Limit { .. }) => 6,
        UpscaleError::Device(_)
        | UpscaleError::NoKernel { .. }
        | UpscaleError::NothingToTune(_) => 7,
        // A signal alone cancels, and gives its own code.
        UpscaleError::Cancelled => 130,
        UpscaleError::NotFinite { .. }
        | UpscaleError::Lost { .. }
        | UpscaleError::Exec(ExecError::Device { .. } | ExecError::Program(_))
        | UpscaleError::Graph(_)
        | UpscaleError::Plan(_) => 1,
    }
}
