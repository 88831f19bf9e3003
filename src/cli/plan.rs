//! `srdiff plan`.

use super::args::{PlanArgs, Precision};
use super::failure::Failure;
use super::terminal;
use srdiff::plan::{Precision as Storage, dump_program};
use srdiff::upscale::Export;

pub fn run(args: &PlanArgs) -> Result<(), Failure> {
    let model = args.engine.open_model()?;
    let [width, height] = args.size;
    if !args.json {
        let upscaler = args.engine.open_upscaler(model)?;
        let prepared = upscaler.prepare(width, height)?;
        return terminal::answer(&dump_program(prepared.program(), &prepared.memory()));
    }
    let sample = args.sampling.sample(model.settings())?;
    let precision = match args.engine.precision {
        Precision::F16 => Storage::F16,
        Precision::Auto | Precision::F32 => Storage::F32,
        Precision::Bf16 => Storage::Bf16,
    };
    let export = Export::new(model.settings(), width, height, &sample, precision)?;
    let json = serde_json::to_string(&export).expect("an export is plain data");
    terminal::answer(&(json + "\n"))
}
