//! Images cut into tiles that fit the cache, one task each.

use super::memory::View;
use super::number::Number;
use crate::graph::Shape;
use crate::ops::Padding;

/// A rectangle of one sample of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub n: usize,
    pub top: usize,
    pub rows: usize,
    pub left: usize,
    pub columns: usize,
}

/// What a kernel sees of its operand for one result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Side.
    pub kernel: usize,
    pub stride: usize,
    /// Pixels beyond the border on the left and above.
    pub pad: usize,
    pub padding: Padding,
}

impl Window {
    /// That of a 3x3 kernel.
    pub fn of_3x3(stride: usize, padding: Padding) -> Self {
        Self {
            kernel: 3,
            stride,
            pad: padding.pixels(),
            padding,
        }
    }

    /// Rows and columns of the operand that are seen for the results of a tile.
    pub fn seen(&self, tile: &Tile) -> (usize, usize) {
        let seen = |count: usize| (count - 1) * self.stride + self.kernel;
        (seen(tile.rows), seen(tile.columns))
    }
}

/// Elements that a tile may work on: half of a second-level cache.
const TILE_ELEMENTS: usize = 128 * 1024;
/// Columns of a tile at most: enough for long matrix products.
const MAX_COLUMNS: usize = 512;
/// Rows of a tile at least, where the image has them: each tile reads two
/// more rows than it makes.
const MIN_ROWS: usize = 4;

/// The first of the tiles into which an image is cut for `threads` threads,
/// the largest of them; a pixel takes `elements` elements of working memory.
pub(super) fn first_tile(shape: Shape, elements: usize, threads: usize) -> Tile {
    let bands = shape.w.div_ceil(MAX_COLUMNS);
    let columns = shape.w.div_ceil(bands);
    let fitting = (TILE_ELEMENTS / (columns * elements)).max(1);
    // As many tiles as threads, or twice, or ..., so that none waits long.
    let wanted = threads.div_ceil(shape.n * bands);
    let mut strips = wanted;
    while shape.h.div_ceil(strips) > fitting
        || (strips < 4 * wanted && shape.h >= 2 * strips * MIN_ROWS)
    {
        strips += wanted;
    }
    Tile {
        n: 0,
        top: 0,
        rows: shape.h.div_ceil(strips).max(1),
        left: 0,
        columns,
    }
}

/// All tiles of an image, by its [first one](first_tile).
pub(super) fn tiles(shape: Shape, Tile { rows, columns, .. }: Tile) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for n in 0..shape.n {
        for top in (0..shape.h).step_by(rows) {
            for left in (0..shape.w).step_by(columns) {
                tiles.push(Tile {
                    n,
                    top,
                    rows: rows.min(shape.h - top),
                    left,
                    columns: columns.min(shape.w - left),
                });
            }
        }
    }
    tiles
}

/// Copies what is seen of sample `tile.n` of x for the results of a tile, border
/// included, to `into`: `[rows][columns][channels]` for as many rows and columns
/// as [`Window::seen`], channels padded to a multiple of [`Number::DEPTH`] with
/// zeros.
///
/// # Safety
/// Nobody writes x meanwhile.
pub(super) unsafe fn copy_seen<T: Number>(
    x: &View<T>,
    tile: &Tile,
    window: Window,
    into: &mut [T],
) {
    let (rows, columns) = window.seen(tile);
    let Window {
        stride,
        pad,
        padding,
        ..
    } = window;
    let [top, left] = [tile.top, tile.left].map(|first| (first * stride) as isize - pad as isize);
    let Shape { c, h, w, .. } = x.shape;
    let first = tile.n * h * w;
    let padded = c.next_multiple_of(T::DEPTH);
    let bands = into.chunks_exact_mut(columns * padded).take(rows);
    for (row, into) in bands.enumerate() {
        let Some(i) = source(top + row as isize, h, padding) else {
            into.fill(T::zeroed());
            continue;
        };
        // Columns inside the image, which lie side by side.
        let begin = (-left).clamp(0, columns as isize) as usize;
        let end = (w as isize - left).clamp(begin as isize, columns as isize) as usize;
        let start = first + i * w + (left + begin as isize) as usize;
        for column in (0..begin).chain(end..columns) {
            let pixel = &mut into[column * padded..][..padded];
            match source(left + column as isize, w, padding) {
                // SAFETY: readable, by the caller's promise.
                Some(j) => copy_pixel(pixel, unsafe { x.pixel(first + i * w + j) }),
                None => pixel.fill(T::zeroed()),
            }
        }
        if begin == end {
            continue;
        }
        let inside = &mut into[begin * padded..end * padded];
        if x.is_contiguous() && padded == c {
            // SAFETY: these pixels follow one another inside the slot.
            let run = unsafe { std::slice::from_raw_parts(x.address(start), inside.len()) };
            inside.copy_from_slice(run);
        } else {
            for (k, pixel) in inside.chunks_exact_mut(padded).enumerate() {
                // SAFETY: readable, by the caller's promise.
                copy_pixel(pixel, unsafe { x.pixel(start + k) });
            }
        }
    }
}

/// Copies the channels of a pixel; those beyond become zero.
#[inline(always)]
pub(super) fn copy_pixel<T: Number>(into: &mut [T], from: &[T]) {
    let (channels, padding) = into.split_at_mut(from.len());
    channels.copy_from_slice(from);
    padding.fill(T::zeroed());
}

/// The coordinate whose pixel stands at `i` of an axis of `n`, or none for zero.
pub(super) fn source(i: isize, n: usize, padding: Padding) -> Option<usize> {
    let n = n as isize;
    if (0..n).contains(&i) {
        return Some(i as usize);
    }
    match padding {
        Padding::Zero | Padding::Full => None,
        // Tiles may reach further beyond than the padding does; what they
        // find there is not used.
        Padding::Reflect => Some((if i < 0 { -i } else { 2 * n - 2 - i }).clamp(0, n - 1) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_every_pixel_once() {
        let sizes = [(1, 1), (2, 1), (3, 7), (20, 20), (65, 13), (161, 1030)];
        for (h, w) in sizes {
            for (n, elements, threads) in [(1, 64, 2), (3, 300, 1), (2, 9000, 7), (1, 3, 64)] {
                let shape = Shape::new(n, 4, h, w);
                let mut count = vec![0; n * h * w];
                for tile in tiles(shape, first_tile(shape, elements, threads)) {
                    assert!(tile.columns <= MAX_COLUMNS);
                    for i in tile.top..tile.top + tile.rows {
                        for j in tile.left..tile.left + tile.columns {
                            count[(tile.n * h + i) * w + j] += 1;
                        }
                    }
                }
                assert!(
                    count.iter().all(|&c| c == 1),
                    "{shape} for {threads} threads"
                );
            }
        }
    }
}
