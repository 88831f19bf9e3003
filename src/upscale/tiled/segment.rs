//! Rows of the canvas, and what a step does to them.

use crate::diffusion::noise::normal4;
use crate::exec::StepRecord;
use crate::exec::cpu::next_x;
use rayon::prelude::*;
use std::collections::VecDeque;

/// Some rows of the canvas; each field holds three planes.
pub struct Segment {
    /// Its first row.
    pub top: usize,
    pub rows: usize,
    pub x: Vec<f32>,
    /// The sum of the tiles' estimates of x_0, each with its weight.
    pub x0: Vec<f32>,
    /// The estimate of the step before, where the sampler needs it.
    pub previous: Vec<f32>,
    /// What the encoder made of each tile of the row.
    pub tiles: Vec<Encoded>,
}

/// What the phase `image` leaves for the others.
pub struct Encoded {
    pub features: Vec<f32>,
    /// Empty unless the model conditions on it.
    pub up: Vec<f32>,
}

/// Row `y` of the tiles of segment `at`: the segment that it is in, and its
/// number there.
pub fn place(band: &VecDeque<Segment>, at: usize, y: usize) -> (&Segment, usize) {
    let own = &band[at];
    match y.checked_sub(own.rows) {
        None => (own, y),
        Some(y) => (&band[at + 1], y),
    }
}

/// Calls `each` with the channel, number and values of every row of three
/// planes, in parallel.
pub fn for_rows(
    planes: &mut [f32],
    [width, height]: [usize; 2],
    each: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    let rows = planes.par_chunks_mut(width).enumerate();
    rows.for_each(|(row, values)| each(row / height, row % height, values));
}

/// Noise as a function of seed, step and place in the canvas.
pub struct Noise {
    /// After how many pixels it repeats.
    pub wrap: Option<[i32; 2]>,
    /// Another seed, and the factors of both seeds' noise.
    pub toward: Option<(u64, [f32; 2])>,
}

impl Noise {
    fn at(&self, record: &StepRecord, column: usize, row: usize) -> [f32; 4] {
        let place = record.places[0];
        let x = (place.x as i32).wrapping_add(column as i32);
        let y = (place.y as i32).wrapping_add(row as i32);
        let [x, y] = match self.wrap {
            Some([width, height]) => [x.rem_euclid(width), y.rem_euclid(height)],
            None => [x, y],
        };
        let draw = |seed| {
            let (x, y) = (x as u32, y as u32);
            normal4(seed, x, y, place.sample, record.noise_step, 0)
        };
        let own = draw(record.seed());
        match self.toward {
            None => own,
            Some((seed, [from, to])) => {
                let other = draw(seed);
                std::array::from_fn(|i| from * own[i] + to * other[i])
            }
        }
    }
}

/// From x_t and the estimate of x_0 to x_{t-1}; the estimate becomes zero.
pub fn update(segment: &mut Segment, record: &StepRecord, noise: &Noise) {
    let Segment {
        top,
        rows,
        x,
        x0,
        previous,
        ..
    } = segment;
    let width = x.len() / (3 * *rows);
    let plane = width * *rows;
    let (x_r, x_gb) = x.split_at_mut(plane);
    let (x_g, x_b) = x_gb.split_at_mut(plane);
    x_r.par_chunks_mut(width)
        .zip(x_g.par_chunks_mut(width))
        .zip(x_b.par_chunks_mut(width))
        .enumerate()
        .for_each(|(y, ((r, g), b))| {
            for column in 0..width {
                let z = match record.sigma != 0.0 {
                    true => noise.at(record, column, *top + y),
                    false => [0.0; 4],
                };
                for (channel, x) in [&mut r[column], &mut g[column], &mut b[column]]
                    .into_iter()
                    .enumerate()
                {
                    let at = (channel * *rows + y) * width + column;
                    let previous = previous.get(at).copied().unwrap_or(0.0);
                    *x = next_x(record, *x, x0[at], previous, z[channel]);
                }
            }
        });
    if !previous.is_empty() {
        std::mem::swap(previous, x0);
    }
    x0.fill(0.0);
}
