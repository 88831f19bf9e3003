//! What becomes of each image: where its result goes, whether it is there.

use super::UpscaleArgs;
use super::format::format;
use super::inputs::{Input, Inputs};
use super::name::{Common, Template};
use super::results;
use super::target::Target;
use crate::cli::failure::Failure;
use crate::cli::places::{Kept, Taken, check_place, is_absent, is_stream};
use crate::cli::terminal;
use srdiff::atomic_file::is_same_file;
use srdiff::image::{ImageProblem, OutputFormat, check_writable};
use std::collections::HashSet;
use std::ops::Range;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Where results go.
#[derive(Clone, Debug, PartialEq)]
pub enum Destination {
    /// The folder that each input is in.
    Beside,
    Folder(PathBuf),
    File(PathBuf),
    Stdout,
}

impl Destination {
    /// The folder that the results of an image go to, if they go to one.
    pub fn folder_of(&self, input: &Input) -> Option<PathBuf> {
        match self {
            Self::Beside => Some(input.path.parent().unwrap_or(Path::new("")).to_owned()),
            Self::Folder(folder) => Some(folder.join(&input.subfolder)),
            Self::File(_) | Self::Stdout => None,
        }
    }
}

/// An image and where its result goes.
#[derive(Debug)]
pub struct Job {
    pub input: Input,
    /// None: standard output. The first, if there are several.
    pub output: Option<PathBuf>,
    /// Where its other results go: other samples, their mean and deviation.
    pub others: Vec<PathBuf>,
    /// Those of an earlier run that stay, by their number from 0.
    pub there: HashSet<usize>,
    /// Results that are not written yet.
    pub left: AtomicUsize,
    /// Whether this run has written one of them.
    pub has_made: AtomicBool,
    /// What went wrong first, with its exit code.
    pub failure: OnceLock<(u8, String)>,
    /// The results of which it was told what has become of them.
    told: Mutex<HashSet<usize>>,
    pub format: OutputFormat,
    /// Width and height of the input, once they are known.
    pub size: [usize; 2],
}

impl Job {
    pub fn new(
        input: Input,
        output: Option<PathBuf>,
        others: Vec<PathBuf>,
        format: OutputFormat,
    ) -> Self {
        Self {
            left: (1 + others.len()).into(),
            input,
            output,
            others,
            there: HashSet::new(),
            has_made: false.into(),
            failure: OnceLock::new(),
            told: Mutex::default(),
            format,
            size: [0; 2],
        }
    }

    /// The numbers of its results, from 0.
    pub fn results(&self) -> Range<usize> {
        0..1 + self.others.len()
    }

    /// Where a result goes, by its number from 0; None: standard output.
    pub fn output(&self, number: usize) -> Option<&Path> {
        self.outputs().nth(number).map(PathBuf::as_path)
    }

    /// Whether it is the first time that it is told what has become of a result.
    pub fn tell(&self, number: usize) -> bool {
        let told = self.told.lock();
        told.unwrap_or_else(PoisonError::into_inner).insert(number)
    }

    pub fn outputs(&self) -> impl Iterator<Item = &PathBuf> {
        self.output.iter().chain(&self.others)
    }

    /// Whether a result, by its number from 0, is there from an earlier run.
    pub fn is_there(&self, number: usize) -> bool {
        self.there.contains(&number)
    }
}

/// The work of this run.
#[derive(Debug, Default)]
pub struct Work {
    pub jobs: Vec<Job>,
    /// Those that have a result.
    pub skipped: Vec<Job>,
    pub failed: Vec<(Job, Failure)>,
    /// Images that are called as results of others.
    pub results: Vec<Input>,
    /// Images that are in the folder of the results.
    pub in_output: Vec<PathBuf>,
    /// What the user should know about these, one line each.
    pub notes: Vec<String>,
}

impl Work {
    /// How many images it is about.
    pub fn len(&self) -> usize {
        self.jobs.len() + self.skipped.len() + self.failed.len()
    }
}

/// The folder of `--output`, if it is one whatever the inputs are.
pub fn folder_given(args: &UpscaleArgs) -> Option<&Path> {
    let path = args.output.as_deref()?;
    (ends_in_separator(path) || path.is_dir()).then_some(path)
}

fn ends_in_separator(path: &Path) -> bool {
    path.to_string_lossy().ends_with(std::path::is_separator)
}

