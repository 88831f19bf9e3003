//! One plane of colours or alpha of an AVIF file, which may be stored in tiles.

use super::super::{DecodeOptions, Source, check_size, tolerate};
use super::av1::{Format, Frame};
use super::boxes::{Container, Item};
use super::bytes::{Bytes, wrong_header};
use crate::image::ImageProblem;

/// Decoded frames in rows and columns, all of one size.
pub struct Mosaic {
    /// None could be read where there is none.
    tiles: Vec<Option<Frame>>,
    columns: usize,
    tile: [usize; 2],
    pub size: [usize; 2],
    pub format: Format,
}

impl Mosaic {
    /// One frame.
    pub fn of(frame: Frame, size: [u32; 2]) -> Self {
        let size = size.map(|side| side as usize);
        Self {
            format: frame.format(),
            tiles: vec![Some(frame)],
            columns: 1,
            tile: size,
            size,
        }
    }

    pub fn decode(
        source: &mut Source,
        container: &Container,
        item: &Item,
        options: &DecodeOptions,
        notes: &mut Vec<String>,
    ) -> Result<Self, ImageProblem> {
        let size = size_of(container, item, options.max_pixels)?;
        container.check_essential(item)?;
        if &item.kind == b"av01" {
            return Ok(Self::of(frame(source, container, item, size)?, size));
        }
        let layout = container.content(source, item)?;
        let (counts, stated) = grid(Bytes(&layout)).ok_or_else(wrong_header)?;
        let list = item.references(*b"dimg");
        let tiles = list.iter().map(|id| container.items.get(id));
        let tiles = tiles
            .collect::<Option<Vec<&Item>>>()
            .ok_or_else(wrong_header)?;
        let &first = tiles.first().ok_or_else(wrong_header)?;
        let tile = size_of(container, first, options.max_pixels)?;
        let covers = |axis: usize| {
            let covered = counts[axis].checked_mul(tile[axis])?;
            (covered >= size[axis] && covered - tile[axis] < size[axis]).then_some(covered)
        };
        let (Some(width), Some(height)) = (covers(0), covers(1)) else {
            return Err(wrong_header());
        };
        if stated != size || tiles.len() as u64 != u64::from(counts[0]) * u64::from(counts[1]) {
            return Err(wrong_header());
        }
        check_size([width, height], options.max_pixels)?;
        let mut format = None;
        let mut frames = Vec::with_capacity(tiles.len());
        for item in tiles {
            container.check_essential(item)?;
            if &item.kind != b"av01" {
                return Err(ImageProblem::Feature("tiles of another kind".to_owned()));
            }
            if size_of(container, item, options.max_pixels)? != tile {
                return Err(wrong_header());
            }
            match frame(source, container, item, tile) {
                Ok(frame) if *format.get_or_insert(frame.format()) != frame.format() => {
                    return Err(wrong_header());
                }
                Ok(frame) => frames.push(Some(frame)),
                Err(problem) => {
                    tolerate(problem.after_header(), options, notes)?;
                    frames.push(None);
                }
            }
        }
        Ok(Self {
            tiles: frames,
            columns: counts[0] as usize,
            tile: tile.map(|side| side as usize),
            size: size.map(|side| side as usize),
            format: format.ok_or_else(wrong_header)?,
        })
    }

    /// A frame that could be read.
    pub fn any_frame(&self) -> Option<&Frame> {
        self.tiles.iter().flatten().next()
    }

    /// Width and height of a plane.
    pub fn plane_size(&self, plane: usize) -> [usize; 2] {
        self.scaled(self.size, plane)
    }

    fn scaled(&self, size: [usize; 2], plane: usize) -> [usize; 2] {
        let halved = self.format.halved.map(|halved| halved && plane > 0);
        [0, 1].map(|axis| match halved[axis] {
            true => size[axis].div_ceil(2),
            false => size[axis],
        })
    }

    /// A row of a plane; where a tile is missing, `missing`.
    pub fn row(&self, plane: usize, y: usize, missing: u16, row: &mut Vec<u16>) {
        let [width, height] = self.scaled(self.tile, plane);
        row.clear();
        row.resize(self.plane_size(plane)[0], missing);
        let tiles = &self.tiles[y / height * self.columns..][..self.columns];
        for (part, tile) in row.chunks_mut(width).zip(tiles) {
            if let Some(frame) = tile {
                frame.row(plane, y % height, part);
            }
        }
    }
}

/// The size that the header states for an item.
pub fn size_of(
    container: &Container,
    item: &Item,
    max_pixels: u64,
) -> Result<[u32; 2], ImageProblem> {
    let mut all = container.properties(item, *b"ispe");
    let size = all.next().and_then(|mut extents| {
        extents.version()?;
        Some([extents.u32()?, extents.u32()?])
    });
    let size = size.ok_or_else(wrong_header)?;
    check_size(size, max_pixels)?;
    Ok(size)
}

fn frame(
    source: &mut Source,
    container: &Container,
    item: &Item,
    size: [u32; 2],
) -> Result<Frame, ImageProblem> {
    let mut layers = container.properties(item, *b"lsel");
    if layers.any(|mut layer| layer.number(2) != Some(0xffff)) {
        return Err(ImageProblem::Feature(
            "one of several layers (lsel)".to_owned(),
        ));
    }
    let mut points = container.properties(item, *b"a1op");
    let point = points.next().and_then(|mut point| point.number(1));
    let data = container.content(source, item)?;
    Frame::decode(&data, size, point.unwrap_or(0).min(31) as u32)
}

/// Columns and rows of tiles, and the size of what they show.
fn grid(mut layout: Bytes<'_>) -> Option<([u32; 2], [u32; 2])> {
    let (_, flags) = (layout.number(1)?, layout.number(1)?);
    let bytes = if flags & 1 == 0 { 2 } else { 4 };
    let mut count = || layout.number(1).map(|count| count as u32 + 1);
    let (rows, columns) = (count()?, count()?);
    let mut side = || layout.number(bytes).map(|side| side as u32);
    Some(([columns, rows], [side()?, side()?]))
}
