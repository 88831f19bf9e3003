//! The command line: arguments to validated settings, settings to library
//! calls, errors to one line and an exit code ([`failure`]).

mod args;
mod convert;
mod devices;
mod evaluate;
mod failure;
mod info;
mod paths;
mod progress;
mod terminal;
mod upscale;

use args::{Command, CommandLine};
use clap::Parser;
use std::process::ExitCode;

/// Parses the arguments, does what they say, and reports.
pub fn run() -> ExitCode {
    // Exits by itself for --help, --version and wrong usage (code 2).
    let line = CommandLine::parse();
    let result = match &line.command {
        Command::Upscale(args) => upscale::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Info(args) => info::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::status(&format!("error: {failure}"));
            failure.exit_code()
        }
    }
}
