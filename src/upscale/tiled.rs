//! The reverse process over tiles.
//!
//! All tiles share one canvas, the image with its margin. In each step, every
//! tile's estimate of x_0 is blended into the canvas, and x_{t-1} is computed
//! there, with noise that depends on the position in the canvas alone. So tiles
//! agree at every step, not only in the end, and no seam shows.
//!
//! Only a band of the canvas is held. A segment is the rows from the top of one
//! row of tiles to the top of the next, and a row of tiles covers its own segment
//! and the first rows of the one below. So it can do step `k` as soon as the
//! segment below has done `k - 1`, whatever comes further down:
//!
//! ```text
//! wave        0    1    2    3
//! segment 0  x_T  k=0  k=1  k=2  -> written
//! segment 1       x_T  k=0  k=1
//! segment 2            x_T  k=0
//! ```

mod held;
mod segment;

pub(super) use held::Held;

use super::consistency::Consistency;
use super::finish::{Finish, enlarged};
use super::progress::{OnProgress, Progress, notify};
use super::sample_options::SampleOptions;
use super::tiling::{MARGIN, Tiling};
use super::{UpscaleError, steps};
use crate::exec::{Executor, StepRecord};
use crate::host_memory::{NoMemory, zeros};
use crate::image::{Border, Colors, Planes};
use crate::model::{Settings, names};
use held::keeps_estimates;
use rayon::prelude::*;
use segment::{Encoded, Noise, Segment, for_rows, place, update};
use std::collections::VecDeque;

/// A run over tiles.
pub(super) struct Tiled<'a> {
    pub settings: &'a Settings,
    pub tiling: Tiling,
    /// Holds the program of one tile, its time tables computed.
    pub executor: &'a mut dyn Executor,
    pub records: &'a [StepRecord],
    pub colors: &'a Colors<'a>,
    /// Width and height of the image in LR pixels.
    pub size: [usize; 2],
    pub sample: &'a SampleOptions,
    /// An image to start from, in place of noise alone.
    pub start: Option<Start<'a>>,
    /// Corrects the estimate of a tile.
    pub consistency: Option<Consistency>,
}

/// An image of the result's size to start from.
pub(super) struct Start<'a> {
    pub colors: &'a Colors<'a>,
    /// Factors of its x_0 and of the noise.
    pub parts: [f32; 2],
}

