//! `srdiff blend`: content fusion.

use super::args::{EngineArgs, SamplingArgs};
use super::failure::{Failure, Stopped};
use super::file_args::{FileArgs, strip};
use super::places::Kept;
use super::progress::StepBar;
use super::signals::Stop;
use super::terminal::{self, STDOUT};
use clap::Args;
use srdiff::atomic_file::remove_leftovers_beside;
use srdiff::image::{
    Decoded, ImageError, ImageProblem, OutputFormat, Picture, check_writable, decode,
    dimensions_within,
};
use srdiff::upscale::{Report, SampleOptions, UpscaleError, kept_steps};
use std::io::{Write, stdout};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Arguments of `blend`.
#[derive(Debug, Args)]
pub struct BlendArgs {
    /// The image with the pasted content, of full size
    pub input: PathBuf,
    /// Where to write the result: .png, .jpg, .webp or .tif, or - for standard output (PNG)
    /// [default: <name>_blend.png beside the image]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// An image of the same size: white where the result is taken, black or transparent where
    /// the image stays
    #[arg(long, value_name = "FILE")]
    pub mask: Option<PathBuf>,
    /// How much of the reverse process is run: little above 0 hardly changes the
    /// image, 1 makes it anew from the image shrunk
    #[arg(long, value_name = "X", default_value_t = 0.5)]
    pub amount: f64,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Take results even if they do not match the picture when shrunk
    #[arg(long)]
    pub allow_mismatch: bool,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    #[command(flatten)]
    pub files: FileArgs,
    /// Overwrite the output if it exists
    #[arg(long)]
    pub force: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

pub fn run(args: &BlendArgs) -> Result<(), Failure> {
    let input = &args.input;
    let output = output(args)?;
    let shown = output.as_deref().unwrap_or(Path::new(STDOUT));
    let format = match &output {
        Some(path) => OutputFormat::from_path(path).map_err(Failure::Output)?,
        None => OutputFormat::Png,
    };
    args.files.check_quality(format)?;
    let (width, height) = dimensions_within(input, args.files.max_pixels).map_err(unread)?;
    format
        .check(shown, width, height)
        .map_err(Failure::Output)?;

    let stop = Stop::on_signals();
    let model = args.engine.open_model()?;
    let sample = args.sampling.sample(model.settings())?;
    let steps = kept_steps(sample.steps, args.amount);
    if args.sampling.check_strength(sample.sampler, steps).is_err() {
        return Err(Failure::Usage(format!(
            "--strength: of {} steps, --amount {} runs one, which adds no noise; leave it out, or take more --steps or a larger --amount",
            sample.steps, args.amount
        )));
    }
    let mut upscaler = args.engine.open_upscaler(model, args.allow_mismatch)?;
    let image = read(input, args)?;
    note(args, &format.losses(&image));
    let mask = match &args.mask {
        Some(path) => Some(read(path, args)?),
        None => None,
    };
    let bar = StepBar::new(args.quiet);
    let blended = upscaler.blend(
        &image,
        mask.as_ref(),
        args.amount,
        &sample,
        &mut |progress| match stop.is_asked() {
            true => ControlFlow::Break(()),
            false => bar.show(progress),
        },
    );
    drop(bar);
    note(args, &upscaler.take_notes());
    let (blended, report) = blended.map_err(|error| match error {
        UpscaleError::Cancelled => Failure::Stopped(Stopped {
            exit_code: stop.exit_code(),
            done: 0,
            total: 1,
        }),
        error => Failure::upscaling(input.display())(error),
    })?;
    let retried: Vec<String> = report.retried.iter().map(ToString::to_string).collect();
    note(args, &retried);
    write(&blended, output.as_deref(), format, args)?;
    if args.quiet {
        return Ok(());
    }
    let line = told(&report, &sample, args);
    let line = format!("{}: {width}x{height}, {line}", shown.display());
    match &output {
        Some(_) => terminal::answer(&(terminal::printable(&line) + "\n")),
        None => {
            terminal::status(&line);
            Ok(())
        }
    }
}

/// Where the result goes, if not to standard output; it can be written there.
fn output(args: &BlendArgs) -> Result<Option<PathBuf>, Failure> {
    let input = &args.input;
    let output = args.output.clone().unwrap_or_else(|| {
        let mut name = input.file_stem().unwrap_or_default().to_owned();
        name.push("_blend.png");
        input.with_file_name(name)
    });
    if terminal::is_stdout(&output) {
        terminal::check_takes_images()?;
        return Ok(None);
    }
    let read_too = args.mask.iter().chain(&args.engine.model);
    let inputs = std::iter::once(input).chain(read_too);
    Kept::new(inputs.map(PathBuf::as_path)).check("-o", &output)?;
    check_writable(&output, args.force).map_err(Failure::Output)?;
    Ok(Some(output))
}

fn read(path: &Path, args: &BlendArgs) -> Result<Picture, Failure> {
    let mut decoded = decode(path, &args.files.reading()).map_err(unread)?;
    if args.files.strip && path == args.input {
        let file = path.to_owned();
        strip(&mut decoded).map_err(|error| {
            let problem = ImageProblem::from(error);
            Failure::Input(ImageError { file, problem })
        })?;
    }
    let Decoded { picture, notes } = decoded;
    let named = |note: String| format!("{}: {note}", path.display());
    note(args, &notes.into_iter().map(named).collect::<Vec<_>>());
    Ok(picture)
}

/// Standard input is no way out here.
fn unread(error: ImageError) -> Failure {
    match error.problem {
        ImageProblem::NotRegular => Failure::Input(error),
        _ => Failure::reading(error.file.display().to_string())(error),
    }
}

fn note(args: &BlendArgs, notes: &[String]) {
    for note in notes.iter().filter(|_| !args.quiet) {
        terminal::status(&format!("note: {note}"));
    }
}

fn write(
    blended: &Picture,
    output: Option<&Path>,
    format: OutputFormat,
    args: &BlendArgs,
) -> Result<(), Failure> {
    let writing = args.files.writing();
    let Some(output) = output else {
        let bytes = blended.encode(format, &writing).map_err(|problem| {
            let file = Path::new(STDOUT).to_owned();
            Failure::Output(ImageError { file, problem })
        })?;
        let mut stdout = stdout().lock();
        let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        return written.map_err(Failure::Stdout);
    };
    remove_leftovers_beside(output);
    blended
        .save(output, format, &writing, args.force)
        .map_err(Failure::Output)
}

/// What is told of a result besides its size.
fn told(report: &Report, sample: &SampleOptions, args: &BlendArgs) -> String {
    let seed = format!("--seed {}", sample.seed);
    // With a mask, what was compared is not what was written.
    match args.mask {
        None if report.lr_psnr.is_finite() => {
            format!("LR-PSNR {:.1} dB, {seed}", report.lr_psnr)
        }
        _ => seed,
    }
}
