//! How an image is cut into tiles.

use crate::model::Settings;

/// Pixels of the LR image that are added around it and cropped from the result,
/// so that the image's edge is not the edge of what the model sees.
pub(super) const MARGIN: usize = 4;

/// LR pixels that neighbouring tiles share. With 8, results in tiles and in one
/// piece agree within about 54 dB (PSNR; the least seen is 52, of rough ones); with
/// 4, within 48.
pub(super) const OVERLAP: usize = 8;

/// The shortest side of a tile, in LR pixels, that may be asked for.
pub const SMALLEST_TILE: usize = 4 * OVERLAP;

/// How large tiles are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TileChoice {
    /// The whole image if it fits the memory, else what needs least work.
    #[default]
    Auto,
    /// Tiles whose sides have at most so many LR pixels, [`SMALLEST_TILE`] or
    /// more.
    AtMost(usize),
}

/// Tiles along one axis, in LR pixels. All have one size and share as many
/// pixels with the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileAxis {
    pub tile: usize,
    pub overlap: usize,
    pub count: usize,
}

/// The tiles of an image with its margin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    pub columns: TileAxis,
    pub rows: TileAxis,
}

impl TileAxis {
    /// `count` tiles for at least `length` pixels, as short as possible. More
    /// than one are never shorter than twice what they share.
    pub(super) fn new(settings: &Settings, length: usize, count: usize) -> Self {
        let overlap = match count {
            1 => 0,
            _ => OVERLAP.next_multiple_of(settings.lr_size_multiple()),
        };
        let tile = (length + (count - 1) * overlap).div_ceil(count);
        Self {
            tile: settings.padded_lr_side(tile.max(2 * overlap)),
            overlap,
            count,
        }
    }

    /// As few tiles as possible, none longer than `largest` unless that is below
    /// [`SMALLEST_TILE`].
    fn within(settings: &Settings, length: usize, largest: usize) -> Self {
        let one = Self::new(settings, length, 1);
        if one.tile <= largest {
            return one;
        }
        let overlap = Self::new(settings, length, 2).overlap;
        let stride = largest.saturating_sub(overlap).max(overlap);
        let stride = (stride / settings.lr_size_multiple() * settings.lr_size_multiple()).max(1);
        let count = length.saturating_sub(overlap).div_ceil(stride).max(2);
        Self::new(settings, length, count)
    }

    /// From a tile's first pixel to the next one's.
    pub(super) fn stride(&self) -> usize {
        self.tile - self.overlap
    }

    /// Pixels that the tiles cover together.
    pub(super) fn length(&self) -> usize {
        self.count * self.stride() + self.overlap
    }

    /// How much each pixel of tile `index` counts, at `scale` pixels for each LR
    /// pixel. What neighbours share is faded from one to the other; the weights
    /// of all tiles add up to 1 everywhere.
    pub(super) fn weights(&self, index: usize, scale: usize) -> Vec<f32> {
        let (length, shared) = (self.tile * scale, self.overlap * scale);
        // The quarters next to the edges of tiles are not used at all.
        let unused = shared as f32 / 4.0;
        let rising = |p: usize| ((p as f32 + 0.5 - unused) / (shared as f32 / 2.0)).clamp(0.0, 1.0);
        (0..length)
            .map(|p| {
                let (from_end, is_last) = (length - 1 - p, index + 1 == self.count);
                if index > 0 && p < shared {
                    rising(p)
                } else if !is_last && from_end < shared {
                    1.0 - rising(shared - 1 - from_end)
                } else {
                    1.0
                }
            })
            .collect()
    }
}

/// Width and height of tiles in LR pixels, and their number.
pub type Tiles = ([usize; 2], usize);

impl Tiling {
    /// The whole image, `width` x `height` without its margin, as one tile.
    pub(super) fn whole(settings: &Settings, [width, height]: [usize; 2]) -> Self {
        let axis = |length: usize| TileAxis::new(settings, length.saturating_add(2 * MARGIN), 1);
        Self {
            columns: axis(width),
            rows: axis(height),
        }
    }

    /// Tiles whose sides are at most `largest`.
    pub(super) fn within(settings: &Settings, [width, height]: [usize; 2], largest: usize) -> Self {
        let axis = |length: usize| TileAxis::within(settings, length + 2 * MARGIN, largest);
        Self {
            columns: axis(width),
            rows: axis(height),
        }
    }

