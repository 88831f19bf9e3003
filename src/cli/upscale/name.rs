//! Names of results, from a template.

use super::target::{self, Target};
use crate::cli::args::sampler;
use srdiff::atomic_file::folder_of;
use srdiff::image::OutputFormat;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf, is_separator};
use std::str::FromStr;

/// What a template may name, and what stands for it.
const FIELDS: [(&str, Field); 11] = [
    ("stem", Field::Stem),
    ("from", Field::From),
    ("folder", Field::Folder),
    ("ext", Field::Ext),
    ("scale", Field::Scale),
    ("sampler", Field::Sampler),
    ("steps", Field::Steps),
    ("seed", Field::Seed),
    ("index", Field::Index),
    ("sample", Field::Sample),
    ("frame", Field::Frame),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Stem,
    From,
    Folder,
    Ext,
    Scale,
    Sampler,
    Steps,
    Seed,
    Index,
    Sample,
    Frame,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Field(Field),
}

/// A name with fields in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Vec<Part>);

/// What is the same for every result of a run.
pub struct Common<'a> {
    pub extension: &'a str,
    pub scale: String,
    pub sampler: String,
    pub steps: usize,
    pub seed: u64,
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |part| matches!(part, Component::Normal(_));
        if text.is_empty() || text.ends_with(['/', '\\']) {
            return Err("give a name, such as {stem}_large.{ext}".to_owned());
        }
        if !Path::new(text).components().all(is_plain) {
            return Err("give a name inside the output folder, and that with -o".to_owned());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            parts.push(Part::Text(rest[..start].to_owned()));
            let field = rest[start + 1..].split_once('}');
            let (name, after) = field.ok_or("its last { has no }")?;
            let known = FIELDS.iter().find(|(known, _)| *known == name);
            let (_, field) = known.ok_or_else(|| {
                let known: Vec<_> = FIELDS
                    .iter()
                    .map(|(name, _)| format!("{{{name}}}"))
                    .collect();
                format!("there is no {{{name}}}; choose from {}", known.join(", "))
            })?;
            parts.push(Part::Field(*field));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }
}

impl Template {
    /// The usual one where each image has so many results, of a size in pixels or
    /// so many times its own, and is one of several frames or the only one.
    pub fn usual(results: u32, is_sized: bool, has_frames: bool) -> Self {
        let scale = if is_sized { "_{scale}" } else { "_x{scale}" };
        let frame = if has_frames { "_{frame}" } else { "" };
        let sample = if results > 1 { "_{sample}" } else { "" };
        let text = format!("{{stem}}{scale}{frame}{sample}.{{ext}}");
        text.parse().expect("the default is valid")
    }

    /// Whether several frames of a file have several names.
    pub fn has_frame(&self) -> bool {
        self.0.contains(&Part::Field(Field::Frame)) || self.0.contains(&Part::Field(Field::Index))
    }

    /// Whether several results of an image have several names.
    pub fn has_sample(&self) -> bool {
        self.0.contains(&Part::Field(Field::Sample))
    }

    /// Whether the name of a result depends on how many images come before its own.
    pub fn has_index(&self) -> bool {
        self.0.contains(&Part::Field(Field::Index))
    }

    /// Whether it makes no subfolders.
    pub fn is_flat(&self) -> bool {
        let has_separator = |part: &Part| match part {
            Part::Text(text) => text.contains(is_separator),
            Part::Field(_) => false,
        };
        !self.0.iter().any(has_separator)
    }

    pub fn has_stem(&self) -> bool {
        self.0.contains(&Part::Field(Field::Stem))
    }

    /// Whether hardly any image of its own is called so: not by a number alone, nor
    /// by what other images of the folder have in their names, too.
    pub fn is_telling(&self) -> bool {
        self.0.windows(3).all(|parts| match parts {
            [
                Part::Text(before),
                Part::Field(Field::Scale),
                Part::Text(after),
            ] => before.ends_with('x') || after.starts_with('x'),
            [_, Part::Field(field), _] => {
                matches!(field, Field::Stem | Field::Ext | Field::Sampler)
            }
            _ => true,
        })
    }

    /// The images whose results may be called so, whatever the options were.
    pub fn origins<'n>(&self, name: &'n str) -> Vec<Origin<'n>> {
        let mut found = Vec::new();
        origins(&self.0, name, Origin::default(), &mut found);
        found
    }

    /// The name of one result; `index` counts from 1 to `count`, and so do frames.
    pub fn name(
        &self,
        input: &Path,
        common: &Common,
        [index, count]: [usize; 2],
        frame: [usize; 2],
        sample: &str,
    ) -> PathBuf {
        let mut name = OsString::new();
        let [frame, frames] = frame;
        let width = frames.to_string().len();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push(text),
                Part::Field(Field::Sample) => name.push(sample),
                Part::Field(Field::Frame) => name.push(format!("{frame:0width$}")),
                Part::Field(field) => name.push(value(*field, input, common, index, count)),
            }
        }
        name.into()
    }
}

