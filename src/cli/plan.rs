//! `srdiff plan`.

use super::args::{EngineArgs, PlanArgs, Precision};
use super::failure::Failure;
use super::terminal;
use srdiff::model::Model;
use srdiff::plan::{Precision as Storage, dump_program};
use srdiff::upscale::{Export, SampleOptions};

pub fn run(args: &PlanArgs) -> Result<(), Failure> {
    let model = args.engine.open_model()?;
    let sample = args.sampling.sample(model.settings())?;
    if !args.json {
        return print(&args.engine, model, args.size, &sample);
    }
    let [width, height] = args.size;
    let precision = match args.engine.precision {
        Precision::F16 => Storage::F16,
        Precision::Auto | Precision::F32 => Storage::F32,
        Precision::Bf16 => Storage::Bf16,
    };
    let export = Export::new(model.settings(), width, height, &sample, precision)?;
    if args.sampling.seed.is_none() {
        terminal::status(&format!("--seed {}", sample.seed));
    }
    let json = serde_json::to_string(&export).expect("an export is plain data");
    terminal::answer(&(json + "\n"))
}

/// Prints the program for an image of some size, or for its tiles.
pub fn print(
    engine: &EngineArgs,
    model: Model,
    [width, height]: [usize; 2],
    sample: &SampleOptions,
) -> Result<(), Failure> {
    let mut upscaler = engine.open_upscaler(model, false)?;
    let planned = upscaler.plan(width, height, sample)?;
    terminal::notes(&mut upscaler);
    let (prepared, tiles) = planned;
    let of_tiles = tiles.map_or_else(String::new, |([width, height], count)| {
        format!("for each of {count} tiles of {width}x{height}\n")
    });
    let text = dump_program(prepared.program(), &prepared.memory());
    terminal::answer(&(of_tiles + &text))
}