/// Where results go.
///
/// `is_single` says whether one image was named, which may have several frames.
pub fn destination(
    args: &UpscaleArgs,
    inputs: &Inputs,
    is_single: bool,
) -> Result<Destination, Failure> {
    let usage = |message: String| Err(Failure::Usage(message));
    let has_stdin = inputs.list.iter().any(|input| input.stdin.is_some());
    let destination = match &args.output {
        None if !has_stdin => Destination::Beside,
        None if inputs.is_single => Destination::Stdout,
        None => return usage("-: say with -o which folder its result goes to".to_owned()),
        Some(path) if path.as_os_str() == "-" => Destination::Stdout,
        Some(path) => match folder_given(args) {
            Some(folder) => Destination::Folder(folder.to_owned()),
            None if is_stream(path) => return Err(Failure::NotAFile(path.clone())),
            None if is_single => Destination::File(path.clone()),
            None if path.exists() || OutputFormat::from_path(path).is_ok() => {
                return usage(format!(
                    "-o {path}: is the name of one file, and there may be several results; name a folder, as in -o {stem}{MAIN_SEPARATOR}",
                    path = path.display(),
                    stem = path.with_extension("").display(),
                ));
            }
            None => Destination::Folder(path.clone()),
        },
    };
    let is_one_file = matches!(destination, Destination::File(_) | Destination::Stdout);
    if args.name.is_some() && is_one_file {
        return usage(
            "--name: the output has its name already; leave it out, or give -o a folder".to_owned(),
        );
    }
    if inputs.list.iter().any(|input| input.frame.is_some()) {
        if is_one_file {
            let message = "--frames: each frame or page has a result, and -o names one place; give -o a folder, such as -o frames/";
            return usage(message.to_owned());
        }
        if args.name.as_ref().is_some_and(|name| !name.has_frame()) {
            let message = "--name: each frame or page has a result, so their name needs {frame}, such as {stem}_{frame}.{ext}";
            return usage(message.to_owned());
        }
    }
    if args.results() > 1 {
        if is_one_file {
            let message = "each image has several results, and -o names one place; give -o a folder, such as -o results/";
            return usage(message.to_owned());
        }
        if args.name.as_ref().is_some_and(|name| !name.has_sample()) {
            let message = "--name: each image has several results, so their name needs {sample}, such as {stem}_{sample}.{ext}";
            return usage(message.to_owned());
        }
    }
    if destination == Destination::Stdout {
        if !is_single {
            return usage("-o -: standard output takes one result; give -o a folder".to_owned());
        }
        if args.json {
            return usage("--json: standard output takes the result; give -o a file".to_owned());
        }
        terminal::check_takes_images()?;
    }
    if let Destination::Folder(folder) = &destination {
        check_place(&folder.join("result")).map_err(Failure::Output)?;
    }
    Ok(destination)
}

/// Gives each image its output, and sorts out what needs no work. Refuses
/// what would lose an image.
pub fn plan(
    args: &UpscaleArgs,
    inputs: Inputs,
    destination: &Destination,
    common: &Common,
) -> Result<Work, Failure> {
    let mut work = Work {
        in_output: inputs.results,
        ..Work::default()
    };
    let is_single = inputs.is_single;
    let to_jobs = |inputs| jobs(args, inputs, destination, common);
    let mut jobs = match is_single {
        true => to_jobs(inputs.list)?,
        false => {
            let inputs = results::without_usual(args, inputs.list, destination, &mut work);
            let mut jobs = results::without_exact(args, inputs, &to_jobs, &mut work)?;
            check_distinct(&mut jobs)?;
            jobs
        }
    };
    let mut again = Vec::new();
    if args.force {
        let read = jobs.iter().map(|job| &job.input.path);
        let read = read.chain(&args.engine.model).chain(&args.from_file);
        let kept = Kept::new(read.map(PathBuf::as_path));
        let mut outputs = jobs.iter().flat_map(Job::outputs);
        outputs.try_for_each(|output| kept.check("-o", output))?;
        drop(outputs);
        again = results::made_again(args, &jobs, &work)?;
    }
    if let Some(shard) = args.shard {
        let mut index = 0;
        jobs.retain(|_| {
            index += 1;
            (index - 1) % shard.count == shard.index - 1
        });
        let own: HashSet<&PathBuf> = jobs.iter().flat_map(Job::outputs).collect();
        again.retain(|output| own.contains(output));
    }
    work.notes.extend(notes_of_replaced(&again, args.verbose));
    for mut job in jobs {
        if job.input.stdin.is_none() && is_stream(&job.input.path) {
            // Told before its place, which takes no results.
            let failure = Failure::UpscaleInput {
                input: job.input.shown(),
                problem: ImageProblem::NotRegular,
            };
            work.failed.push((job, failure));
            continue;
        }
        if job.output.is_none() {
            work.jobs.push(job);
            continue;
        }
        if let Some(same) = job.outputs().find(|o| is_same_file(&job.input.path, o)) {
            return Err(Failure::SameFile {
                option: "-o",
                path: same.clone(),
            });
        }
        if !is_single && !args.force {
            let outputs = job.outputs().enumerate();
            let there = outputs.filter(|(_, output)| output.is_file());
            job.there = there.map(|(number, _)| number).collect();
        }
        if job.there.len() == job.outputs().count() {
            work.skipped.push(job);
            continue;
        }
        *job.left.get_mut() -= job.there.len();
        let mut outputs = job.outputs().enumerate();
        let checked = outputs.try_for_each(|(number, output)| match destination {
            _ if job.is_there(number) => match args.uncertainty && args.sampling.seed.is_none() {
                true => Err(Failure::OtherSeed(output.clone())),
                false => Ok(()),
            },
            Destination::File(_) => check_writable(output, args.force).map_err(Failure::Output),
            _ if output.parent().is_some_and(is_absent) => {
                check_place(output).map_err(Failure::Output)
            }
            _ => match check_writable(output, args.force) {
                // Another run has written it just now, and is answered when it is its turn.
                Err(error) if !is_single && matches!(error.problem, ImageProblem::Exists) => Ok(()),
                checked => checked.map_err(Failure::Output),
            },
        });
        drop(outputs);
        match checked {
            Ok(()) => work.jobs.push(job),
            Err(failure) => work.failed.push((job, failure)),
        }
    }
    Ok(work)
}

