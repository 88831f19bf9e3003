//! `srdiff completions` and `srdiff man`.

use super::args::CommandLine;
use super::failure::Failure;
use super::terminal;
use clap::{Args, CommandFactory};
use srdiff::atomic_file::{self, Fault};
use srdiff::image::ImageProblem;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder to write srdiff.1, srdiff-upscale.1 and so on into
    pub folder: Option<PathBuf>,
}

pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = CommandLine::command();
    clap_complete::generate(args.shell, &mut command, "srdiff", &mut script);
    terminal::answer(&String::from_utf8_lossy(&script))
}

pub fn manual(args: &ManArgs) -> Result<(), Failure> {
    let command = CommandLine::command();
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command).render(&mut page);
        rendered.expect("memory can be written to");
        return terminal::answer(&String::from_utf8_lossy(&page));
    };
    let failed = |error| Failure::Pages(folder.clone(), error);
    fs::create_dir_all(folder).map_err(failed)?;
    write_pages(command, folder).map_err(failed)
}

/// Each page whole or not at all.
fn write_pages(command: clap::Command, folder: &Path) -> io::Result<()> {
    // In the same folder, so that any error is about the folder that was given.
    let drafts = tempfile::Builder::new()
        .prefix(".srdiff-")
        .tempdir_in(folder)?;
    // `srdiff help` says what each page says.
    clap_mangen::generate_to(command.disable_help_subcommand(true), &drafts)?;
    for draft in fs::read_dir(&drafts)? {
        let draft = draft?;
        let written = atomic_file::write(
            &folder.join(draft.file_name()),
            &fs::read(draft.path())?,
            true,
        );
        written.map_err(|fault| match fault {
            Fault::Io(error) => error,
            fault => io::Error::other(ImageProblem::from(fault).to_string()),
        })?;
    }
    Ok(())
}
