//! Measuring while a model is trained, with something to look at.

use super::args::TrainArgs;
use super::failure::TrainFailure;
use super::photos::note_skipped;
use super::save;
use crate::cli::canvas::Canvas;
use crate::cli::failure::Failure;
use crate::cli::signals::Stop;
use crate::cli::terminal;
use srdiff::image::{EncodeOptions, ImageError, OutputFormat, Picture, Text};
use srdiff::model::Settings;
use srdiff::model::convert::{ConvertOptions, assemble};
use srdiff::train::validation::{Held, Validation, ValidationError};
use srdiff::train::{OpenDevice, Session};
use std::path::{Path, PathBuf};

/// Images that are shown, one below the other, and their longest side.
const ROWS: usize = 4;
const SIDE: usize = 256;
/// White between them.
const GAP: usize = 8;
/// LR, bicubic, result, HR.
const COLUMNS: usize = 4;

/// Where the images are shown.
pub fn picture_file(args: &TrainArgs) -> PathBuf {
    args.output.with_extension("validation.png")
}

/// Tells such a picture from others.
fn mark() -> Text {
    Text {
        keyword: "Software".to_owned(),
        text: save::SOURCE.to_owned(),
        ..Text::default()
    }
}

/// Whether a file is a picture that a training has made.
pub fn is_shown(file: &Path) -> bool {
    Picture::open(file).is_ok_and(|picture| picture.metadata.texts.contains(&mark()))
}

/// Images of a folder, what was measured last, and where it is shown.
pub struct Validator {
    validation: Validation,
    folder: PathBuf,
    /// The file of the images side by side.
    picture: PathBuf,
    png: Vec<u8>,
    size: [usize; 2],
    measured_step: Option<u64>,
}

impl Validator {
    /// With the images of a folder.
    pub fn load(
        args: &TrainArgs,
        folder: &Path,
        images: &[PathBuf],
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let failed = |error| of_folder(folder, error);
        let (validation, skipped) = Validation::load(images, settings).map_err(failed)?;
        note_skipped(&skipped);
        let (exact, name) = (validation.exact(), folder.display());
        if exact == validation.images().len() {
            terminal::status(&format!(
                "note: bicubic enlargement makes all images of {name} exactly, so its PSNR says nothing"
            ));
        } else if exact > 0 {
            terminal::status(&format!(
                "note: bicubic enlargement makes {exact} of the images of {name} exactly, and the means are of the others"
            ));
        }
        Ok(Self {
            validation,
            folder: folder.to_owned(),
            picture: picture_file(args),
            png: Vec::new(),
            size: [0; 2],
            measured_step: None,
        })
    }

    /// The step whose model was measured last.
    pub fn measured_step(&self) -> Option<u64> {
        self.measured_step
    }

    /// The images side by side, as they were measured last: width, height, PNG file.
    pub fn shown(&self) -> ([usize; 2], &[u8]) {
        (self.size, &self.png)
    }

    /// Measures the averages, and writes the images side by side. Gives the PSNR-Y of
    /// both, the model's and bicubic enlargement's, in dB.
    pub fn measure(
        &mut self,
        session: &mut Session,
        device: &OpenDevice,
        stop: &Stop,
    ) -> Result<[f64; 2], Failure> {
        let averages = session.averages().map_err(TrainFailure::from)?;
        let settings = session.model().settings().clone();
        let model = assemble(
            "the averages",
            &settings,
            &averages,
            &ConvertOptions::default(),
        )?;
        let stage = session.options().trainer.stage;
        let measured = (self.validation)
            .measure(model, stage, device, &|| stop.is_asked())
            .map_err(|error| of_folder(&self.folder, error))?;
        let (psnr, bicubic) = (measured.psnr_y, measured.bicubic_psnr_y);
        let name = self.folder.file_name().unwrap_or(self.folder.as_os_str());
        session.note_measured(format!(
            "PSNR-Y {psnr:.2} dB on {} images of {} (bicubic {bicubic:.2} dB)",
            measured.counted,
            name.to_string_lossy(),
        ));
        self.measured_step = Some(session.done());
        let images = self.validation.images().iter().zip(&measured.results);
        let mut grid = grid(&images.take(ROWS).collect::<Vec<_>>(), settings.scale);
        grid.metadata.texts.push(mark());
        let of_picture = |problem| {
            Failure::Output(ImageError {
                file: self.picture.clone(),
                problem,
            })
        };
        let options = EncodeOptions::default();
        let png = grid.encode(OutputFormat::Png, &options);
        (self.png, self.size) = (png.map_err(of_picture)?, [grid.width, grid.height]);
        grid.save(&self.picture, OutputFormat::Png, &options, true)
            .map_err(Failure::Output)?;
        Ok([psnr, bicubic])
    }
}

fn of_folder(folder: &Path, error: ValidationError) -> Failure {
    let folder = folder.to_owned();
    TrainFailure::Validation { folder, error }.into()
}

/// Images, one below the other: LR, bicubic, result, HR, of each the middle.
fn grid(images: &[(&Held, &Picture)], scale: usize) -> Picture {
    let shown =
        |image: &Held| [image.hr.width, image.hr.height].map(|side| side.min(SIDE) / scale * scale);
    let sizes: Vec<[usize; 2]> = images.iter().map(|(image, _)| shown(image)).collect();
    let width = sizes.iter().map(|size| size[0]).max().unwrap_or(1);
    let height: usize = sizes.iter().map(|size| size[1] + GAP).sum();
    let mut canvas = Canvas::new(COLUMNS * (width + GAP) + GAP, height + GAP);
    let mut top = GAP;
    for ((image, result), size) in images.iter().zip(sizes) {
        let corner = [image.hr.width - size[0], image.hr.height - size[1]]
            .map(|rest| rest / 2 / scale * scale);
        let columns = [
            (&image.lr, scale),
            (&image.bicubic, 1),
            (*result, 1),
            (&image.hr, 1),
        ];
        for (column, (picture, enlarged)) in columns.into_iter().enumerate() {
            let rgb = picture.rgb8();
            canvas.fill([GAP + column * (width + GAP), top], size, |x, y| {
                let [x, y] = [corner[0] + x, corner[1] + y].map(|at| at / enlarged);
                let start = 3 * (y * picture.width + x);
                [rgb[start], rgb[start + 1], rgb[start + 2]]
            });
        }
        top += size[1] + GAP;
    }
    canvas.into_picture()
}
