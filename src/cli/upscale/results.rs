//! Which images are results of others: an earlier run has written them there.

use super::UpscaleArgs;
use super::destination::Destination;
use super::inputs::Input;
use super::jobs::{Job, Work};
use super::name::{Origin, Template, usual_stems};
use crate::cli::failure::Failure;
use crate::cli::places::Places;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Leaves out images that are called as results of others by whatever options, and
/// were found, or are in a list and in the folder of results.
pub fn without_usual(
    args: &UpscaleArgs,
    inputs: Vec<Input>,
    destination: &Destination,
    work: &mut Work,
) -> Vec<Input> {
    let mut places = Places::default();
    // By where the results of each image go, with its stem in place of a name.
    let mut makers: HashMap<OsString, Vec<&Input>> = HashMap::new();
    for input in &inputs {
        if let Some(folder) = destination.folder_of(input) {
            let stem = input.name().file_stem().unwrap_or_default();
            let place = places.of(&folder.join(stem));
            makers.entry(place).or_default().push(input);
        }
    }
    // Names without a stem may be anybody's, and those with folders lie elsewhere.
    let given = args.name.as_ref();
    let given = given.filter(|name| name.has_stem() && name.is_flat());
    let is_result = |input: &Input| {
        let name = input.path.file_name().and_then(OsStr::to_str);
        let Some(name) = name.filter(|_| input.is_found || input.is_among_results) else {
            return false;
        };
        let by_name = given.map(|given| given.origins(name)).unwrap_or_default();
        let usual = usual_stems(name).into_iter().map(Origin::of_stem);
        let own = input.path.file_stem();
        let origins = usual.chain(by_name);
        let mut others = origins.filter(|origin| own != Some(OsStr::new(origin.stem())));
        others.any(|origin| {
            let place = places.of(&input.path.with_file_name(origin.stem()));
            let makers = makers.get(&place).map_or(&[][..], Vec::as_slice);
            makers.iter().any(|maker| origin.fits(maker.name()))
        })
    };
    let are_results: Vec<bool> = inputs.iter().map(is_result).collect();
    let mut are_results = are_results.into_iter();
    let is_result = |_: &Input| are_results.next().unwrap_or_default();
    let (results, kept) = inputs.into_iter().partition(is_result);
    leave_out(results, work);
    kept
}

/// Leaves out images that are where results of others go. Refuses to replace those
/// that may be none.
pub fn without_exact(
    args: &UpscaleArgs,
    mut inputs: Vec<Input>,
    to_jobs: &impl Fn(Vec<Input>) -> Result<Vec<Job>, Failure>,
    work: &mut Work,
) -> Result<Vec<Job>, Failure> {
    let mut places = Places::default();
    if args.name.as_ref().is_some_and(|name| name.has_index()) {
        inputs = without_numbered(args, inputs, to_jobs, work)?;
    }
    loop {
        let jobs = to_jobs(inputs)?;
        let mut makers: HashMap<OsString, Vec<&Job>> = HashMap::new();
        for job in &jobs {
            for output in job.outputs() {
                makers.entry(places.of(output)).or_default().push(job);
            }
        }
        let mut left_out = HashSet::new();
        for (index, job) in jobs.iter().enumerate() {
            let path = &job.input.path;
            let place = places.of(path);
            let all = makers.get(&place).map_or(&[][..], Vec::as_slice);
            let is_other = |maker: &&Job| places.of(&maker.input.path) != place;
            let (others, itself): (Vec<&Job>, Vec<&Job>) = all.iter().copied().partition(is_other);
            let Some(maker) = others.first() else {
                continue;
            };
            // One that would be its own result is as well an image of its own.
            let may_be_none = !itself.is_empty();
            if args.force && (may_be_none || !job.input.is_found) {
                return Err(replaces(path, maker));
            }
            if may_be_none {
                let (result, input) = (path.display(), maker.input.path.display());
                work.notes.push(format!(
                    "{result}: is taken for the result of {input}; if it is none, give another --name, or -o a folder"
                ));
            }
            left_out.insert(index);
        }
        if left_out.is_empty() {
            return Ok(jobs);
        }
        // Numbered anew, without those left out.
        inputs = jobs.into_iter().map(|job| job.input).collect();
        let mut index = 0..inputs.len();
        let is_result = |_: &Input| index.next().is_some_and(|at| left_out.contains(&at));
        let (results, kept) = inputs.into_iter().partition(is_result);
        leave_out(results, work);
        inputs = kept;
    }
}

/// Leaves out those that have a number in their names, if they are what the others
/// become. Numbers of all together would be other ones.
fn without_numbered(
    args: &UpscaleArgs,
    inputs: Vec<Input>,
    to_jobs: &impl Fn(Vec<Input>) -> Result<Vec<Job>, Failure>,
    work: &mut Work,
) -> Result<Vec<Input>, Failure> {
    let mut places = Places::default();
    let is_numbered = |input: &Input| {
        let name = input.path.file_name().and_then(OsStr::to_str);
        let template = args.name.as_ref().filter(|name| name.is_flat());
        name.zip(template)
            .is_some_and(|(name, template)| !template.origins(name).is_empty())
    };
    let (numbered, others): (Vec<_>, Vec<_>) = inputs.into_iter().partition(is_numbered);
    // Those that were named are not replaced.
    let is_kept = args.force && numbered.iter().any(|input| !input.is_found);
    if is_kept || numbered.is_empty() || others.is_empty() {
        return Ok(joined(numbered, others));
    }
    let jobs = to_jobs(others)?;
    let outputs: HashSet<OsString> = jobs
        .iter()
        .flat_map(Job::outputs)
        .map(|output| places.of(output))
        .collect();
    let others = jobs.into_iter().map(|job| job.input).collect();
    let mut is_result = |input: &Input| outputs.contains(&places.of(&input.path));
    match numbered.iter().all(&mut is_result) {
        true => {
            leave_out(numbered, work);
            Ok(others)
        }
        false => Ok(joined(numbered, others)),
    }
}

/// All of them, by name.
fn joined(mut inputs: Vec<Input>, others: Vec<Input>) -> Vec<Input> {
    inputs.extend(others);
    inputs.sort_by(|a, b| a.path.cmp(&b.path));
    inputs
}

/// Notes which they are; several frames are one file.
fn leave_out(results: Vec<Input>, work: &mut Work) {
    work.results.extend(results);
    work.results.dedup_by(|a, b| a.path == b.path);
}

/// Results that were left out and are made again. Refuses to replace those that were
/// named, and those that may as well be images of their own.
pub fn made_again(args: &UpscaleArgs, jobs: &[Job], work: &Work) -> Result<Vec<PathBuf>, Failure> {
    let mut places = Places::default();
    let results = work.results.iter();
    let left_out: HashMap<OsString, &Input> = results
        .map(|input| (places.of(&input.path), input))
        .collect();
    let is_telling = args.name.as_ref().is_none_or(Template::is_telling);
    let mut again = Vec::new();
    for job in jobs {
        for output in job.outputs() {
            let Some(input) = left_out.get(&places.of(output)) else {
                continue;
            };
            if !is_telling || !input.is_found {
                return Err(replaces(&input.path, job));
            }
            again.push(output.clone());
        }
    }
    Ok(again)
}

fn replaces(result: &Path, maker: &Job) -> Failure {
    let (result, input) = (result.display(), maker.input.path.display());
    Failure::Usage(format!(
        "--force: {result} is an input and would be overwritten by the result of {input}; leave it out, or give -o a folder"
    ))
}
