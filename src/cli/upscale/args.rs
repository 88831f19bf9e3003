//! The arguments of `upscale`.

use super::name::Template;
use super::target::Target;
use crate::cli::args::{EngineArgs, SamplingArgs};
use crate::cli::failure::Failure;
use crate::cli::file_args::FileArgs;
use clap::Args;
use srdiff::image::OutputFormat;
use std::path::{Path, PathBuf};

/// Arguments of `upscale`.
#[derive(Debug, Args)]
pub struct UpscaleArgs {
    /// Images (PNG, JPEG, WebP, TIFF, BMP, GIF or PNM; JPEG XL and AVIF if built with the
    /// features jxl and avif), folders of them, patterns such as 'scans/**/*.tif', or - for standard input
    #[arg(value_name = "INPUT", required_unless_present_any = ["from_file", "also"])]
    pub inputs: Vec<PathBuf>,
    /// The same, as ncnn's tools have it
    #[arg(short = 'i', value_name = "INPUT", hide = true)]
    pub also: Vec<PathBuf>,
    /// Also take images from subfolders
    #[arg(short, long)]
    pub recursive: bool,
    /// Read the names of images from a file (- is standard input), one a line or
    /// each ended by a zero byte
    #[arg(long, value_name = "LIST")]
    pub from_file: Option<PathBuf>,
    /// Where to write: a file (.png, .jpg, .webp or .tif), - for standard output, or
    /// a folder: one that exists, ends in /, or is for several images; it is
    /// created, with the subfolders of the input [default: beside the input]
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Names of the results, with / for subfolders: {stem} and {from} are the input's name
    /// and extension, {folder} the name of its folder; {ext}, {scale}, {sampler}, {steps} and
    /// {seed} those of the result; {index} the image's number, {frame} the number of its frame
    /// or page, {sample} the result's number among several of one image
    /// [default: {stem}_x{scale}.{ext}, or {stem}_{scale}.{ext} for a size in pixels, with
    /// _{frame} and _{sample} where there are several]
    #[arg(long, value_name = "TEMPLATE")]
    pub name: Option<Template>,
    /// Format of the results [default: by the output's extension, or png]
    #[arg(short, long, value_name = "png|jpg|webp|tif", value_parser = format)]
    pub format: Option<Format>,
    /// Do one part of N of the work: images I, I + N, I + 2N and so on, by name
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
    /// How large results are: a factor, or WIDTHx, xHEIGHT or (stretched to it)
    /// WIDTHxHEIGHT in pixels; the model runs as often as it takes, and what is too
    /// large is shrunk
    /// [default: the model's scale]
    #[arg(short, long, value_name = "X|SIZE", value_parser = super::target::parse)]
    pub scale: Option<Target>,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Take results even if they do not match the picture when shrunk
    #[arg(long)]
    pub allow_mismatch: bool,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Upscale all frames of animations and all pages of TIFF files, each to a file of
    /// its own [default: the first]
    #[arg(long)]
    pub frames: bool,
    /// Write this many results of each image, which differ in what the image does not tell
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=9999))]
    pub samples: u32,
    /// Also write the mean of the samples and, as a heat map, how much each pixel differs
    /// among them; keeps whole results in memory
    #[arg(long)]
    pub uncertainty: bool,
    /// Write COUNT results that change gradually from that of seed A to that of seed B
    #[arg(long, value_name = "A,B,COUNT", value_parser = interpolation)]
    pub interpolate: Option<Interpolation>,
    #[command(flatten)]
    pub files: FileArgs,
    /// Overwrite results that exist. Without it, one image is refused, and of
    /// several those that have a result are skipped
    #[arg(long)]
    pub force: bool,
    /// Threads that read images, compute on the CPU (0: all cores) and write
    /// results; each more that reads or writes keeps one more image in memory
    #[arg(short, long, value_name = "LOAD:PROC:SAVE", default_value = "1:0:1", value_parser = jobs)]
    pub jobs: Jobs,
    /// Print a JSON object for each result on standard output, one a line; also for each
    /// image that is skipped or fails
    #[arg(long)]
    pub json: bool,
    /// Also tell which results are there already, and where the time goes
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
    /// Print what would be computed, and in which memory, and stop
    #[arg(long)]
    pub dump_plan: bool,
}

/// A format, and the extension that asked for it.
#[derive(Clone, Debug)]
pub struct Format {
    pub format: OutputFormat,
    pub extension: String,
}

