//! Where results go.

use super::UpscaleArgs;
use super::inputs::{Input, Inputs};
use crate::cli::failure::Failure;
use crate::cli::places::{check_place, is_stream};
use crate::cli::terminal;
use srdiff::image::OutputFormat;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

/// Where results go.
#[derive(Clone, Debug, PartialEq)]
pub enum Destination {
    /// The folder that each input is in.
    Beside,
    Folder(PathBuf),
    File(PathBuf),
    Stdout,
}

impl Destination {
    /// The folder that the results of an image go to, if they go to one.
    pub fn folder_of(&self, input: &Input) -> Option<PathBuf> {
        match self {
            Self::Beside => Some(input.path.parent().unwrap_or(Path::new("")).to_owned()),
            Self::Folder(folder) => Some(folder.join(&input.subfolder)),
            Self::File(_) | Self::Stdout => None,
        }
    }
}

/// The folder of `--output`, if it is one whatever the inputs are.
pub fn folder_given(args: &UpscaleArgs) -> Option<&Path> {
    let path = args.output.as_deref()?;
    (ends_in_separator(path) || path.is_dir()).then_some(path)
}

fn ends_in_separator(path: &Path) -> bool {
    path.to_string_lossy().ends_with(std::path::is_separator)
}

/// Where results go.
///
/// `is_single` says whether one image was named, which may have several frames.
pub fn destination(
    args: &UpscaleArgs,
    inputs: &Inputs,
    is_single: bool,
) -> Result<Destination, Failure> {
    let usage = |message: String| Err(Failure::Usage(message));
    let has_stdin = inputs.list.iter().any(|input| input.stdin.is_some());
    let destination = match &args.output {
        None if !has_stdin => Destination::Beside,
        None if inputs.is_single => Destination::Stdout,
        None => return usage("-: say with -o which folder its result goes to".to_owned()),
        Some(path) if terminal::is_stdout(path) => Destination::Stdout,
        Some(path) => match folder_given(args) {
            Some(folder) => Destination::Folder(folder.to_owned()),
            None if is_stream(path) => return Err(Failure::NotAFile(path.clone())),
            None if is_single => Destination::File(path.clone()),
            None if path.exists() || OutputFormat::from_path(path).is_ok() => {
                return usage(format!(
                    "-o {path}: is the name of one file, and there may be several results; name a folder, as in -o {stem}{MAIN_SEPARATOR}",
                    path = path.display(),
                    stem = path.with_extension("").display(),
                ));
            }
            None => Destination::Folder(path.clone()),
        },
    };
    let is_one_file = matches!(destination, Destination::File(_) | Destination::Stdout);
    if args.name.is_some() && is_one_file {
        return usage(
            "--name: the output has its name already; leave it out, or give -o a folder".to_owned(),
        );
    }
    if inputs.list.iter().any(|input| input.frame.is_some()) {
        if is_one_file {
            let message = "--frames: each frame or page has a result, and -o names one place; give -o a folder, such as -o frames/";
            return usage(message.to_owned());
        }
        if args.name.as_ref().is_some_and(|name| !name.has_frame()) {
            let message = "--name: each frame or page has a result, so their name needs {frame}, such as {stem}_{frame}.{ext}";
            return usage(message.to_owned());
        }
    }
    if args.results() > 1 {
        if is_one_file {
            let message = "each image has several results, and -o names one place; give -o a folder, such as -o results/";
            return usage(message.to_owned());
        }
        if args.name.as_ref().is_some_and(|name| !name.has_sample()) {
            let message = "--name: each image has several results, so their name needs {sample}, such as {stem}_{sample}.{ext}";
            return usage(message.to_owned());
        }
    }
    if destination == Destination::Stdout {
        if !is_single {
            return usage("-o -: standard output takes one result; give -o a folder".to_owned());
        }
        if args.json {
            return usage("--json: standard output takes the result; give -o a file".to_owned());
        }
        terminal::check_takes_images()?;
    }
    if args.shard.is_some() && (destination == Destination::Stdout || has_stdin && is_single) {
        return usage(
            "--shard: there is one image and nothing to share out; leave it out".to_owned(),
        );
    }
    if let Destination::Folder(folder) = &destination {
        check_place(&folder.join("result")).map_err(Failure::Output)?;
    }
    Ok(destination)
}