impl Tiled<'_> {
    /// Runs everything and hands the result's rows to `finish`.
    pub fn run(
        &mut self,
        finish: &mut Finish<'_>,
        progress: OnProgress<'_>,
    ) -> Result<(), UpscaleError> {
        self.executor.set_records(self.records)?;
        let count = self.tiling.rows.count;
        let steps = self.records.len() - 1;
        let mut counter = Counter {
            done: 0,
            total: steps * self.tiling.count(),
            progress,
        };
        // The segments from `first` on, as far as they are begun.
        let mut first = 0;
        let mut band = VecDeque::new();
        notify(counter.progress, Progress::Image)?;
        for wave in 0..count + steps {
            if wave < count {
                band.push_back(self.segment(wave)?);
            }
            for step in 0..steps.min(wave) {
                let row = wave - 1 - step;
                if row >= count {
                    continue;
                }
                let at = row - first;
                if step == 0 {
                    band[at].tiles = self.encode(row, &mut counter)?;
                }
                self.predict(&mut band, at, row, step, &mut counter)?;
                let record = &self.records[steps::START + 1 + step];
                update(&mut band[at], record, &self.noise());
                if step + 1 == steps {
                    let done: Segment = band.pop_front().expect("the oldest is done first");
                    first += 1;
                    let x0 = Planes {
                        values: &done.x,
                        stride: self.width(),
                        first: [0, 0],
                    };
                    finish.residual(done.top, done.rows, &x0)?;
                }
            }
        }
        Ok(())
    }

    fn width(&self) -> usize {
        self.tiling.columns.length() * self.settings.scale
    }

    /// The noise of the canvas.
    fn noise(&self) -> Noise {
        let scale = self.settings.scale;
        let sample = self.sample;
        Noise {
            wrap: match sample.border {
                Border::Reflected => None,
                Border::Wrapped => Some(self.size.map(|side| (side * scale) as i32)),
            },
            toward: sample.other_noise(),
        }
    }

    /// A segment of x_T.
    fn segment(&self, row: usize) -> Result<Segment, NoMemory> {
        let (axis, scale) = (self.tiling.rows, self.settings.scale);
        let rows = match row + 1 == axis.count {
            true => axis.tile,
            false => axis.stride(),
        } * scale;
        let planes = || zeros(3 * self.width() * rows);
        let mut segment = Segment {
            top: row * axis.stride() * scale,
            rows,
            x: planes()?,
            x0: planes()?,
            previous: match keeps_estimates(self.records) {
                true => planes()?,
                false => Vec::new(),
            },
            tiles: Vec::new(),
        };
        let record = self.records[steps::START];
        match &self.start {
            None => update(&mut segment, &record, &self.noise()),
            Some(start) => {
                let whole = StepRecord {
                    sigma: 1.0,
                    ..record
                };
                update(&mut segment, &whole, &self.noise());
                self.mix(&mut segment, start)?;
            }
        }
        Ok(segment)
    }

    /// From noise to x_t of the image to start from.
    fn mix(&self, segment: &mut Segment, start: &Start<'_>) -> Result<(), NoMemory> {
        let scale = self.settings.scale;
        let lr_first = [0, segment.top / scale].map(|at| at as isize - MARGIN as isize);
        let lr_size = [self.width() / scale, segment.rows / scale];
        let up = enlarged(self.settings, self.colors, lr_first, lr_size)?;
        let first = lr_first.map(|at| at * scale as isize);
        let image = start.colors.window(first, [self.width(), segment.rows])?;
        let rescale = self.settings.res_rescale as f32;
        let [signal, noise] = start.parts;
        let values = segment.x.par_iter_mut().zip(image).zip(up);
        values.for_each(|((x, image), up)| {
            let x0 = ((2.0 * image - 1.0 - up) * rescale).clamp(-1.0, 1.0);
            *x = signal * x0 + noise * *x;
        });
        Ok(())
    }

    /// The LR image under a tile.
    fn lr(&self, column: usize, row: usize) -> Result<Vec<f32>, NoMemory> {
        let first = [
            column * self.tiling.columns.stride(),
            row * self.tiling.rows.stride(),
        ];
        let first = first.map(|at| at as isize - MARGIN as isize);
        self.colors.window(first, self.tiling.tile())
    }

    /// Encodes a row of tiles.
    fn encode(
        &mut self,
        row: usize,
        counter: &mut Counter<'_>,
    ) -> Result<Vec<Encoded>, UpscaleError> {
        (0..self.tiling.columns.count)
            .map(|column| {
                counter.show()?;
                let lr = self.lr(column, row)?;
                self.executor.write(names::LR, &lr)?;
                self.executor.run(names::IMAGE, steps::START)?;
                Ok(Encoded {
                    features: self.executor.read(names::FEATURES)?,
                    up: match self.settings.up_input {
                        true => self.executor.read(names::UP)?,
                        false => Vec::new(),
                    },
                })
            })
            .collect()
    }

    /// Adds the estimates of a row of tiles to its segments, the one at `at` in
    /// the band and the next.
    fn predict(
        &mut self,
        band: &mut VecDeque<Segment>,
        at: usize,
        row: usize,
        step: usize,
        counter: &mut Counter<'_>,
    ) -> Result<(), UpscaleError> {
        let Tiling { columns, rows } = self.tiling;
        let (scale, width) = (self.settings.scale, self.width());
        let size = self.tiling.tile().map(|side| side * scale);
        let row_weights = rows.weights(row, scale);
        for column in 0..columns.count {
            let left = column * columns.stride() * scale;
            let mut x = zeros(3 * size[0] * size[1])?;
            for_rows(&mut x, size, |channel, y, row| {
                let (segment, y) = place(band, at, y);
                let from = (channel * segment.rows + y) * width + left;
                row.copy_from_slice(&segment.x[from..][..size[0]]);
            });
            let tile = &band[at].tiles[column];
            self.executor.write(names::FEATURES, &tile.features)?;
            if self.settings.up_input {
                self.executor.write(names::UP, &tile.up)?;
            }
            self.executor.write(names::X, &x)?;
            self.executor.run(names::CONDITION, steps::START)?;
            self.executor.run(names::PREDICT, steps::START + 1 + step)?;
            let mut x0 = self.executor.read(names::X0)?;
            if let Some(consistency) = &self.consistency {
                let is_last = step + 2 == self.records.len();
                consistency.correct(&mut x0, &self.lr(column, row)?, is_last)?;
            }

            let column_weights = columns.weights(column, scale);
            let split = band[at].rows.min(size[1]);
            for (index, tile_rows) in [(at, 0..split), (at + 1, split..size[1])] {
                if tile_rows.is_empty() {
                    continue;
                }
                let segment = &mut band[index];
                let segment_rows = segment.rows;
                for_rows(
                    &mut segment.x0,
                    [width, segment_rows],
                    |channel, y, sums| {
                        let y = tile_rows.start + y;
                        if y >= tile_rows.end {
                            return;
                        }
                        let estimates = &x0[(channel * size[1] + y) * size[0]..][..size[0]];
                        let sums = &mut sums[left..][..size[0]];
                        for ((sum, x0), weight) in
                            sums.iter_mut().zip(estimates).zip(&column_weights)
                        {
                            // Not multiplied with zero: that would spread NaN, and
                            // what has no weight has none.
                            let weight = weight * row_weights[y];
                            if weight != 0.0 {
                                *sum += weight * x0;
                            }
                        }
                    },
                );
            }
            counter.done += 1;
            counter.show()?;
        }
        Ok(())
    }
}

/// Counts the steps of all tiles.
struct Counter<'a> {
    done: usize,
    total: usize,
    progress: OnProgress<'a>,
}

impl Counter<'_> {
    fn show(&mut self) -> Result<(), UpscaleError> {
        let (done, total) = (self.done, self.total);
        notify(self.progress, Progress::Step { done, total })
    }
}
