//! Pictures side by side, to compare by eye.

use super::args::EvaluateArgs;
use super::inputs::{Entry, Pair, unsuitable};
use crate::cli::canvas::Canvas;
use crate::cli::failure::Failure;
use crate::cli::places::{Kept, Taken};
use crate::cli::terminal;
use srdiff::atomic_file::{remove_leftovers, remove_leftovers_beside};
use srdiff::image::{MAX_PIXELS, OutputFormat, Picture, check_writable, metrics::luma};
use std::fs;
use std::path::{Path, PathBuf};

/// The option that names the place of grids.
const OPTION: &str = "--grid";
/// White between the parts, in pixels.
const GAP: usize = 8;
/// How much larger the crops are shown.
const ZOOM: usize = 4;

/// Where the grids go.
pub enum Grids<'a> {
    None,
    /// One file, grids one below the other.
    File {
        path: &'a Path,
        overwrite: bool,
        canvas: Canvas,
        /// The next free row.
        top: usize,
    },
    Folder {
        path: &'a Path,
        overwrite: bool,
    },
}

impl<'a> Grids<'a> {
    /// Checks what can be checked before any work. Grids replace no files that are
    /// `kept`, and none that are `taken` by what the options are for.
    pub fn new(
        args: &'a EvaluateArgs,
        entries: &[Entry],
        settings: usize,
        kept: &Kept,
        taken: &mut Taken<&'static str>,
    ) -> Result<Self, Failure> {
        let Some(path) = &args.grid else {
            return Ok(Self::None);
        };
        let mut take = |path: &Path| -> Result<Option<&str>, Failure> {
            kept.check(OPTION, path)?;
            Ok(taken.take(path, OPTION))
        };
        let by_other = |other, path: &Path| Failure::SamePlace {
            option: OPTION,
            path: path.to_owned(),
            other,
        };
        if terminal::is_stdout(path) {
            let text = "--grid -: name a .png file or a folder".to_owned();
            return Err(Failure::Usage(text));
        }
        if let Some(other) = take(path)? {
            return Err(by_other(other, path));
        }
        let overwrite = args.force;
        let columns = settings + 3;
        let sizes = entries.iter().map(|entry| grid_size(entry.size, columns));
        if path.extension().is_some() && !path.is_dir() {
            match OutputFormat::from_path(path).map_err(Failure::Output)? {
                OutputFormat::Png => {}
                _ => {
                    let text = format!("--grid {}: name a .png file or a folder", path.display());
                    return Err(Failure::Usage(text));
                }
            }
            check_writable(path, overwrite).map_err(Failure::Output)?;
            remove_leftovers_beside(path);
            let (width, height) = sizes.fold((0, GAP), |(width, height), size| {
                (width.max(size[0]), height + size[1])
            });
            if width as u64 * height as u64 > MAX_PIXELS {
                let reason = format!(
                    "would have {width}x{height} pixels; give --grid a folder for one file a picture, or fewer --samplers and --steps"
                );
                return Err(unsuitable(path, reason));
            }
            return Ok(Self::File {
                path,
                overwrite,
                canvas: Canvas::new(width, height),
                top: 0,
            });
        }
        for (entry, [width, height]) in entries.iter().zip(sizes) {
            let file = file_in(path, entry);
            let size = OutputFormat::Png.check(&file, width, height + GAP);
            size.map_err(Failure::Output)?;
            match take(&file)? {
                None => {}
                Some(OPTION) => {
                    let reason = "would be written for two pictures that differ in extension or case only; rename one of them";
                    return Err(unsuitable(&file, reason));
                }
                Some(other) => return Err(by_other(other, &file)),
            }
            if path.is_dir() {
                check_writable(&file, overwrite).map_err(Failure::Output)?;
            }
        }
        if path.is_dir() {
            remove_leftovers(path);
        } else {
            // Its parent takes new files, and nothing of that name is there.
            check_writable(path, false).map_err(Failure::Output)?;
        }
        Ok(Self::Folder { path, overwrite })
    }

    /// Draws the grid of one picture; `results` are bicubic and the others.
    pub fn add(&mut self, entry: &Entry, pair: &Pair, results: &[Picture]) -> Result<(), Failure> {
        match self {
            Self::None => Ok(()),
            Self::File { canvas, top, .. } => {
                draw(canvas, *top, pair, results);
                *top += grid_size(entry.size, results.len() + 2)[1];
                Ok(())
            }
            Self::Folder { path, overwrite } => {
                let [width, height] = grid_size(entry.size, results.len() + 2);
                let mut canvas = Canvas::new(width, height + GAP);
                draw(&mut canvas, 0, pair, results);
                fs::create_dir_all(*path).map_err(|error| {
                    unsuitable(
                        path,
                        format!("cannot be made ({error}); give another folder"),
                    )
                })?;
                canvas.save(&file_in(path, entry), *overwrite)
            }
        }
    }

