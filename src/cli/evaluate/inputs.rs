//! The pictures of a data set: HR, and LR where there are any.

use super::args::EvaluateArgs;
use crate::cli::failure::Failure;
use crate::cli::other_formats::OtherFormats;
use srdiff::image::{
    DecodeOptions, Decoded, ImageError, ImageProblem, NoMemory, Picture, decode, dimensions_within,
    has_extension, metrics,
};
use srdiff::model::Settings;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Endings of file names by which data sets tell LR from HR, besides the scale.
const ENDINGS: [&str; 10] = [
    "lrbi",
    "lrbicubic",
    "bicubic",
    "lr",
    "hr",
    "gt",
    "lq",
    "hq",
    "bi",
    "srf",
];

/// Files of one picture, and the size that is compared.
pub struct Entry {
    pub hr: PathBuf,
    pub lr: Option<PathBuf>,
    /// Width and height of HR, cropped to what LR covers.
    pub size: [usize; 2],
}

/// One picture, HR and LR, their colours alone.
pub struct Pair {
    pub hr: Picture,
    pub lr: Picture,
    /// Whether there was opacity as well.
    pub has_alpha: bool,
    /// What is to be known of the files.
    pub notes: Vec<String>,
}

/// The pictures of a data set.
#[derive(Default)]
pub struct Listed {
    pub entries: Vec<Entry>,
    /// Names of those that cannot be measured, and why.
    pub failed: Vec<(String, Failure)>,
    /// All files.
    pub files: Vec<PathBuf>,
    /// What is to be known of the folders.
    pub notes: Vec<String>,
}

impl Entry {
    /// Name for reports: the file name of HR.
    pub fn name(&self) -> String {
        name(&self.hr)
    }

    /// What it says when the system has no memory for the image.
    pub fn refused(&self, error: NoMemory) -> Failure {
        Failure::upscaling(self.hr.display())(error.into())
    }

    pub fn open(&self, scale: usize, max_pixels: u64) -> Result<Pair, Failure> {
        let refused = |error: NoMemory| self.refused(error);
        let mut has_alpha = false;
        let mut notes = Vec::new();
        let mut read = |path: &Path, least: [usize; 2]| {
            let options = DecodeOptions {
                max_pixels,
                metadata: false,
                ..DecodeOptions::default()
            };
            let Decoded {
                picture,
                notes: of_file,
            } = decode(path, &options).map_err(of_input)?;
            // The file may have been replaced since its size was read.
            if picture.width < least[0] || picture.height < least[1] {
                return Err(unsuitable(path, "has become smaller; start again"));
            }
            has_alpha |= picture.alpha.is_some();
            notes.extend(
                of_file
                    .iter()
                    .map(|note| format!("{}: {note}", path.display())),
            );
            picture.cropped(least[0], least[1]).map_err(refused)
        };
        let hr = read(&self.hr, self.size)?;
        // What is measured has 8 bits, and so has what it is made from.
        let hr = Picture {
            rgb: hr.rgb.with_bits(8).map_err(refused)?,
            ..hr
        };
        let small = self.size.map(|side| side / scale);
        let lr = match &self.lr {
            Some(path) => read(path, small)?,
            None => hr.resized(small[0], small[1]).map_err(refused)?,
        };
        Ok(Pair {
            hr,
            lr,
            has_alpha,
            notes,
        })
    }
}

