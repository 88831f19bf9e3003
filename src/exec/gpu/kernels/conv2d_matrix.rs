use super::kernel::{Kernel, Source, blocks};
use super::{Workgroup, conv2d, split};
use crate::exec::gpu::adapter::{AdapterKind, AdapterSummary};
use crate::ops::{Axis, Conv2d, Packing, ensure};
use crate::plan::{NodeOperands, Precision, Variant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixTile {
    /// Of matrices.
    side: usize,
    /// Invocations that hold a matrix together.
    subgroup: usize,
    /// Of a workgroup.
    width: usize,
    height: usize,
    /// Output channels of a workgroup.
    outputs: usize,
    /// Matrices of a subgroup, one below the other.
    each_rows: usize,
    /// Matrices of a subgroup along the output channels.
    each_columns: usize,
    emulated: bool,
}

const fn tile(
    side: usize,
    [width, height, outputs]: [usize; 3],
    [each_rows, each_columns]: [usize; 2],
) -> MatrixTile {
    MatrixTile {
        side,
        subgroup: 32,
        width,
        height,
        outputs,
        each_rows,
        each_columns,
        emulated: false,
    }
}

/// Wide tiles read less for each product, small ones keep more cores busy.
const ALL: [MatrixTile; 13] = [
    tile(16, [16, 16, 32], [4, 2]),
    tile(16, [16, 4, 16], [2, 1]),
    tile(16, [16, 4, 32], [2, 2]),
    tile(16, [32, 8, 32], [4, 2]),
    tile(16, [16, 8, 64], [4, 2]),
    tile(16, [16, 16, 64], [4, 4]),
    tile(16, [32, 16, 64], [4, 4]),
    tile(16, [16, 8, 128], [4, 4]),
    tile(16, [16, 16, 128], [4, 4]),
    tile(8, [16, 8, 32], [4, 4]),
    tile(8, [16, 2, 16], [1, 2]),
    tile(8, [16, 16, 32], [8, 4]),
    tile(8, [16, 8, 64], [4, 4]),
];

/// Those for a node on a device that has the matrices, none twice as wide as
/// the node's output channels. A device in software plays matrix units by plain
/// code, which takes longer than convolving, and minutes to compile.
pub fn variants<'a>(
    node: &'a NodeOperands,
    op: &'a Conv2d,
    device: &'a AdapterSummary,
) -> impl Iterator<Item = Variant> + 'a {
    let outputs = node.outputs[0].shape().c;
    let x = node.inputs[Conv2d::X].format;
    let is_half = x.is_some_and(|format| format.precision == Precision::F16);
    let subgroup = device.subgroup_size.unwrap_or(0) as usize;
    let suits = move |tile: &MatrixTile| {
        let Workgroup { invocations, bytes } = tile.workgroup(op);
        is_half
            && device.kind != AdapterKind::Software
            && device.matrix_sides.contains(&(tile.side as u32))
            && super::is_narrow(tile.outputs, outputs)
            && invocations <= device.max_invocations as usize
            && bytes <= device.workgroup_bytes as usize
    };
    ALL.into_iter()
        .map(move |tile| MatrixTile { subgroup, ..tile })
        .filter(suits)
        .map(MatrixTile::variant)
}

impl MatrixTile {
    pub fn of(variant: Variant) -> Option<Self> {
        let Variant::MatrixTile {
            subgroup, emulated, ..
        } = variant
        else {
            return None;
        };
        let mut tiles = ALL.into_iter().map(|tile| Self {
            subgroup,
            emulated,
            ..tile
        });
        tiles.find(|tile| tile.variant() == variant)
    }

    fn variant(self) -> Variant {
        Variant::MatrixTile {
            side: self.side,
            subgroup: self.subgroup,
            width: self.width,
            height: self.height,
            outputs: self.outputs,
            emulated: self.emulated,
        }
    }

    /// Input channels that are staged at a time: a kernel of one tap has little
    /// to do with each.
    fn depth(op: &Conv2d) -> usize {
        if op.kernel == 1 { 32 } else { 16 }
    }

    fn workgroup(self, op: &Conv2d) -> Workgroup {
        let rows = self.width / self.side * (self.height / self.each_rows);
        let subgroups = rows * (self.outputs / (self.side * self.each_columns));
        // One tap sees no pixels between.
        let spacing = if op.kernel == 1 { 1 } else { op.stride };
        let [w, h] = [self.width, self.height].map(|size| spacing * (size - 1) + op.kernel);
        let sums = self.side * (self.side * self.each_columns.min(2) + 4);
        Workgroup {
            invocations: self.subgroup * subgroups,
            bytes: 2 * w * h * (Self::depth(op) + 8) + 4 * subgroups * sums,
        }
    }

    /// The weight:
    /// `[o / side][c / side][k][k][side of c][side of o]`; and the bias.
    fn packings_of(self, op: &Conv2d, segments: &[usize], outputs: usize) -> [Packing; 2] {
        let Self { side, .. } = self;
        let weight = conv2d::weight(op, segments, outputs, Precision::F16, |of| {
            vec![
                Axis::new(outputs.div_ceil(side), of.outputs, side),
                Axis::new(of.stored_channels.div_ceil(side), of.channels, side),
                of.taps[0],
                of.taps[1],
                Axis::new(side, of.channels, 1),
                Axis::new(side, of.outputs, 1),
            ]
        });
        [weight, super::bias(outputs, 1)]
    }

    /// # Errors
    /// When the node's arrays are not in f16.
    pub fn packings(
        self,
        op: &Conv2d,
        node: &NodeOperands,
        precision: Precision,
    ) -> Result<[Packing; 2], String> {
        let x = &node.inputs[Conv2d::X];
        let stored = x.format.map_or(precision, |format| format.precision);
        ensure!(
            stored == Precision::F16 && precision == Precision::F16,
            "matrix units multiply f16, and '{}' or its weights are in f32",
            x.value.name
        );
        let outputs = node.outputs[0].shape().c;
        Ok(self.packings_of(op, &x.value.segments, outputs))
    }
}

pub fn lower(source: &Source, op: &Conv2d, tile: MatrixTile) -> Result<Vec<Kernel>, String> {
    let (x, y) = (source.input(Conv2d::X), source.output(0));
    let packings = tile.packings_of(op, &x.segments, y.shape.c);
    source.expect_packings(Conv2d::WEIGHT..op.operands(), &packings)?;
    let in_place = conv2d::is_in_place(source, op)?;
    let make = |first: usize, count: usize| {
        let kernel = Kernel::new("conv2d_matrix")
            .number("STRIDE", op.stride)
            .number("SIDE", tile.side)
            .number("SUBGROUP", tile.subgroup)
            .number("TILE_WIDTH", tile.width)
            .number("TILE_HEIGHT", tile.height)
            .number("TILE_OUTPUTS", tile.outputs)
            .number("TILE_DEPTH", MatrixTile::depth(op))
            .number("EACH_ROWS", tile.each_rows)
            .number("EACH_COLUMNS", tile.each_columns)
            .number("EMULATED", usize::from(tile.emulated))
            .uniform("first_tile", first)
            .grid([
                y.shape.w.div_ceil(tile.width) * (4 * blocks(y)).div_ceil(tile.outputs),
                count,
                y.shape.n,
            ]);
        conv2d::operands(kernel, source, op, in_place)
    };
    Ok(split::by_rows(
        source,
        y.shape.h.div_ceil(tile.height),
        make,
    ))
}
