//! Winograd's convolution ([`ops::winograd`](crate::ops::winograd)) in three
//! passes over scratch memory: pixels to points, a matrix product at each
//! point, products to results.
//!
//! Some rows of tiles go through the passes at a time, so that scratch memory
//! stays within [`SCRATCH_BYTES`] and dispatches stay short.

use super::gemm_tile::GemmTile;
use super::kernel::{Kernel, Source, blocks};
use super::{conv2d, epilogue, split};
use crate::graph::Shape;
use crate::ops::winograd::Winograd;
use crate::ops::{Axis, Conv2d, Coordinate, Packing, Padding, ensure};
use crate::plan::{Layout, Precision, ScratchRequest, Variant};

/// Of both scratch arrays together, unless a row of tiles needs more.
const SCRATCH_BYTES: usize = 64 << 20;
/// Tiles of a workgroup of the transforms.
const TILES: usize = 64;
/// The points' channels are padded to whole stages of all matrix products.
const DEPTH: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WinogradPasses {
    winograd: Winograd,
    /// Of the matrix products, its pixels standing for tiles.
    product: GemmTile,
}

/// Results of a tile along each axis; pixels, outputs and depth of the matrix
/// products' tiles.
const ALL: [(usize, [usize; 3]); 8] = [
    (4, [64, 64, 16]),
    (4, [128, 16, 16]),
    (4, [64, 32, 16]),
    (4, [128, 128, 8]),
    (2, [64, 64, 16]),
    (2, [128, 16, 16]),
    (2, [64, 32, 16]),
    (2, [128, 128, 8]),
];

/// Those for a convolution to so many output channels, none twice as wide.
pub fn variants(op: &Conv2d, outputs: usize) -> impl Iterator<Item = Variant> {
    let narrow = move |(_, [_, wide, _]): &&(usize, [usize; 3])| super::is_narrow(*wide, outputs);
    let all = if op.is_3x3_of_stride_1() {
        &ALL[..]
    } else {
        &[]
    };
    all.iter().filter(narrow).map(
        |&(results, [pixels, outputs, depth])| Variant::WinogradPasses {
            results,
            pixels,
            outputs,
            depth,
        },
    )
}

impl WinogradPasses {
    pub fn of(variant: Variant) -> Option<Self> {
        let Variant::WinogradPasses {
            results,
            pixels,
            outputs,
            depth,
        } = variant
        else {
            return None;
        };
        let winograd = match results {
            2 => Winograd::F2,
            4 => Winograd::F4,
            _ => return None,
        };
        let product = GemmTile::of(Variant::Gemm {
            pixels,
            outputs,
            depth,
        });
        product.map(|product| Self { winograd, product })
    }

    pub fn product(self) -> GemmTile {
        self.product
    }

    /// Whether at least three quarters of the products' tiles are of a result.
    pub fn fills(self, y: Shape) -> bool {
        let rows = y.h.div_ceil(self.winograd.outputs());
        let tiles = y.n * rows * y.w.div_ceil(self.winograd.outputs());
        let fills = |count: usize, step| 4 * count >= 3 * count.next_multiple_of(step);
        fills(tiles, self.product.pixels) && fills(y.c, self.product.outputs)
    }

    /// The weight, transformed:
    /// `[points][c / 4][4 of c][o]`, c and o rounded up to whole tiles; and the
    /// bias. In f32 always: rounded to f16, transformed weights would lose more
    /// than plain ones.
    ///
    /// # Errors
    /// When it is a convolution that the algorithm does not compute.
    pub fn packings(
        self,
        op: &Conv2d,
        segments: &[usize],
        outputs: usize,
    ) -> Result<[Packing; 2], String> {
        let Conv2d { kernel, stride, .. } = op;
        ensure!(
            op.is_3x3_of_stride_1(),
            "{kernel}x{kernel} with stride {stride} has no kernel by Winograd's algorithm (3x3 stride 1)"
        );
        let points = self.winograd.points();
        let plain = conv2d::weight(op, segments, outputs, Precision::F32, |of| {
            let depth = of.stored_channels.next_multiple_of(DEPTH);
            vec![
                Axis::new(points, Coordinate::H, 1),
                Axis::new(points, Coordinate::W, 1),
                Axis::new(depth, of.channels, 1),
                Axis::new(self.out_pitch(outputs), of.outputs, 1),
            ]
        });
        let weight = Packing {
            winograd: Some(self.winograd),
            turned: op.backward,
            ..plain
        };
        Ok([weight, super::bias(outputs, 1)])
    }

    /// Output channels of the products.
    fn out_pitch(self, outputs: usize) -> usize {
        outputs.next_multiple_of(self.product.outputs)
    }

    pub fn scratch(self, segments: &[usize], y: Shape) -> Vec<ScratchRequest> {
        let passes = Passes::new(self, segments, y);
        let request = |name: &str, elements: usize| ScratchRequest {
            name: name.to_owned(),
            bytes: 4 * elements as u64,
        };
        vec![
            request("points", passes.point_elements()),
            request("products", passes.product_elements()),
        ]
    }
}

/// How the tiles of a result are divided.
struct Passes {
    kernel: WinogradPasses,
    y: Shape,
    /// Channels of the points.
    depth: usize,
    /// Tiles of a column and of a row of the image.
    grid: [usize; 2],
    /// Rows of tiles, counted through the samples, that scratch memory holds.
    rows: usize,
    /// Tiles that the arrays have room for.
    pitch: usize,
}

