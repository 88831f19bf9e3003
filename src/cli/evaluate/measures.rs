//! What is measured, and by which protocol.

use super::args::EvaluateArgs;
use super::inputs::{Entry, Pair, unsuitable};
use super::means::Counted;
use super::report::Report;
use crate::cli::failure::Failure;
use crate::cli::terminal::printable;
use serde::Serialize;
use srdiff::image::{Picture, metrics};

/// The measures of one picture, or the means over all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measures {
    pub psnr_y: f64,
    pub ssim_y: f64,
    pub psnr_rgb: f64,
    pub ssim_rgb: f64,
    pub lr_psnr: f64,
    pub ssimulacra2: f64,
    /// With several samples.
    pub pixel_sigma: Option<f64>,
    /// None for bicubic.
    pub seconds: Option<f64>,
}

impl Measures {
    /// Compares the results for one picture, one for each sample.
    pub fn of(
        results: &[Picture],
        pair: &Pair,
        entry: &Entry,
        seconds: Option<f64>,
    ) -> Result<Self, Failure> {
        let scale = pair.hr.width / pair.lr.width;
        let failed = |error: metrics::MetricError| match error {
            metrics::MetricError::NoMemory(error) => entry.refused(error),
            error => unsuitable(&entry.hr, format!("cannot be measured: {error}")),
        };
        let one = |result: &Picture| {
            Ok(Self {
                psnr_y: metrics::psnr_y(result, &pair.hr, scale)?,
                ssim_y: metrics::ssim_y(result, &pair.hr, scale)?,
                psnr_rgb: metrics::psnr_rgb(result, &pair.hr, 0)?,
                ssim_rgb: metrics::ssim_rgb(result, &pair.hr)?,
                lr_psnr: metrics::lr_psnr(result, &pair.lr)?,
                ssimulacra2: metrics::ssimulacra2(result, &pair.hr)?,
                pixel_sigma: None,
                seconds,
            })
        };
        let all: Result<Vec<Self>, _> = results.iter().map(one).collect();
        let mut measures = Self::mean(&all.map_err(failed)?);
        if results.len() > 1 {
            measures.pixel_sigma = Some(metrics::pixel_sigma(results).map_err(failed)?);
        }
        Ok(measures)
    }

    /// The means of all.
    pub fn mean<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let all: Vec<&Self> = all.into_iter().collect();
        let count = all.len() as f64;
        let mean = |value: fn(&Self) -> f64| all.iter().map(|m| value(m)).sum::<f64>() / count;
        let optional = |value: fn(&Self) -> Option<f64>| {
            let sum: Option<f64> = all.iter().map(|m| value(m)).sum();
            sum.map(|sum| sum / count)
        };
        Self {
            psnr_y: mean(|m| m.psnr_y),
            ssim_y: mean(|m| m.ssim_y),
            psnr_rgb: mean(|m| m.psnr_rgb),
            ssim_rgb: mean(|m| m.ssim_rgb),
            lr_psnr: mean(|m| m.lr_psnr),
            ssimulacra2: mean(|m| m.ssimulacra2),
            pixel_sigma: optional(|m| m.pixel_sigma),
            seconds: optional(|m| m.seconds),
        }
    }
}

/// The exact protocol in sentences, of the report without it.
///
/// HR images are cropped to multiples of `multiple`; of `total` images, those that are
/// neither in the report nor failed are missing because it was stopped.
pub fn protocol(
    args: &EvaluateArgs,
    multiple: usize,
    total: usize,
    report: &Report,
    counted: &Counted,
) -> Vec<String> {
    let scale = report.scale;
    let samples = args.samples;
    let input = match &args.lr {
        Some(folder) => format!(
            "LR images are those of {}; HR images are cropped at the right and bottom to {scale} times their size.",
            printable(&folder.display().to_string())
        ),
        None => format!(
            "HR images are cropped at the right and bottom to multiples of {multiple}, and LR images are made from them: {scale} times smaller, bicubic and antialiased as MATLAB's imresize, rounded to 8 bits."
        ),
    };
    let mut protocol = vec![
        input,
        format!(
            "PSNR-Y and SSIM-Y are of the luma (BT.601, 16 to 235, not rounded) without {scale} pixels on each side, SSIM with a Gaussian window of 11x11 (sigma 1.5), valid region."
        ),
        "PSNR-RGB and SSIM-RGB are of R, G and B in 8 bits with nothing shaved off, SSIM with a uniform window of 7x7 (sample covariance), valid region, as in SRDiff's paper. LR-PSNR is of R, G and B too: the result, shrunk in the same way, against the LR image. SSIMULACRA2 (100: no difference) takes the whole image as sRGB.".to_owned(),
    ];
    let mut given = Vec::new();
    if args.consistent {
        given.push("--consistent".to_owned());
    }
    if args.strength != 1.0 {
        given.push(format!("--strength {}", args.strength));
    }
    if !given.is_empty() {
        protocol.push(format!("Results are made with {}.", given.join(" and ")));
    }
    let measured = report.measured();
    let images = match measured {
        1 => "1 image".to_owned(),
        images => format!("{images} images"),
    };
    let mut means = format!("Values are means over {images}");
    if samples > 1 {
        means.push_str(&format!(
            " and {samples} samples of each; pixel sigma is the standard deviation of each pixel's R, G and B over them (divided by n - 1), averaged, in levels of 8 bits"
        ));
    }
    protocol.push(means + ".");
    let left_out = counted.left_out();
    if !left_out.is_empty() {
        let left_out = left_out
            .iter()
            .map(|(measure, count)| format!("{count} of {measure}"));
        protocol.push(format!(
            "A PSNR is infinite where nothing differs. An image of which one is, is left out of the means of that measure in all rows: {}.",
            left_out.collect::<Vec<_>>().join(", ")
        ));
    }
    match report.with_alpha {
        0 => {}
        count => protocol.push(format!(
            "Opacity is left out, and hidden colours count as any other: images with opacity: {count}."
        )),
    }
    if !report.retried.is_empty() {
        let mut images: Vec<&str> = report.retried.iter().map(|r| &*r.image).collect();
        images.dedup();
        protocol.push(format!(
            "What a device failed at was run again, in smaller tiles, in f32 or on the CPU: results of {}.",
            listed(images)
        ));
    }
    let failed = &report.failed;
    if !failed.is_empty() {
        protocol.push(format!(
            "Not in the means, because they failed: {}.",
            listed(failed.iter().map(|f| &*f.image))
        ));
    }
    match total - measured - failed.len() {
        0 => {}
        left => protocol.push(format!(
            "It was stopped, and {left} of {total} images are not in the means."
        )),
    }
    protocol
}

/// Names of files, which could break a line.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(printable).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::report::{Image, Retried, Setting};
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: EvaluateArgs,
    }

    #[test]
    fn results_of_another_try_are_told() {
        let args = Line::parse_from(["evaluate", "photos"]).args;
        let image = Image {
            image: "a.png".to_owned(),
            measures: Measures::default(),
        };
        let rows = [vec![image]];
        let counted = Counted::of(&rows);
        let mut report = Report::of(
            rows.map(|row| Setting::new("ddim".to_owned(), Some(1), row, &counted))
                .into(),
        );
        let told = |report: &Report| protocol(&args, 8, 1, report, &counted).join("\n");
        assert!(!told(&report).contains("run again"));
        report.retried = [5, 10]
            .map(|steps| Retried {
                image: "a.png".to_owned(),
                sampler: "ddim".to_owned(),
                steps,
                reason: String::new(),
            })
            .into();
        assert!(told(&report).contains("on the CPU: results of a.png."));
    }
}
