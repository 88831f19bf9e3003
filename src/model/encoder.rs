//! The LR encoder: residual-in-residual dense blocks (RRDB, Wang et al.
//! 2018, as used by SRDiff section 3.3).

use super::Settings;
use crate::graph::{Element, GraphBuilder, GraphError, Role, Shape, ValueId};
use crate::ops::{Activation, Conv2d, Copy, Epilogue, Op, Padding, UpsampleNearest};

/// Slope of the dense blocks' LeakyReLU.
const SLOPE: f32 = 0.2;
/// Factor of a dense block's and of an RRDB's result before the residual is added.
const RESIDUAL_SCALE: f32 = 0.2;

const LEAKY: Activation = Activation::LeakyRelu { slope: SLOPE };

/// What the rest of the model reads of the encoder.
pub(super) struct Encoded {
    /// Concatenation of every third feature map, `[n, nf * maps, h, w]`.
    pub conditioning: ValueId,
    /// The last feature map, which the SR head reads.
    pub last: ValueId,
}

/// Adds the encoder for an LR picture `lr` `[n, 3, h, w]` in [0, 1].
///
/// Every dense block works in one array `[features | growth x 4]` that each
/// of its convolutions reads from the left and extends to the right, so
/// nothing is ever copied to be concatenated.
pub(super) fn build(
    b: &mut GraphBuilder,
    settings: &Settings,
    lr: ValueId,
) -> Result<Encoded, GraphError> {
    let (features, blocks) = (settings.rrdb_features, settings.rrdb_blocks);
    let shape = b.shape(lr).with_channels(features);
    let maps = settings.conditioning_maps();
    let conditioning = b.concat(
        "encoder.conditioning",
        shape.with_channels(features * maps),
        &vec![features; maps],
    )?;
    let map_of = |index: usize| (index % 3 == 2).then_some(index / 3);

    // conv_first's result is needed again after the trunk: the first dense
    // array stays alive until then.
    let name = "rrdb.RRDB_trunk.0.RDB1";
    let mut dense = DenseArray::named(b, settings, name, "encoder.first", shape)?;
    let first = dense.input;
    conv_into(b, "rrdb.conv_first", first, lr, Epilogue::none(), &[])?;

    let mut last_feature = first;
    for block in 0..blocks {
        let prefix = format!("rrdb.RRDB_trunk.{block}");
        let input = dense.input;
        for rdb in 1..=2 {
            let next = format!("{prefix}.RDB{}", rdb + 1);
            let next = DenseArray::new(b, settings, &next, shape)?;
            let name = format!("{prefix}.RDB{rdb}");
            dense.grow(b, &name)?;
            dense.fuse(b, &name, next.input, RESIDUAL_SCALE, &[(dense.input, 1.0)])?;
            dense = next;
        }
        let name = format!("{prefix}.RDB3");
        dense.grow(b, &name)?;
        // 0.2 * (0.2 * conv5 + x3) + x: the RRDB's own residual is fused too.
        let residuals = [(dense.input, RESIDUAL_SCALE), (input, 1.0)];
        let scale = RESIDUAL_SCALE * RESIDUAL_SCALE;
        let feature = format!("encoder.feat.{block}");
        if block + 1 < blocks {
            let next = format!("rrdb.RRDB_trunk.{}.RDB1", block + 1);
            let next = DenseArray::named(b, settings, &next, &feature, shape)?;
            dense.fuse(b, &name, next.input, scale, &residuals)?;
            if let Some(map) = map_of(block) {
                let place = b.segments(&format!("encoder.map.{map}"), conditioning, map, 1)?;
                b.push_into(&[place], Op::Copy(Copy {}), &[next.input])?;
            }
            dense = next;
            last_feature = dense.input;
        } else {
            let place = place(b, conditioning, map_of(block), &feature, shape)?;
            dense.fuse(b, &name, place, scale, &residuals)?;
            last_feature = place;
        }
    }

    let name = format!("encoder.feat.{blocks}");
    let last = place(b, conditioning, map_of(blocks), &name, shape)?;
    conv_into(
        b,
        "rrdb.trunk_conv",
        last,
        last_feature,
        residual_epilogue(1.0, &[1.0]),
        &[first],
    )?;
    Ok(Encoded { conditioning, last })
}

