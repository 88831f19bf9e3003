//! What becomes of each image: where its result goes, whether it is there.

use super::UpscaleArgs;
use super::args::Shard;
use super::destination::Destination;
use super::format::format;
use super::inputs::{Input, Inputs, Unread};
use super::name::{Common, Template};
use super::results;
use super::target::Target;
use crate::cli::failure::Failure;
use crate::cli::places::{Kept, Taken, check_place, is_absent, is_stream};
use srdiff::atomic_file::is_same_file;
use srdiff::image::{ImageProblem, OutputFormat, check_writable};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, OnceLock, PoisonError};

/// An image and where its result goes.
#[derive(Debug)]
pub struct Job {
    pub input: Input,
    /// Other forms of its path that were named, too.
    pub again: Vec<PathBuf>,
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
            again: Vec::new(),
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
    pub unread: Vec<Unread>,
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
        self.all().count() + self.unread.len()
    }

    /// All images that can be read as far as is known.
    pub fn all(&self) -> impl Iterator<Item = &Job> {
        let failed = self.failed.iter().map(|(job, _)| job);
        self.jobs.iter().chain(&self.skipped).chain(failed)
    }
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
        unread: inputs.unread,
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
        let count = jobs.len() + work.unread.len();
        cut(shard, &mut jobs, &mut work.unread);
        if count > 0 && jobs.len() + work.unread.len() == 0 {
            let Shard {
                index,
                count: parts,
            } = shard;
            let note =
                format!("part {index} of {parts} (--shard) is empty; images in all: {count}");
            work.notes.push(note);
        }
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
        match check_outputs(&job, args, destination, is_single) {
            Ok(()) => work.jobs.push(job),
            Err(failure) => work.failed.push((job, failure)),
        }
    }
    Ok(work)
}

/// Checks that there is a place for each result that is not there.
fn check_outputs(
    job: &Job,
    args: &UpscaleArgs,
    destination: &Destination,
    is_single: bool,
) -> Result<(), Failure> {
    let mut outputs = job.outputs().enumerate();
    outputs.try_for_each(|(number, output)| match destination {
        _ if job.is_there(number) => match args.uncertainty && args.sampling.seed.is_none() {
            true => Err(Failure::OtherSeed(output.clone())),
            false => Ok(()),
        },
        Destination::File(_) => check_writable(output, args.force).map_err(Failure::Output),
        _ if output.parent().is_some_and(is_absent) => check_place(output).map_err(Failure::Output),
        _ => match check_writable(output, args.force) {
            // Another run has written it just now, and is answered when it is its turn.
            Err(error) if !is_single && matches!(error.problem, ImageProblem::Exists) => Ok(()),
            checked => checked.map_err(Failure::Output),
        },
    })
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

/// Leaves what is in this part of the work. What cannot be read has its place among
/// the images, so that it is in one part, too.
fn cut(shard: Shard, jobs: &mut Vec<Job>, unread: &mut Vec<Unread>) {
    let before = |path: &Path| jobs.partition_point(|job| *job.input.path < *path);
    let numbered = unread.iter().enumerate();
    let places: Vec<usize> =
        (numbered.map(|(index, unread)| index + before(&unread.path))).collect();
    let taken: HashSet<usize> = places.iter().copied().collect();
    let mut free = (0..).filter(|place| !taken.contains(place));
    jobs.retain(|_| free.next().is_some_and(|place| shard.has(place)));
    let mut places = places.iter();
    unread.retain(|_| places.next().is_some_and(|&place| shard.has(place)));
}

/// Leaves an image that is named in several forms the first of them, and refuses two
/// images with one output.
fn check_distinct(jobs: &mut Vec<Job>) -> Result<(), Failure> {
    let mut taken = Taken::default();
    // Of those that were named before, the first.
    let mut firsts: HashMap<usize, usize> = HashMap::new();
    let mut in_order: Vec<usize> = (0..jobs.len()).collect();
    in_order.sort_by_key(|&index| jobs[index].input.order);
    for index in in_order {
        let job = &jobs[index];
        let mut first = None;
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
            first = Some(firsts.get(&other).copied().unwrap_or(other));
        }
        if let Some(first) = first {
            firsts.insert(index, first);
            let path = job.input.path.clone();
            jobs[first].again.push(path);
        }
    }
    let mut index = 0..jobs.len();
    jobs.retain(|_| index.next().is_some_and(|at| !firsts.contains_key(&at)));
    Ok(())
}
