//! Upscaling the pictures, and measuring the results.

use super::args::EvaluateArgs;
use super::grid::Grids;
use super::inputs::{Entry, Pair};
use super::measures::Measures;
use super::report::{Image, Retried, Unmeasured};
use crate::cli::failure::Failure;
use crate::cli::signals::Stop;
use crate::cli::terminal;
use indicatif::ProgressBar;
use srdiff::image::Picture;
use srdiff::upscale::{Progress, SampleOptions, Upscaler};
use std::time::{Duration, Instant};

/// What every picture is measured with.
pub struct Measuring<'a> {
    pub args: &'a EvaluateArgs,
    pub scale: usize,
    pub samples: &'a [SampleOptions],
    pub stop: &'a Stop,
    pub bar: ProgressBar,
}

/// What all pictures came to.
pub struct Results {
    /// Of bicubic, and then of each sampler and number of steps.
    pub images: Vec<Vec<Image>>,
    pub failed: Vec<Unmeasured>,
    pub retried: Vec<Retried>,
    /// How many pictures have opacity.
    pub with_alpha: usize,
    /// Why grids are not written.
    pub unwritten: Vec<Failure>,
}

/// What one picture came to.
struct Measured {
    pair: Pair,
    /// Of bicubic and then of each sampler and number of steps.
    measures: Vec<Measures>,
    /// The first result of each of them.
    shown: Vec<Picture>,
    retried: Vec<Retried>,
}

impl Measuring<'_> {
    /// Measures one picture after the other until it is stopped. Some have `failed`
    /// already. The failure of the only picture is that of all.
    pub fn all(
        &self,
        upscaler: &mut Upscaler,
        entries: &[Entry],
        failed: Vec<Unmeasured>,
        grids: &mut Grids<'_>,
    ) -> Result<Results, Failure> {
        let mut results = Results {
            images: (0..=self.samples.len()).map(|_| Vec::new()).collect(),
            failed,
            retried: Vec::new(),
            with_alpha: 0,
            unwritten: Vec::new(),
        };
        let is_only = entries.len() + results.failed.len() == 1;
        // Results of each picture.
        let each = self.samples.len() * self.args.samples as usize;
        for (entry, index) in entries.iter().zip(1..) {
            match self.one(upscaler, entry) {
                Ok(found) => {
                    let image = |measures| Image {
                        image: entry.name(),
                        measures,
                    };
                    let measures = found.measures.into_iter().map(image);
                    for (images, image) in results.images.iter_mut().zip(measures) {
                        images.push(image);
                    }
                    results.retried.extend(found.retried);
                    results.with_alpha += usize::from(found.pair.has_alpha);
                    let drawn = grids.add(entry, &found.pair, &found.shown);
                    results.unwritten.extend(drawn.err());
                }
                Err(_) if self.stop.is_asked() => break,
                Err(failure) if is_only => return Err(failure),
                Err(failure) => {
                    self.say(&format!("error: {failure}"));
                    results.failed.push(Unmeasured {
                        image: entry.name(),
                        reason: failure.to_string(),
                    });
                }
            }
            self.bar.set_position((index * each) as u64);
            if self.stop.is_asked() {
                break;
            }
        }
        Ok(results)
    }

    fn one(&self, upscaler: &mut Upscaler, entry: &Entry) -> Result<Measured, Failure> {
        let pair = entry.open(self.scale, self.args.max_pixels)?;
        for note in &pair.notes {
            self.say(&format!("note: {note}"));
        }
        let enlarged = pair.lr.resized(pair.hr.width, pair.hr.height);
        let enlarged = [enlarged.map_err(|error| entry.refused(error))?];
        let mut measured = Measured {
            measures: vec![Measures::of(&enlarged, &pair, entry, None)?],
            shown: enlarged.into(),
            retried: Vec::new(),
            pair,
        };
        for sample in self.samples {
            let mut results = Vec::new();
            let mut seconds = 0.0;
            for index in 0..self.args.samples {
                let sample = SampleOptions {
                    sample: index,
                    ..*sample
                };
                let (result, time) = self.timed(upscaler, entry, &sample, &mut measured)?;
                results.push(result);
                seconds += time.as_secs_f64();
                self.bar.inc(1);
            }
            let seconds = Some(seconds / f64::from(self.args.samples));
            let measures = Measures::of(&results, &measured.pair, entry, seconds)?;
            measured.measures.push(measures);
            measured.shown.push(results.swap_remove(0));
        }
        Ok(measured)
    }

    /// Upscales, and measures the time without loading.
    fn timed(
        &self,
        upscaler: &mut Upscaler,
        entry: &Entry,
        sample: &SampleOptions,
        measured: &mut Measured,
    ) -> Result<(Picture, Duration), Failure> {
        let mut started = Instant::now();
        let lr = &measured.pair.lr;
        let result = upscaler.upscale_with_report(lr, sample, &mut |progress| {
            if progress == Progress::Image {
                started = Instant::now();
            }
            self.stop.flow()
        });
        let time = started.elapsed();
        let (result, report) = result.map_err(Failure::upscaling(entry.hr.display()))?;
        for retry in report.retried {
            self.say(&format!("note: {}: {retry}", entry.hr.display()));
            measured.retried.push(Retried {
                image: entry.name(),
                sampler: sample.sampler.to_string(),
                steps: sample.steps,
                reason: retry.to_string(),
            });
        }
        Ok((result, time))
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| terminal::status(line));
    }
}