/// Adds the encoder's own SR head (pretraining and comparison only; the
/// diffusion does not need it). Result: `encoder.sr` `[n, 3, s*h, s*w]` in
/// about [-1, 1], not clamped.
pub(super) fn build_sr_head(
    b: &mut GraphBuilder,
    settings: &Settings,
    last: ValueId,
) -> Result<(), GraphError> {
    let features = settings.rrdb_features;
    let mut x = last;
    for doubling in 1..=settings.scale.ilog2() {
        let op = Op::UpsampleNearest(UpsampleNearest { factor: 2 });
        let wide = b.push(&format!("encoder.nearest.{doubling}"), op, &[x])?;
        let weight = format!("rrdb.upconv{doubling}");
        let name = format!("encoder.upconv.{doubling}");
        x = conv(
            b,
            &weight,
            &name,
            wide,
            features,
            Epilogue::activation(LEAKY),
        )?;
    }
    let epilogue = Epilogue::activation(LEAKY);
    x = conv(b, "rrdb.HRconv", "encoder.hr", x, features, epilogue)?;
    let shape = b.shape(x).with_channels(3);
    let sr = b.value("encoder.sr", shape, Role::Temporary, Element::Full)?;
    let epilogue = Epilogue {
        scale: 2.0,
        shift: -1.0,
        ..Epilogue::none()
    };
    conv_into(b, "rrdb.conv_last", sr, x, epilogue, &[])
}

/// The array of one dense block: its input, then room for what it grows.
struct DenseArray {
    array: ValueId,
    /// The block's input, the first channel group.
    input: ValueId,
}

impl DenseArray {
    fn new(
        b: &mut GraphBuilder,
        settings: &Settings,
        block: &str,
        shape: Shape,
    ) -> Result<Self, GraphError> {
        Self::named(b, settings, block, &format!("{block}.input"), shape)
    }

    fn named(
        b: &mut GraphBuilder,
        settings: &Settings,
        block: &str,
        input: &str,
        shape: Shape,
    ) -> Result<Self, GraphError> {
        let (features, growth) = (settings.rrdb_features, settings.rrdb_growth);
        let segments = [features, growth, growth, growth, growth];
        let whole = shape.with_channels(segments.iter().sum());
        let array = b.concat(&format!("{block}.dense"), whole, &segments)?;
        let input = b.segments(input, array, 0, 1)?;
        Ok(Self { array, input })
    }

    /// conv1..conv4: each reads all groups so far and writes the next one.
    fn grow(&self, b: &mut GraphBuilder, block: &str) -> Result<(), GraphError> {
        for k in 1..=4 {
            let so_far = match k {
                1 => self.input,
                _ => b.segments(&format!("{block}.groups{k}"), self.array, 0, k)?,
            };
            let grown = b.segments(&format!("{block}.grown{k}"), self.array, k, 1)?;
            let weight = format!("{block}.conv{k}");
            conv_into(b, &weight, grown, so_far, Epilogue::activation(LEAKY), &[])?;
        }
        Ok(())
    }

    /// conv5 over everything, scaled, with residuals.
    fn fuse(
        &self,
        b: &mut GraphBuilder,
        block: &str,
        into: ValueId,
        scale: f32,
        residuals: &[(ValueId, f32)],
    ) -> Result<(), GraphError> {
        let scales: Vec<f32> = residuals.iter().map(|&(_, scale)| scale).collect();
        let values: Vec<ValueId> = residuals.iter().map(|&(id, _)| id).collect();
        let weight = format!("{block}.conv5");
        conv_into(
            b,
            &weight,
            into,
            self.array,
            residual_epilogue(scale, &scales),
            &values,
        )
    }
}

/// Where a feature map goes: into the conditioning, or a temporary of its own.
fn place(
    b: &mut GraphBuilder,
    conditioning: ValueId,
    map: Option<usize>,
    name: &str,
    shape: Shape,
) -> Result<ValueId, GraphError> {
    match map {
        Some(map) => b.segments(name, conditioning, map, 1),
        None => b.value(name, shape, Role::Temporary, Element::Real),
    }
}

fn residual_epilogue(scale: f32, residual_scales: &[f32]) -> Epilogue {
    Epilogue {
        scale,
        residual_scales: residual_scales.to_vec(),
        ..Epilogue::none()
    }
}

fn conv(
    b: &mut GraphBuilder,
    weight: &str,
    name: &str,
    x: ValueId,
    channels: usize,
    epilogue: Epilogue,
) -> Result<ValueId, GraphError> {
    let y = b.value(
        name,
        b.shape(x).with_channels(channels),
        Role::Temporary,
        Element::Real,
    )?;
    conv_into(b, weight, y, x, epilogue, &[])?;
    Ok(y)
}

/// A 3x3 convolution with zero padding, the only kind in the encoder.
fn conv_into(
    b: &mut GraphBuilder,
    weight: &str,
    into: ValueId,
    x: ValueId,
    epilogue: Epilogue,
    residuals: &[ValueId],
) -> Result<(), GraphError> {
    let (out, inp) = (b.shape(into).c, b.shape(x).c);
    let w = b.parameter(&format!("{weight}.weight"), Shape::new(out, inp, 3, 3))?;
    let bias = b.parameter(&format!("{weight}.bias"), Shape::vector(out))?;
    let op = Op::Conv2d(Conv2d {
        kernel: 3,
        stride: 1,
        padding: Padding::Zero,
        bias: true,
        epilogue,
    });
    let mut inputs = vec![x, w, bias];
    inputs.extend(residuals);
    b.push_into(&[into], op, &inputs)
}
