//! `shaders/conv2d.wgsl`.

use super::{Binding, Dispatch, Lowering, Packing, View, blocks, split};

use crate::exec::ExecError;
use crate::exec::gpu::shader::{ArrayType, Shader};
use crate::graph::Precision;
use crate::ops::{Activation, Conv2d, Epilogue, Padding};

/// Columns and rows of the result that a workgroup covers.
const TILE: [usize; 2] = [8, 32];
/// `first_row` among the words of the shader's `Dims`.
const FIRST_ROW: usize = 6;

pub(super) fn lower(context: &Lowering, op: &Conv2d) -> Result<Vec<Dispatch>, ExecError> {
    let (x, y) = (context.input(Conv2d::X), context.output(0));
    let weight = context.input(Conv2d::WEIGHT);
    let (in_blocks, out_blocks) = (blocks(x), blocks(y));
    let in_place = x.place().0 == y.place().0;

    let mut dispatch = Dispatch {
        shader: Shader::Conv2d,
        entry: match (op.kernel, op.stride) {
            (3, 1) => "conv3x3",
            (3, 2) => "conv3x3_stride2",
            (1, 1) => "conv1x1",
            (kernel, stride) => panic!("conv2d: kernel {kernel}, stride {stride}"),
        },
        types: vec![("x_t", x.precision), ("w_t", weight.precision)],
        constants: vec![
            ("IN_BLOCKS", in_blocks as f64),
            ("OUT_BLOCKS", out_blocks as f64),
            (
                "REFLECT",
                f64::from(u8::from(op.padding == Padding::Reflect)),
            ),
            ("IN_PLACE", f64::from(u8::from(in_place))),
        ],
        dims: vec![
            x.shape.h as u32,
            x.shape.w as u32,
            y.shape.h as u32,
            y.shape.w as u32,
            View::of(x).offset,
            View::of(x).batch,
            0,
            0,
        ],
        bindings: vec![
            (
                1,
                if in_place {
                    Binding::Dummy
                } else {
                    context.bind_input(Conv2d::X)
                },
            ),
            (
                2,
                context.bind_weight(
                    Conv2d::WEIGHT,
                    Packing::Conv2d {
                        channels: x.channel_map(),
                        in_blocks,
                    },
                ),
            ),
            (3, bias(context, op, out_blocks)),
        ],
        workgroups: [
            y.shape.w.div_ceil(TILE[0]) as u32,
            y.shape.h.div_ceil(TILE[1]) as u32,
            (y.shape.n * out_blocks.div_ceil(2)) as u32,
        ],
        flops: 0,
    };
    add_epilogue(context, &op.epilogue, op.operands(), &mut dispatch);
    Ok(split::by_rows(context, dispatch, FIRST_ROW, TILE[1]))
}

fn bias(context: &Lowering, op: &Conv2d, out_blocks: usize) -> Binding {
    let blocks = out_blocks.next_multiple_of(2);
    if op.bias {
        context.bind_vector(Conv2d::BIAS, blocks)
    } else {
        Binding::Zeros { blocks }
    }
}

/// Adds what `include/epilogue.wgsl` declares: types, constants, dimensions
/// and bindings 4 to 7. `first` is the index of the epilogue's first operand.
pub(super) fn add_epilogue(
    context: &Lowering,
    epilogue: &Epilogue,
    first: usize,
    dispatch: &mut Dispatch,
) {
    let y = context.output(0);
    let table = epilogue.table_add.then_some(first);
    let residual = |index: usize| {
        (index < epilogue.residual_scales.len())
            .then(|| first + usize::from(epilogue.table_add) + index)
    };
    let operands: [(u32, &'static str, Option<usize>); 3] = [
        (4, "table_t", table),
        (5, "residual_0_t", residual(0)),
        (6, "residual_1_t", residual(1)),
    ];
    for (binding, alias, operand) in operands {
        let (bound, precision) = match operand {
            Some(index) => (context.bind_input(index), context.input(index).precision),
            None => (Binding::Dummy, Precision::F32),
        };
        dispatch.types.push((alias, precision) as ArrayType);
        dispatch.bindings.push((binding, bound));
    }
    dispatch.types.push(("y_t", y.precision));
    dispatch.bindings.push((7, context.bind_output(0)));

    let (activation, slope) = match epilogue.activation {
        Activation::None => (0.0, 0.0),
        Activation::LeakyRelu { slope } => (1.0, f64::from(slope)),
        Activation::Mish => (2.0, 0.0),
    };
    let scale = |index: usize| f64::from(*epilogue.residual_scales.get(index).unwrap_or(&1.0));
    dispatch.constants.extend([
        ("ACTIVATION", activation),
        ("SLOPE", slope),
        ("SCALE", f64::from(epilogue.scale)),
        ("SHIFT", f64::from(epilogue.shift)),
        ("Y_CHANNELS", y.shape.c as f64),
        ("TABLE", f64::from(u8::from(epilogue.table_add))),
        ("RESIDUALS", epilogue.residual_scales.len() as f64),
        ("RESIDUAL_SCALE_0", scale(0)),
        ("RESIDUAL_SCALE_1", scale(1)),
    ]);

    let view = |index: Option<usize>| {
        index
            .map(|i| View::of(context.input(i)))
            .unwrap_or_default()
    };
    let (y, r0, r1) = (View::of(y), view(residual(0)), view(residual(1)));
    let table_blocks = table.map_or(0, |i| View::of(context.input(i)).batch);
    dispatch.dims.extend([
        y.offset,
        y.batch,
        r0.offset,
        r0.batch,
        r1.offset,
        r1.batch,
        table_blocks,
        0,
    ]);
}