    /// Writes what is not written yet: of the pictures that were added.
    pub fn finish(self) -> Result<(), Failure> {
        match self {
            Self::File {
                path,
                overwrite,
                mut canvas,
                top,
            } => {
                canvas.crop(top + GAP);
                canvas.save(path, overwrite)
            }
            Self::None | Self::Folder { .. } => Ok(()),
        }
    }
}

fn file_in(folder: &Path, entry: &Entry) -> PathBuf {
    let mut name = entry.hr.file_stem().unwrap_or_default().to_owned();
    name.push(".png");
    folder.join(name)
}

/// Size of the region that is shown larger.
fn region_size(size: [usize; 2]) -> [usize; 2] {
    size.map(|side| (side / ZOOM).max(1))
}

/// Size of a grid with a gap to the left and above everything, and to the right.
fn grid_size([width, height]: [usize; 2], columns: usize) -> [usize; 2] {
    let crop = ZOOM * region_size([width, height])[1];
    [columns * (width + GAP) + GAP, height + crop + 2 * GAP]
}

fn draw(canvas: &mut Canvas, top: usize, pair: &Pair, results: &[Picture]) {
    let size = [pair.hr.width, pair.hr.height];
    let scale = size[0] / pair.lr.width;
    let region = region_size(size);
    let corner = most_detailed(&pair.hr, region);
    let columns = std::iter::once((&pair.lr, scale));
    let columns = columns.chain(results.iter().map(|result| (result, 1)));
    let columns = columns.chain([(&pair.hr, 1)]);
    for (index, (picture, enlarged)) in columns.enumerate() {
        let left = GAP + index * (size[0] + GAP);
        let rgb = picture.rgb8();
        // The pixel that is nearest to a place of the HR picture.
        let at = |x: usize, y: usize| {
            let start = 3 * (y / enlarged * picture.width + x / enlarged);
            [rgb[start], rgb[start + 1], rgb[start + 2]]
        };
        canvas.fill([left, top + GAP], size, at);
        let below = top + 2 * GAP + size[1];
        canvas.fill([left, below], region.map(|side| ZOOM * side), |x, y| {
            at(corner[0] + x / ZOOM, corner[1] + y / ZOOM)
        });
    }
}

/// The corner of the region of a picture in which neighbouring pixels differ
/// most.
fn most_detailed(picture: &Picture, [width, height]: [usize; 2]) -> [usize; 2] {
    let rgb = picture.rgb8();
    let light = |x: usize, y: usize| {
        let start = 3 * (y * picture.width + x);
        luma([rgb[start], rgb[start + 1], rgb[start + 2]])
    };
    // Sums over everything above and to the left of each place.
    let row = picture.width + 1;
    let mut sums = vec![0.0; row * (picture.height + 1)];
    for y in 0..picture.height {
        let mut sum = 0.0;
        for x in 0..picture.width {
            let here = light(x, y);
            let right = light((x + 1).min(picture.width - 1), y);
            let below = light(x, (y + 1).min(picture.height - 1));
            sum += (right - here).abs() + (below - here).abs();
            sums[(y + 1) * row + x + 1] = sums[y * row + x + 1] + sum;
        }
    }
    let detail = |x: usize, y: usize| {
        let at = |x: usize, y: usize| sums[y * row + x];
        at(x + width, y + height) - at(x, y + height) - at(x + width, y) + at(x, y)
    };
    let places = (0..=picture.height - height)
        .flat_map(|y| (0..=picture.width - width).map(move |x| [x, y]));
    places
        .max_by(|a, b| detail(a[0], a[1]).total_cmp(&detail(b[0], b[1])))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_with_most_detail_is_found() {
        let mut rgb = vec![90; 3 * 20 * 12];
        for (x, y) in [(13, 6), (15, 6), (14, 7), (13, 8), (15, 8)] {
            rgb[3 * (20 * y + x)] = 255;
        }
        let corner = most_detailed(&Picture::new(20, 12, rgb), [5, 5]);
        assert_eq!(
            corner,
            [12, 5],
            "the only place that holds all of them and their edges"
        );
    }
}
