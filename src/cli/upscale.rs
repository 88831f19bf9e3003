//! `srdiff upscale`.

use super::args::UpscaleArgs;
use super::failure::Failure;
use super::progress::StepBar;
use super::{paths, terminal};
use srdiff::atomic_file::is_same_file;
use srdiff::image::{
    DecodeOptions, Decoded, EncodeOptions, OutputFormat, check_writable, decode, dimensions_within,
};
use srdiff::plan::dump_program;
use srdiff::upscale::{SampleOptions, Upscaler};
use std::path::PathBuf;
use std::time::Instant;

/// Enlarges a picture. Everything that can be refused is refused before any
/// work is done.
pub fn run(args: &UpscaleArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let input = &args.input;
    let reading = DecodeOptions {
        max_pixels: args.max_pixels,
        tolerant: args.tolerant,
    };
    let size = dimensions_within(input, reading.max_pixels);
    let (width, height) = size.map_err(Failure::UpscaleInput)?;
    let model = args.engine.open_model()?;
    let scale = model.settings().scale;
    let sample = args.sampling.sample(model.settings())?;

    if args.dump_plan {
        let prepared = args.engine.open_upscaler(model)?.prepare(width, height)?;
        return terminal::answer(&dump_program(prepared.program(), &prepared.memory()));
    }

    let (output, format) = output(args, scale)?;
    format
        .check(&output, scale * width, scale * height)
        .map_err(Failure::Output)?;
    let mut upscaler = args.engine.open_upscaler(model)?;
    let failed = || Failure::upscaling(input);
    upscaler.check(width, height, &sample).map_err(failed())?;
    let Decoded {
        mut picture,
        mut notes,
    } = decode(input, &reading).map_err(Failure::UpscaleInput)?;
    if args.strip && !picture.strip() {
        notes.push("its colour profile cannot be used, so colours stay unconverted".to_owned());
    }
    notes.extend(format.losses(&picture));

    if !args.quiet {
        terminal::status(&describe(&upscaler, &sample));
        for note in notes {
            terminal::status(&format!("note: {note}"));
        }
    }
    let announced = upscaler.precision();
    let bar = StepBar::new(args.quiet);
    let result = upscaler.upscale(&picture, &sample, &mut |progress| bar.show(progress));
    drop(bar);
    let result = result.map_err(failed())?;
    if upscaler.precision() != announced && !args.quiet {
        terminal::status("note: this model exceeds the range of f16, so it was run in f32");
    }
    // Encoding takes memory of its own.
    drop(upscaler);

    let mut options = EncodeOptions::default();
    if let Some(quality) = args.quality {
        options.jpeg_quality = quality;
    }
    result
        .save(&output, format, &options, args.force)
        .map_err(Failure::Output)?;
    if !args.quiet {
        terminal::answer(&format!(
            "{}: {}x{}, {:.1} s\n",
            terminal::printable(&output.display().to_string()),
            result.width,
            result.height,
            started.elapsed().as_secs_f64()
        ))?;
    }
    Ok(())
}

/// Where to write, once that is known to be possible, and in which format.
fn output(args: &UpscaleArgs, scale: usize) -> Result<(PathBuf, OutputFormat), Failure> {
    let output = match &args.output {
        Some(path) => path.clone(),
        None => paths::default_output(&args.input, scale),
    };
    if is_same_file(&args.input, &output) {
        return Err(Failure::SameFile(output));
    }
    check_writable(&output, args.force).map_err(Failure::Output)?;
    let format = OutputFormat::from_path(&output).map_err(Failure::Output)?;
    if args.quality.is_some() && format != OutputFormat::Jpeg {
        return Err(Failure::Usage(format!(
            "--quality: {format} here is lossless; leave it out, or write a .jpg file"
        )));
    }
    Ok((output, format))
}

/// One line: which device runs and why, and how.
fn describe(upscaler: &Upscaler, sample: &SampleOptions) -> String {
    let selected = upscaler.selected();
    let precision = upscaler.precision();
    format!(
        "{}: {}; {precision}, {} with {} steps, --seed {}",
        selected.device, selected.reason, sample.sampler, sample.steps, sample.seed
    )
}
