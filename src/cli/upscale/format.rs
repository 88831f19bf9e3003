//! Which format a result gets.

use super::UpscaleArgs;
use crate::cli::failure::Failure;
use srdiff::image::{ImageProblem, OutputFormat, has_extension};
use std::path::Path;

/// Whether a file is called like one of another format than is asked for.
fn is_of_another(output: Option<&Path>, asked: OutputFormat) -> bool {
    // Of files that are not read.
    const OTHERS: [&str; 10] = [
        "apng", "exr", "heic", "heif", "ico", "jp2", "pdf", "psd", "qoi", "tga",
    ];
    let output = output.unwrap_or(Path::new(""));
    let extension = output.extension().unwrap_or_default();
    let is_one_of = |known: &[&str]| {
        known
            .iter()
            .any(|name| extension.eq_ignore_ascii_case(name))
    };
    match OutputFormat::from_path(output) {
        Ok(named) => named != asked,
        Err(_) if is_one_of(&["jpe", "jfif"]) => asked != OutputFormat::Jpeg,
        Err(_) => has_extension(output) || is_one_of(&OTHERS),
    }
}

/// The format that is asked for, or that the output's name tells.
pub fn format(args: &UpscaleArgs, output: Option<&Path>) -> Result<OutputFormat, Failure> {
    let named = output.map(OutputFormat::from_path);
    let format = match (&args.format, named) {
        (Some(asked), Some(_)) if is_of_another(output, asked.format) => {
            return Err(Failure::Usage(format!(
                "--format {}: the output is called {}; give one that ends in .{0}, or leave --format out",
                asked.extension,
                output.unwrap_or(Path::new("")).display(),
            )));
        }
        (Some(asked), _) => asked.format,
        (None, Some(named)) => named.map_err(|error| match error.problem {
            ImageProblem::Extension => Failure::NoExtension(error),
            _ => Failure::Output(error),
        })?,
        (None, None) => OutputFormat::Png,
    };
    args.files.check_quality(format)?;
    Ok(format)
}
