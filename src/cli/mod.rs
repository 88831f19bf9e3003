//! The command line: parses arguments, calls the library, and turns errors into
//! one line and an exit code.

mod args;
mod blend;
mod canvas;
mod convert;
mod devices;
mod evaluate;
mod examples;
mod failure;
mod file_args;
mod info;
mod other_formats;
mod pages;
mod places;
mod plan;
mod progress;
mod shorthand;
mod signals;
mod terminal;
mod threads;
mod train;
#[cfg(feature = "gpu")]
mod tune;
mod upscale;

use args::{Command, CommandLine};
use clap::Parser;
use std::process::ExitCode;

pub fn run() -> ExitCode {
    threads::share_one_heap();
    signals::ignore_file_size_limit();
    // Exits for --help, --version and wrong usage (code 2).
    let line = CommandLine::parse_from(shorthand::completed(std::env::args_os()));
    let threads = match &line.command {
        Command::Upscale(args) => threads::start(args.jobs.compute),
        Command::Train(args) => threads::start(args.threads.map_or(0, usize::from)),
        Command::Devices(_) | Command::Completions(_) | Command::Man(_) => Ok(()),
        _ => threads::start(0),
    };
    let result = threads.and_then(|()| match &line.command {
        Command::Upscale(args) => upscale::run(args),
        Command::Blend(args) => blend::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Train(args) => train::run(args),
        #[cfg(feature = "gpu")]
        Command::Tune(args) => tune::run(args),
        Command::Info(args) => info::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Completions(args) => pages::completions(args),
        Command::Man(args) => pages::manual(args),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::status(&format!("error: {failure}"));
            failure.exit_code().into()
        }
    }
}