fn jobs(
    args: &UpscaleArgs,
    inputs: Vec<Input>,
    destination: &Destination,
    common: &Common,
) -> Result<Vec<Job>, Failure> {
    let count = inputs.len();
    let results = args.results();
    let is_sized = matches!(args.scale, Some(Target::Size(..)));
    let given = args.name.as_ref();
    let usual = [false, true].map(|frames| Template::usual(results, is_sized, frames));
    let numbered = inputs.into_iter().zip(1..);
    let job = |(input, index): (Input, usize)| {
        let template = given.unwrap_or(&usual[usize::from(input.frame.is_some())]);
        let frame = input.frame.map_or([1, 1], |f| [f.number, f.count]);
        let output = |sample: &str| {
            let name = || template.name(input.name(), common, [index, count], frame, sample);
            match destination {
                Destination::File(path) => Some(path.clone()),
                _ => Some(destination.folder_of(&input)?.join(name())),
            }
        };
        let width = results.to_string().len();
        let numbered = |number: u32| output(&format!("{number:0width$}"));
        let mut others: Vec<PathBuf> = (2..=results).filter_map(numbered).collect();
        if args.uncertainty {
            others.extend(output("mean"));
            others.extend(output("sigma").map(|path| path.with_extension("png")));
        }
        let output = numbered(1);
        let format = format(args, output.as_deref())?;
        Ok(Job::new(input, output, others, format))
    };
    numbered.map(job).collect()
}

/// One for each, or how many there are.
fn notes_of_replaced(results: &[PathBuf], verbose: bool) -> Vec<String> {
    const FEW: usize = 5;
    let count = results.len();
    if count > FEW && !verbose {
        return vec![format!(
            "--force replaces {count} results of an earlier run (--verbose tells which)"
        )];
    }
    let note = |path: &PathBuf| {
        let path = path.display();
        format!("{path}: is a result of an earlier run by its name, and replaced (--force)")
    };
    results.iter().map(note).collect()
}

/// Drops an image that is named twice, and refuses two images with one output.
fn check_distinct(jobs: &mut Vec<Job>) -> Result<(), Failure> {
    let mut taken = Taken::default();
    let mut twice = HashSet::new();
    for (index, job) in jobs.iter().enumerate() {
        for output in job.outputs() {
            let Some(other) = taken.take(output, index) else {
                continue;
            };
            if !jobs[other].input.is_same(&job.input) {
                return Err(Failure::SameOutput {
                    first: jobs[other].input.path.clone(),
                    second: job.input.path.clone(),
                    output: output.clone(),
                });
            }
            twice.insert(index);
        }
    }
    let mut index = 0;
    jobs.retain(|_| {
        index += 1;
        !twice.contains(&(index - 1))
    });
    Ok(())
}
