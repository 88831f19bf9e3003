//! `srdiff completions` and `srdiff man`.

use super::args::{CommandLine, CompletionsArgs, ManArgs};
use super::failure::Failure;
use super::terminal;
use clap::CommandFactory;
use std::path::Path;

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
    std::fs::create_dir_all(folder).map_err(failed)?;
    write_pages(command, folder).map_err(failed)
}

fn write_pages(command: clap::Command, folder: &Path) -> std::io::Result<()> {
    // `srdiff help` says what each page says.
    clap_mangen::generate_to(command.disable_help_subcommand(true), folder)
}