impl Passes {
    fn new(kernel: WinogradPasses, segments: &[usize], y: Shape) -> Self {
        let inputs = Layout::ChannelBlocks4.stored_channels(segments);
        let grid = [y.h, y.w].map(|size| size.div_ceil(kernel.winograd.outputs()));
        let mut passes = Self {
            kernel,
            y,
            depth: inputs.next_multiple_of(DEPTH),
            grid,
            rows: 1,
            pitch: 0,
        };
        let channels = passes.depth + kernel.out_pitch(y.c);
        let of_tile = 4 * passes.points() * channels;
        let rows = SCRATCH_BYTES / of_tile.saturating_mul(grid[1]).max(1);
        passes.rows = rows.clamp(1, passes.all_rows().max(1));
        let whole = TILES.max(kernel.product.pixels);
        passes.pitch = (passes.rows * grid[1]).next_multiple_of(whole);
        passes
    }

    fn all_rows(&self) -> usize {
        self.y.n * self.grid[0]
    }

    /// Products of a tile for each pair of channels.
    fn points(&self) -> usize {
        self.kernel.winograd.points().pow(2)
    }

    fn point_elements(&self) -> usize {
        self.points() * self.depth * self.pitch
    }

    fn product_elements(&self) -> usize {
        self.points() * self.kernel.out_pitch(self.y.c) * self.pitch
    }

    /// Says which tiles a transform is about: `count` rows from `first` on.
    fn tiles(&self, kernel: Kernel, first: usize, count: usize, blocks: usize) -> Kernel {
        let tiles = count * self.grid[1];
        kernel
            .number("OUTPUTS", self.kernel.winograd.outputs())
            .uniform("tile_rows", self.grid[0])
            .uniform("tile_columns", self.grid[1])
            .uniform("first_row", first)
            .uniform("tiles", tiles)
            .uniform("pitch", self.pitch)
            .grid([tiles.div_ceil(TILES), blocks, 1])
    }

    fn input(
        &self,
        source: &Source,
        op: &Conv2d,
        first: usize,
        count: usize,
    ) -> Result<Kernel, String> {
        let x = source.input(Conv2d::X);
        let kernel = Kernel::new("conv2d_winograd_input")
            .number("KERNEL", op.kernel)
            .number("REFLECT", usize::from(op.padding == Padding::Reflect))
            .number("PAD", op.pad())
            .count("IN_BLOCKS", blocks(x))
            .count("DEPTH_BLOCKS", self.depth / 4)
            .uniform("in_height", x.shape.h)
            .uniform("in_width", x.shape.w)
            .input("x", source, Conv2d::X)
            .scratch_output("points", source, 0, self.point_elements())?;
        Ok(self.tiles(kernel, first, count, self.depth / 4))
    }

    fn product(&self, source: &Source, count: usize) -> Result<Kernel, String> {
        let tile = self.kernel.product;
        let outputs = self.kernel.out_pitch(self.y.c);
        let kernel = Kernel::new("conv2d_winograd_product")
            .count("DEPTH_BLOCKS", self.depth / 4)
            .count("OUT_PITCH", outputs / 4)
            .uniform("pitch", self.pitch)
            .scratch("points", source, 0, self.point_elements())?
            .f32_input("w", source, Conv2d::WEIGHT)
            .scratch_output("products", source, 1, self.product_elements())?
            .grid([
                outputs / tile.outputs,
                (count * self.grid[1]).div_ceil(tile.pixels),
                self.points(),
            ]);
        Ok(tile.parameters(kernel))
    }

    fn output(
        &self,
        source: &Source,
        op: &Conv2d,
        first: usize,
        count: usize,
    ) -> Result<Kernel, String> {
        let y = source.output(0);
        let kernel = Kernel::new("conv2d_winograd_output")
            .number("BIAS", usize::from(op.bias))
            .count("OUT_PITCH", self.kernel.out_pitch(self.y.c) / 4)
            .uniform("out_height", y.shape.h)
            .uniform("out_width", y.shape.w)
            .scratch("products", source, 1, self.product_elements())?;
        let mut kernel = self.tiles(kernel, first, count, blocks(y));
        if op.bias {
            kernel = kernel.f32_input("bias", source, Conv2d::BIAS);
        }
        Ok(epilogue::add(kernel, source, &op.epilogue, op.operands()))
    }
}

pub fn lower(source: &Source, op: &Conv2d, kernel: WinogradPasses) -> Result<Vec<Kernel>, String> {
    let (x, y) = (source.input(Conv2d::X), source.output(0));
    let packings = kernel.packings(op, &x.segments, y.shape.c)?;
    source.expect_packings(Conv2d::WEIGHT..op.operands(), &packings)?;
    conv2d::is_in_place(source, op)?;
    let passes = Passes::new(kernel, &x.segments, y.shape);
    let mut kernels = Vec::new();
    for (first, count) in split::rows(source, passes.all_rows(), passes.rows) {
        kernels.push(passes.input(source, op, first, count)?);
        kernels.push(passes.product(source, count)?);
        kernels.push(passes.output(source, op, first, count)?);
    }
    Ok(kernels)
}