/// Lists and pairs the pictures, and checks their sizes from their headers. Pictures
/// that do not belong together are another data set than was meant: all is refused.
pub fn list(args: &EvaluateArgs, settings: &Settings) -> Result<Listed, Failure> {
    let mut listed = Listed::default();
    let hr = files(args.hr()?, &mut listed.notes)?;
    let pairs = match &args.lr {
        Some(folder) => {
            let lr = files(folder, &mut listed.notes)?;
            paired(hr, lr, folder, settings.scale)?
        }
        None => hr.into_iter().map(|hr| (hr, None)).collect(),
    };
    let size = |path: &Path| {
        dimensions_within(path, args.max_pixels)
            .map(|(width, height)| [width, height])
            .map_err(of_input)
    };
    for (hr, lr) in pairs {
        listed.files.extend(lr.iter().chain([&hr]).cloned());
        let sizes = size(&hr).and_then(|full| Ok((full, lr.as_deref().map(size).transpose()?)));
        let size = match (sizes, &lr) {
            (Ok((full, Some(small))), Some(lr)) => {
                check_scale(&hr, full, lr, small, settings.scale)?;
                covered(&hr, small, settings.scale)
            }
            (Ok((full, _)), _) => cropped_size(&hr, full, settings),
            (Err(failure), _) => Err(failure),
        };
        match size {
            Ok(size) => listed.entries.push(Entry { hr, lr, size }),
            Err(failure) => listed.failed.push((name(&hr), failure)),
        }
    }
    Ok(listed)
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// `--tolerant` does not help here: a damaged picture measures something else.
fn of_input(error: ImageError) -> Failure {
    match error.problem {
        ImageProblem::TooLarge { .. } => {
            let file = error.file.display().to_string();
            Failure::reading(file)(error)
        }
        _ => Failure::Input(error),
    }
}

/// The shortest side on which everything can be measured.
fn least_side(scale: usize) -> usize {
    2 * scale + metrics::SSIM_WINDOW
}

/// A size cropped to multiples of what the model works on. Refused if it is too
/// small for SSIM without a border as wide as the scale.
fn cropped_size(file: &Path, size: [usize; 2], settings: &Settings) -> Result<[usize; 2], Failure> {
    let multiple = settings.scale * settings.lr_size_multiple();
    let cropped = size.map(|side| side - side % multiple);
    let least = least_side(settings.scale).next_multiple_of(multiple);
    if cropped.iter().any(|&side| side < least) {
        let reason = format!("is smaller than {least}x{least}; take it out of the folder");
        return Err(unsuitable(file, reason));
    }
    Ok(cropped)
}

/// Refuses pictures that do not belong together.
fn check_scale(
    hr: &Path,
    size: [usize; 2],
    lr: &Path,
    small: [usize; 2],
    scale: usize,
) -> Result<(), Failure> {
    if size.map(|side| side / scale) == small {
        return Ok(());
    }
    let reason = format!(
        "is {}x{}, but {scale} times its LR picture {} ({}x{}) is {}x{}; give pictures of one data set and the model's scale",
        size[0],
        size[1],
        lr.display(),
        small[0],
        small[1],
        scale * small[0],
        scale * small[1],
    );
    Err(unsuitable(hr, reason))
}

/// The part of an HR picture that its LR picture covers.
fn covered(hr: &Path, small: [usize; 2], scale: usize) -> Result<[usize; 2], Failure> {
    let least = least_side(scale);
    let covered = small.map(|side| scale * side);
    if covered.iter().any(|&side| side < least) {
        let reason = format!("is smaller than {least}x{least}; take it out of the folder");
        return Err(unsuitable(hr, reason));
    }
    Ok(covered)
}

/// HR files with their LR files. Each has exactly one partner.
fn paired(
    hr: Vec<PathBuf>,
    lr: Vec<PathBuf>,
    folder: &Path,
    scale: usize,
) -> Result<Vec<(PathBuf, Option<PathBuf>)>, Failure> {
    let mut by_key: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in lr {
        if let Some(other) = by_key.insert(key(&path, scale), path.clone()) {
            let reason = format!(
                "is for the same HR picture as {}; leave one LR picture for each",
                other.display()
            );
            return Err(unsuitable(&path, reason));
        }
    }
    let mut pairs = Vec::with_capacity(hr.len());
    for path in hr {
        let Some(partner) = by_key.remove(&key(&path, scale)) else {
            let reason = format!(
                "has no LR picture in {}; add one of that name, with or without x{scale}, or take this out of the folder",
                folder.display()
            );
            return Err(unsuitable(&path, reason));
        };
        pairs.push((path, Some(partner)));
    }
    if let Some(path) = by_key.into_values().next() {
        let reason = "has no HR picture of its name; add it or take this out of the folder";
        return Err(unsuitable(&path, reason));
    }
    Ok(pairs)
}

/// A file's stem in lower case, without what data sets append to it: `x4`,
/// `_LRBI_x4`, `_SRF_4_LR`, `_LR4`, `_HR`.
fn key(path: &Path, scale: usize) -> String {
    let stem = path.file_stem().unwrap_or_default();
    let full = stem.to_string_lossy().to_lowercase();
    let mut key = full.as_str();
    let separators = ['_', '-', '.', ' '];
    'again: loop {
        for ending in [format!("x{scale}"), format!("srf_{scale}")] {
            if let Some(rest) = key.strip_suffix(&ending) {
                key = rest.trim_end_matches(separators);
                continue 'again;
            }
        }
        let with_scale = format!("lr{scale}");
        for ending in ENDINGS.into_iter().chain([&*with_scale]) {
            if let Some(rest) = key.strip_suffix(ending)
                && rest.ends_with(separators)
            {
                key = rest.trim_end_matches(separators);
                continue 'again;
            }
        }
        return match key {
            "" => full,
            key => key.to_owned(),
        };
    }
}

/// The images of a folder that are not hidden, by name.
fn files(folder: &Path, notes: &mut Vec<String>) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| {
        let reason = format!("cannot be listed ({error}); name a folder of images");
        unsuitable(folder, reason)
    };
    let mut files = Vec::new();
    let mut others = OtherFormats::default();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if !has_extension(&path) {
            others.count(&path);
        } else if path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        let reason = match others.told() {
            None => "holds no images; name a folder of images".to_owned(),
            Some((what, _)) => format!("holds no images but {what}; convert to another format"),
        };
        return Err(unsuitable(folder, reason));
    }
    notes.extend(others.note(folder));
    files.sort();
    Ok(files)
}

pub fn unsuitable(path: &Path, reason: impl Into<String>) -> Failure {
    Failure::Unsuitable {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_data_sets_belong_together() {
        let key = |name: &str| key(Path::new(name), 4);
        for name in [
            "a/head.png",
            "b/HEAD.jpg",
            "headx4.png",
            "head_x4.png",
            "head_LRBI_x4.png",
            "head_HR_x4.png",
            "head_SRF_4_LR.png",
            "head-lr.png",
            "head_LR4.png",
        ] {
            assert_eq!(key(name), "head", "{name}");
        }
        // Another scale, a word that ends like that, and nothing else.
        assert_eq!(key("headx2.png"), "headx2");
        assert_eq!(key("head_LR2.png"), "head_lr2");
        assert_eq!(key("headlr4.png"), "headlr4");
        assert_eq!(key("chr.png"), "chr");
        assert_eq!(key("x4.png"), "x4");
        assert_ne!(key("img_001.png"), key("img_002.png"));
    }
}
