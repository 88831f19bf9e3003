//! The command line: parses arguments, calls the library, and turns errors into
//! one line and an exit code.

mod args;
mod convert;
mod devices;
mod evaluate;
mod failure;
mod info;
mod paths;
mod plan;
mod progress;
mod terminal;
mod upscale;

use args::{Command, CommandLine};
use clap::Parser;
use std::process::ExitCode;

pub fn run() -> ExitCode {
    // Exits for --help, --version and wrong usage (code 2).
    let line = CommandLine::parse();
    let result = match &line.command {
        Command::Upscale(args) => upscale::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Info(args) => info::run(args),
        Command::Plan(args) => plan::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::status(&format!("error: {failure}"));
            failure.exit_code()
        }
    }
}
