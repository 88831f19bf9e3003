//! What went wrong, and the exit code that says so.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | the device or standard output failed, or the result was no picture |
//! | 2 | wrong usage: an unknown option, or a value out of range |
//! | 3 | the input cannot be read |
//! | 4 | the output cannot be written |
//! | 5 | the model file cannot be used |
//! | 6 | the picture does not fit the device's memory or limits |
//! | 7 | there is no such device, or it cannot do what was asked for |
//! | 101 | a fault of srdiff itself |
//! | 130 | ended by Ctrl-C, as shells report that signal |

use srdiff::exec::ExecError;
use srdiff::image::{ImageError, ImageProblem};
use srdiff::model::ModelError;
use srdiff::model::convert::{ConvertError, ConvertProblem};
use srdiff::upscale::UpscaleError;
use std::path::PathBuf;
use std::process::ExitCode;

/// The table above, for `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the device or standard output failed, or the result was no picture
  2    wrong usage: an unknown option, or a value out of range
  3    the input cannot be read
  4    the output cannot be written
  5    the model file cannot be used
  6    the picture does not fit the device's memory or limits
  7    there is no such device, or it cannot do what was asked for
  101  a fault of srdiff itself
  130  ended by Ctrl-C, as shells report that signal";

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
    #[error("{}{}", .0, options_for(.0))]
    UpscaleInput(ImageError),
    /// A folder of pictures, or one of them, that cannot be evaluated.
    #[error("{}: {reason}", path.display())]
    Unsuitable {
        /// The folder or picture.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The output.
    #[error("{}{}", .0, options_for(.0))]
    Output(ImageError),
    /// Text for stdout.
    #[error("standard output cannot be written ({0}); check the disk or program that it goes to")]
    Stdout(std::io::Error),
    /// The output would replace the input.
    #[error(
        "{}: is the input itself, which is never overwritten; give another path with -o",
        .0.display()
    )]
    SameFile(PathBuf),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The conversion of a checkpoint.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The device, or what it was to run on.
    #[error(transparent)]
    Upscaler(#[from] UpscaleError),
    /// Upscaling a picture.
    #[error("{}: {error}", path.display())]
    Picture {
        /// The picture.
        path: PathBuf,
        /// What is wrong.
        error: Box<UpscaleError>,
    },
}

impl Failure {
    /// Names the picture that an error is about, where it is about one.
    pub fn upscaling(path: impl Into<PathBuf>) -> impl FnOnce(UpscaleError) -> Self {
        move |error| match error {
            UpscaleError::Device(_) | UpscaleError::Sampler(_) | UpscaleError::Unclamped(_) => {
                Self::Upscaler(error)
            }
            error => Self::Picture {
                path: path.into(),
                error: Box::new(error),
            },
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Stdout(_) => 1,
            Self::Usage(_) => 2,
            Self::Input(_) | Self::UpscaleInput(_) | Self::Unsuitable { .. } => 3,
            Self::Output(_) | Self::SameFile(_) => 4,
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
            Self::Picture { error, .. } => code(error),
        })
    }
}

/// Options of `upscale` that help with a picture or a place for one.
fn options_for(error: &ImageError) -> &'static str {
    match error.problem {
        ImageProblem::Incomplete(_) => ", or read what is there with --tolerant",
        ImageProblem::Exists => " (--force)",
        ImageProblem::TooLarge { .. } => ", or allow more with --max-pixels",
        _ => "",
    }
}

fn code(error: &UpscaleError) -> u8 {
    match error {
        UpscaleError::Sampler(_) => 2,
        UpscaleError::Picture { .. } => 3,
        UpscaleError::Schedule(_)
        | UpscaleError::Unclamped(_)
        | UpscaleError::Exec(ExecError::Parameter { .. }) => 5,
        UpscaleError::TooLarge(_)
        | UpscaleError::Exec(ExecError::OutOfMemory { .. } | ExecError::Limit { .. }) => 6,
        UpscaleError::Device(_) => 7,
        // Ctrl-C ends the process by its signal; no command cancels otherwise.
        UpscaleError::Cancelled => 130,
        UpscaleError::NotFinite { .. }
        | UpscaleError::Exec(ExecError::Device { .. })
        | UpscaleError::Graph(_)
        | UpscaleError::Plan(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::EXIT_CODES;

    #[test]
    fn help_and_documentation_list_the_same_codes() {
        let table = include_str!("failure.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | "))
            .filter(|row| row.starts_with(char::is_numeric))
            .map(|row| row.trim_end_matches(" |").replacen(" | ", " ", 1));
        let help = EXIT_CODES.lines().skip(1);
        let help = help.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!(help.collect::<Vec<_>>(), table.collect::<Vec<_>>());
    }
}