/// One part of the work, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub index: usize,
    pub count: usize,
}

impl Shard {
    /// Whether what has this place, counted from 0, is in this part.
    pub fn has(self, place: usize) -> bool {
        place % self.count == self.index - 1
    }
}

/// Threads, as ncnn's tools have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jobs {
    pub load: usize,
    /// 0: as many as there are cores.
    pub compute: usize,
    pub save: usize,
}

/// Results on the way from one seed to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interpolation {
    pub from: u64,
    pub to: u64,
    pub count: u32,
}

impl UpscaleArgs {
    /// All inputs that are named.
    pub fn named(&self) -> Vec<&Path> {
        let named = self.inputs.iter().chain(&self.also);
        named.map(PathBuf::as_path).collect()
    }

    /// Results of each image.
    pub fn results(&self) -> u32 {
        self.interpolate.map_or(self.samples, |way| way.count)
    }

    /// Refuses options of several results that do not go together.
    pub fn check_results(&self) -> Result<(), Failure> {
        let message = if self.interpolate.is_some() && self.samples > 1 {
            "--interpolate: says itself how many results there are; leave --samples out"
        } else if self.interpolate.is_some() && self.sampling.seed.is_some() {
            "--interpolate: names its seeds itself; leave --seed out"
        } else if self.interpolate.is_some() && self.uncertainty {
            "--uncertainty: results on the way between two seeds are no independent samples; use it with --samples"
        } else if self.uncertainty && self.samples == 1 {
            "--uncertainty: one result tells nothing about it; give --samples 8 or more"
        } else {
            return Ok(());
        };
        Err(Failure::Usage(message.to_owned()))
    }
}

/// Parses `1,2,5`.
fn interpolation(text: &str) -> Result<Interpolation, String> {
    let parts: Vec<&str> = text.split(',').collect();
    let parsed = match parts[..] {
        [from, to, count] => from
            .parse()
            .ok()
            .zip(to.parse().ok())
            .zip(count.parse().ok()),
        _ => None,
    };
    match parsed {
        Some(((from, to), count)) if (2..=9999).contains(&count) => {
            Ok(Interpolation { from, to, count })
        }
        _ => Err("give two seeds and a number of results from 2 to 9999, such as 1,2,5".to_owned()),
    }
}

/// Parses `png`; clap names the option.
fn format(text: &str) -> Result<Format, String> {
    let extension = text.trim_start_matches('.').to_ascii_lowercase();
    match OutputFormat::from_path(format!("x.{extension}").as_ref()) {
        Ok(format) => Ok(Format { format, extension }),
        Err(_) => Err("choose png, jpg, webp or tif".to_owned()),
    }
}

/// Parses `1/4`.
fn shard(text: &str) -> Result<Shard, String> {
    let numbers = text.split_once('/').and_then(|(index, count)| {
        let [index, count] = [index.parse().ok()?, count.parse().ok()?];
        (1 <= index && index <= count).then_some(Shard { index, count })
    });
    numbers.ok_or_else(|| "give a part and the number of parts, from 1/4 to 4/4".to_owned())
}

/// Parses `1:2:2`.
fn jobs(text: &str) -> Result<Jobs, String> {
    const MOST: usize = 64;
    let numbers: Option<Vec<usize>> = text.split(':').map(|part| part.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[load, compute, save])
            if (1..=MOST).contains(&load) && compute <= 1024 && (1..=MOST).contains(&save) =>
        {
            Ok(Jobs {
                load,
                compute,
                save,
            })
        }
        _ => Err(format!(
            "give three numbers, such as 1:0:2; the first and the last from 1 to {MOST}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_from_1() {
        assert_eq!(shard("1/1"), Ok(Shard { index: 1, count: 1 }));
        assert_eq!(shard("3/7"), Ok(Shard { index: 3, count: 7 }));
        for wrong in ["0/4", "5/4", "1/0", "1", "1/", "a/b", "-1/4", "1/2/3"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn jobs_are_three_numbers() {
        let [load, compute, save] = [1, 0, 2];
        let expected = Jobs {
            load,
            compute,
            save,
        };
        assert_eq!(jobs("1:0:2"), Ok(expected));
        for wrong in ["4", "1:1", "0:1:1", "1:1:0", "1:1:1:1", "1:x:1", "99:1:1"] {
            assert!(jobs(wrong).is_err(), "{wrong}");
        }
    }
}