    /// Width and height of a tile in LR pixels.
    pub fn tile(&self) -> [usize; 2] {
        [self.columns.tile, self.rows.tile]
    }

    /// LR pixels of a tile.
    pub(super) fn area(&self) -> usize {
        self.columns.tile * self.rows.tile
    }

    /// Number of tiles.
    pub fn count(&self) -> usize {
        self.columns.count * self.rows.count
    }

    /// Width, height and number of tiles, if there are several.
    pub fn tiles(&self) -> Option<Tiles> {
        (self.count() > 1).then(|| (self.tile(), self.count()))
    }

    /// Pixels in all tiles: what the time of a run is proportional to.
    pub(super) fn pixels(&self) -> u128 {
        let axis = |axis: &TileAxis| (axis.count as u128) * (axis.tile as u128);
        axis(&self.columns) * axis(&self.rows)
    }

    /// The tiling of least work that `fits`. Among those within a twentieth of
    /// that, the one with the smallest tiles.
    pub(super) fn fitting(
        settings: &Settings,
        [width, height]: [usize; 2],
        fits: impl Fn(&Self) -> bool,
    ) -> Option<Self> {
        let (width, height) = (width + 2 * MARGIN, height + 2 * MARGIN);
        let most = |length: usize| length.div_ceil(OVERLAP).max(1);
        // For each number of columns, the fewest rows that fit.
        let of_columns = |count: usize| {
            let columns = TileAxis::new(settings, width, count);
            let tiling = |rows: usize| Self {
                columns,
                rows: TileAxis::new(settings, height, rows),
            };
            let (mut fewest, mut more) = (1, most(height) + 1);
            while fewest < more {
                let middle = fewest + (more - fewest) / 2;
                match fits(&tiling(middle)) {
                    true => more = middle,
                    false => fewest = middle + 1,
                }
            }
            (fewest <= most(height)).then(|| tiling(fewest))
        };
        let found: Vec<Self> = (1..=most(width)).filter_map(of_columns).collect();
        let least = found.iter().map(Self::pixels).min()?;
        let near = found
            .into_iter()
            .filter(|t| t.pixels() <= least + least / 20);
        near.min_by_key(|tiling| tiling.columns.tile * tiling.rows.tile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    fn settings() -> Settings {
        Model::starter().settings().clone()
    }

    #[test]
    fn tiles_cover_the_image_and_their_weights_add_up() {
        let settings = settings();
        for length in (1..200).chain([999, 1000, 1001]) {
            for largest in [1, 32, 33, 48, 64, 100, 128] {
                let axis = TileAxis::within(&settings, length, largest);
                assert!(axis.length() >= length, "{length}, {largest}: {axis:?}");
                assert!(
                    axis.tile <= largest.max(32),
                    "{length}, {largest}: {axis:?}"
                );
                assert!(
                    axis.overlap * 2 <= axis.tile,
                    "{length}, {largest}: {axis:?}"
                );
                let scale = 4;
                let mut sums = vec![0.0; axis.length() * scale];
                for index in 0..axis.count {
                    let first = index * axis.stride() * scale;
                    for (p, weight) in axis.weights(index, scale).into_iter().enumerate() {
                        sums[first + p] += weight;
                    }
                }
                let off = sums.iter().find(|sum| (**sum - 1.0f32).abs() > 1e-6);
                assert_eq!(off, None, "{length}, {largest}: {axis:?}");
            }
        }
    }

    #[test]
    fn the_tiling_found_fits_and_wastes_little() {
        let settings = settings();
        let area = |limit: usize| move |t: &Tiling| t.columns.tile * t.rows.tile <= limit;
        let found = Tiling::fitting(&settings, [2500, 1700], area(256 * 256)).unwrap();
        assert!(found.columns.tile * found.rows.tile <= 256 * 256);
        let waste = found.pixels() as f64 / (2500.0 * 1700.0);
        assert!(waste < 1.2, "{found:?}: {waste}");
        assert_eq!(
            Tiling::fitting(&settings, [100, 50], area(usize::MAX)),
            Some(Tiling::whole(&settings, [100, 50]))
        );
        assert_eq!(Tiling::fitting(&settings, [100, 50], area(0)), None);
        // A line of pixels, too.
        let line = Tiling::fitting(&settings, [2_000_000, 1], area(256 * 256)).unwrap();
        assert_eq!(line.rows.count, 1);
    }
}