/// What the name of a result tells of its image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Origin<'n> {
    stem: Option<&'n str>,
    from: Option<&'n str>,
    folder: Option<&'n str>,
}

impl<'n> Origin<'n> {
    pub fn of_stem(stem: &'n str) -> Self {
        Self {
            stem: Some(stem),
            ..Self::default()
        }
    }

    /// Empty where the name tells none.
    pub fn stem(&self) -> &'n str {
        self.stem.unwrap_or_default()
    }

    /// Whether an image of this stem is it.
    pub fn fits(&self, image: &Path) -> bool {
        let extension = image.extension().unwrap_or_default();
        self.from.is_none_or(|from| extension == from)
            && self
                .folder
                .is_none_or(|folder| folder_name(image).as_os_str() == folder)
    }

    /// With what stands for a field, if that may be.
    fn with(mut self, field: Field, value: &'n str) -> Option<Self> {
        let known = match field {
            Field::Stem => &mut self.stem,
            Field::From => &mut self.from,
            Field::Folder => &mut self.folder,
            _ => return may_be(field, value).then_some(self),
        };
        let is_same = *known.get_or_insert(value) == value;
        is_same.then_some(self)
    }
}

/// Finds what stands for the fields where a name is made of these parts.
fn origins<'n>(parts: &[Part], name: &'n str, known: Origin<'n>, found: &mut Vec<Origin<'n>>) {
    match parts.split_first() {
        None if name.is_empty() => found.push(known),
        None => {}
        Some((Part::Text(text), parts)) => {
            if let Some(rest) = name.strip_prefix(text.as_str()) {
                origins(parts, rest, known, found);
            }
        }
        Some((Part::Field(field), parts)) => {
            let ends = name.char_indices().map(|(at, c)| at + c.len_utf8());
            for (value, rest) in ends.map(|end| name.split_at(end)) {
                if let Some(known) = known.with(*field, value) {
                    origins(parts, rest, known, found);
                }
            }
        }
    }
}

/// Whether a text may stand for a field, whatever the options are.
fn may_be(field: Field, text: &str) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match field {
        Field::Index | Field::Frame | Field::Seed | Field::Steps => is_number,
        Field::Sample => is_number || is_of_several(text),
        Field::Scale => target::parse(text).is_ok(),
        Field::Sampler => sampler(&text.replace('-', ":")).is_ok(),
        Field::Ext => is_written(text),
        Field::Stem | Field::From | Field::Folder => true,
    }
}

/// Whether a result of several samples together is called so.
fn is_of_several(text: &str) -> bool {
    ["mean", "sigma"].contains(&text)
}

fn is_written(extension: &str) -> bool {
    OutputFormat::from_path(format!("x.{extension}").as_ref()).is_ok()
}

/// Stems of the images whose results are called so by default, whatever the options
/// were: `a` of `a_x4.png` and of `a_80x60_1_mean.tif`.
pub fn usual_stems(name: &str) -> Vec<&str> {
    let Some((name, extension)) = name.rsplit_once('.') else {
        return Vec::new();
    };
    let is_usual = |rest: &str| {
        let mut parts = rest.split('_');
        let scale = parts.next().unwrap_or_default();
        let factor = scale.strip_prefix('x').map(target::parse);
        let is_scale = matches!(factor, Some(Ok(Target::Factor(_))))
            || matches!(target::parse(scale), Ok(Target::Size(..)));
        let numbers: Vec<&str> = parts.collect();
        is_scale
            && numbers.len() <= 2
            && numbers
                .iter()
                .all(|part| !part.is_empty() && may_be(Field::Sample, part))
    };
    let ends = name.match_indices('_').map(|(at, _)| at);
    let ends = ends.filter(|&at| at > 0 && is_usual(&name[at + 1..]));
    match is_written(extension) {
        true => ends.map(|end| &name[..end]).collect(),
        false => Vec::new(),
    }
}

fn value(field: Field, input: &Path, common: &Common, index: usize, count: usize) -> OsString {
    let width = count.to_string().len();
    match field {
        Field::Stem => input.file_stem().unwrap_or_default().to_owned(),
        Field::From => input.extension().unwrap_or_default().to_owned(),
        Field::Folder => folder_name(input),
        Field::Ext => common.extension.into(),
        Field::Scale => common.scale.clone().into(),
        // `ddim:0.5` would be no name of a file on Windows.
        Field::Sampler => common.sampler.replace(':', "-").into(),
        Field::Steps => common.steps.to_string().into(),
        Field::Seed => common.seed.to_string().into(),
        // As long as the last, so that names sort as numbers do.
        Field::Index => format!("{index:0width$}").into(),
        Field::Sample | Field::Frame => unreachable!("filled in where it stands"),
    }
}

/// The name of the folder that an image is in.
fn folder_name(input: &Path) -> OsString {
    let parent = folder_of(input);
    let named = match parent.file_name() {
        Some(_) => Some(parent.to_owned()),
        None => parent.canonicalize().ok(),
    };
    let name = named.as_deref().and_then(Path::file_name);
    name.unwrap_or(OsStr::new("root")).to_owned()
}

#[cfg(test)]
mod tests;
