//! `srdiff blend`: content fusion.

use super::args::{EngineArgs, SamplingArgs};
use super::failure::Failure;
use super::places::Kept;
use super::progress::StepBar;
use super::terminal;
use clap::Args;
use srdiff::atomic_file::remove_leftovers_beside;
use srdiff::image::{
    DecodeOptions, EncodeOptions, OutputFormat, Picture, check_writable, decode, dimensions,
};
use std::path::{Path, PathBuf};

/// Arguments of `blend`.
#[derive(Debug, Args)]
pub struct BlendArgs {
    /// The image with the pasted content, of full size
    pub input: PathBuf,
    /// Where to write the result: .png, .jpg, .webp or .tif [default: <name>_blend.png beside the image]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// An image of the same size: white where the result is taken, black where the image stays
    #[arg(long, value_name = "FILE")]
    pub mask: Option<PathBuf>,
    /// How much of the reverse process is run: little above 0 hardly changes the
    /// image, 1 makes it anew from the image shrunk
    #[arg(long, value_name = "X", default_value_t = 0.5)]
    pub amount: f64,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Overwrite the output if it exists
    #[arg(long)]
    pub force: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

pub fn run(args: &BlendArgs) -> Result<(), Failure> {
    let input = &args.input;
    let output = args.output.clone().unwrap_or_else(|| {
        let mut name = input.file_stem().unwrap_or_default().to_owned();
        name.push("_blend.png");
        input.with_file_name(name)
    });
    let read_too = args.mask.iter().chain(&args.engine.model);
    let inputs = std::iter::once(input).chain(read_too);
    Kept::new(inputs.map(PathBuf::as_path)).check("-o", &output)?;
    check_writable(&output, args.force).map_err(Failure::Output)?;
    let format = OutputFormat::from_path(&output).map_err(Failure::Output)?;
    let (width, height) = dimensions(input).map_err(Failure::Input)?;
    format
        .check(&output, width, height)
        .map_err(Failure::Output)?;

    let model = args.engine.open_model()?;
    let sample = args.sampling.sample(model.settings())?;
    let mut upscaler = args.engine.open_upscaler(model)?;
    let image = read(input, args.quiet)?;
    if !args.quiet {
        for note in format.losses(&image) {
            terminal::status(&format!("note: {note}"));
        }
    }
    let mask = match &args.mask {
        Some(path) => Some(read(path, args.quiet)?),
        None => None,
    };
    let bar = StepBar::new(args.quiet);
    let blended = upscaler.blend(
        &image,
        mask.as_ref(),
        args.amount,
        &sample,
        &mut |progress| bar.show(progress),
    );
    drop(bar);
    if !args.quiet {
        terminal::notes(&mut upscaler);
    }
    let blended = blended.map_err(Failure::upscaling(input.display()))?;
    remove_leftovers_beside(&output);
    blended
        .save(&output, format, &EncodeOptions::default(), args.force)
        .map_err(Failure::Output)?;
    if !args.quiet {
        let name = terminal::printable(&output.display().to_string());
        terminal::answer(&format!(
            "{name}: {width}x{height}, --seed {}\n",
            sample.seed
        ))?;
    }
    Ok(())
}

fn read(path: &Path, quiet: bool) -> Result<Picture, Failure> {
    let decoded = decode(path, &DecodeOptions::default()).map_err(Failure::Input)?;
    for note in decoded.notes.iter().filter(|_| !quiet) {
        let name = terminal::printable(&path.display().to_string());
        terminal::status(&format!("note: {name}: {note}"));
    }
    Ok(decoded.picture)
}
