//! The table, and the files for other programs.

use super::means::Counted;
use super::measures::Measures;
use crate::cli::failure::Failure;
use crate::cli::terminal;
use serde::Serialize;
use srdiff::atomic_file;
use srdiff::image::{ImageError, ImageProblem};
use std::path::Path;

/// All that is measured. In JSON, an infinite PSNR is null.
#[derive(Serialize)]
pub struct Report {
    pub model: String,
    pub device: String,
    pub precision: String,
    pub scale: usize,
    pub seed: u64,
    pub samples: u32,
    pub consistent: bool,
    pub strength: f64,
    pub protocol: Vec<String>,
    pub results: Vec<Setting>,
    /// Pictures that are in none of them.
    pub failed: Vec<Unmeasured>,
    /// Tries that came before results, on another device or in another precision.
    pub retried: Vec<Retried>,
    /// How many pictures have opacity, which is not measured.
    pub with_alpha: usize,
}

/// A result that is not of the first try.
#[derive(Serialize)]
pub struct Retried {
    pub image: String,
    pub sampler: String,
    pub steps: usize,
    /// What went wrong, and what was done.
    pub reason: String,
}

/// A picture that could not be measured.
#[derive(Serialize)]
pub struct Unmeasured {
    pub image: String,
    pub reason: String,
}

/// What one way of upscaling came to.
#[derive(Serialize)]
pub struct Setting {
    pub sampler: String,
    /// None for bicubic.
    pub steps: Option<usize>,
    pub mean: Measures,
    pub images: Vec<Image>,
}

#[derive(Serialize)]
pub struct Image {
    pub image: String,
    #[serde(flatten)]
    pub measures: Measures,
}

impl Setting {
    pub fn new(
        sampler: String,
        steps: Option<usize>,
        images: Vec<Image>,
        counted: &Counted,
    ) -> Self {
        Self {
            sampler,
            steps,
            mean: counted.means(&images),
            images,
        }
    }

    fn row(&self, with_sigma: bool) -> String {
        let Measures {
            psnr_y,
            ssim_y,
            psnr_rgb,
            ssim_rgb,
            lr_psnr,
            ssimulacra2,
            pixel_sigma,
            seconds,
        } = self.mean;
        let or_dash = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
        let steps = self.steps.map_or("-".to_owned(), |steps| steps.to_string());
        let sigma = match with_sigma {
            true => format!(" {} |", or_dash(pixel_sigma)),
            false => String::new(),
        };
        format!(
            "| {} | {steps} | {psnr_y:.2} | {ssim_y:.4} | {psnr_rgb:.2} | {ssim_rgb:.4} | {lr_psnr:.2} | {ssimulacra2:.2} |{sigma} {} |\n",
            self.sampler,
            or_dash(seconds)
        )
    }
}

impl Report {
    /// How many pictures were measured.
    pub fn measured(&self) -> usize {
        self.results
            .first()
            .map_or(0, |setting| setting.images.len())
    }

    /// The means as a Markdown table, and the protocol.
    pub fn table(&self) -> String {
        let with_sigma = self.samples > 1;
        let (sigma, line) = match with_sigma {
            true => (" pixel sigma |", "--:|"),
            false => ("", ""),
        };
        let mut table = format!(
            "| sampler | steps | PSNR-Y (dB) | SSIM-Y | PSNR-RGB (dB) | SSIM-RGB | LR-PSNR (dB) | SSIMULACRA2 |{sigma} s per image |\n|---|--:|--:|--:|--:|--:|--:|--:|{line}--:|\n"
        );
        table.extend(self.results.iter().map(|setting| setting.row(with_sigma)));
        format!("{table}\n{}\n", self.protocol.join("\n"))
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain data") + "\n"
    }

    /// A row for each picture and one, called `mean`, for the means. The
    /// protocol stands before them, in lines that start with #.
    pub fn to_csv(&self) -> String {
        #[derive(Serialize)]
        struct Row<'a> {
            image: &'a str,
            sampler: &'a str,
            steps: Option<usize>,
            psnr_y: f64,
            ssim_y: f64,
            psnr_rgb: f64,
            ssim_rgb: f64,
            lr_psnr: f64,
            ssimulacra2: f64,
            pixel_sigma: Option<f64>,
            seconds: Option<f64>,
        }
        let comment: String = self
            .protocol
            .iter()
            .map(|line| format!("# {line}\n"))
            .collect();
        // A picture may be called as comments begin.
        let mut csv = csv::WriterBuilder::new();
        let mut csv = csv.comment(Some(b'#')).from_writer(comment.into_bytes());
        for setting in &self.results {
            let images = setting
                .images
                .iter()
                .map(|i| (i.image.as_str(), &i.measures));
            for (image, measures) in images.chain([("mean", &setting.mean)]) {
                csv.serialize(Row {
                    image,
                    sampler: &setting.sampler,
                    steps: setting.steps,
                    psnr_y: measures.psnr_y,
                    ssim_y: measures.ssim_y,
                    psnr_rgb: measures.psnr_rgb,
                    ssim_rgb: measures.ssim_rgb,
                    lr_psnr: measures.lr_psnr,
                    ssimulacra2: measures.ssimulacra2,
                    pixel_sigma: measures.pixel_sigma,
                    seconds: measures.seconds,
                })
                .expect("rows of plain data, into memory");
            }
        }
        let csv = csv.into_inner().expect("memory takes all that is written");
        String::from_utf8(csv).expect("all of it is text")
    }
}

/// Writes a file, if it is asked for, whole or not at all.
pub fn write(
    path: Option<&Path>,
    overwrite: bool,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    if terminal::is_stdout(path) {
        return terminal::answer(&text());
    }
    atomic_file::remove_leftovers_beside(path);
    atomic_file::write(path, text().as_bytes(), overwrite).map_err(|fault| {
        Failure::Output(ImageError {
            file: path.to_owned(),
            problem: ImageProblem::from(fault),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Report {
        pub fn of(results: Vec<Setting>) -> Self {
            Self {
                model: String::new(),
                device: String::new(),
                precision: String::new(),
                scale: 4,
                seed: 0,
                samples: 1,
                consistent: false,
                strength: 1.0,
                protocol: Vec::new(),
                failed: Vec::new(),
                retried: Vec::new(),
                with_alpha: 0,
                results,
            }
        }
    }

    #[test]
    fn rows_hold_means() {
        let image = |(psnr_y, seconds)| Image {
            image: "a.png".to_owned(),
            measures: Measures {
                psnr_y,
                ssim_y: 0.5,
                lr_psnr: 40.0,
                seconds,
                ..Measures::default()
            },
        };
        let ddim = [(20.0, Some(2.0)), (30.0, Some(4.0))].map(image).into();
        let bicubic = [(20.0, None), (30.0, None)].map(image).into();
        let rows = [ddim, bicubic];
        let counted = Counted::of(&rows);
        let [ddim, bicubic] = rows;
        let report = Report::of(vec![
            Setting::new("ddim".to_owned(), Some(10), ddim, &counted),
            Setting::new("bicubic".to_owned(), None, bicubic, &counted),
        ]);
        let table = report.table();
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows[0],
            "| ddim | 10 | 25.00 | 0.5000 | 0.00 | 0.0000 | 40.00 | 0.00 | 3.00 |"
        );
        assert_eq!(
            rows[1],
            "| bicubic | - | 25.00 | 0.5000 | 0.00 | 0.0000 | 40.00 | 0.00 | - |"
        );
    }
}
