//! The LR encoder: residual-in-residual dense blocks (RRDB, Wang et al. 2018,
//! as in SRDiff section 3.3).

use super::Settings;
use super::layers::{self, Added, To};
use super::phases::names;
use crate::graph::{Element, GraphBuilder, GraphError, Role, Shape, ValueId};
use crate::ops::{Activation, Conv2d, Op, Padding, Pointwise, UpsampleNearest};

/// The value that the SR head writes.
pub(crate) const SR: &str = "encoder.sr";

const LEAKY: Activation = Activation::LeakyRelu { slope: 0.2 };
/// Factor of a dense block's and of an RRDB's result before the residual is added.
const RESIDUAL_SCALE: f32 = 0.2;

/// The encoder's features that condition the U-Net: every third feature map,
/// `[n, nf * maps, h, w]` for an LR image of `lr_shape`.
pub(super) fn features(b: &mut GraphBuilder, settings: &Settings, lr_shape: Shape) -> Added {
    let (features, maps) = (settings.rrdb_features, settings.conditioning_maps());
    b.concat(
        names::FEATURES,
        lr_shape.with_channels(features * maps),
        Role::State,
        &vec![features; maps],
    )
}

/// Adds the encoder for an LR image `lr` `[n, 3, h, w]` in [0, 1], which writes
/// its [`features`]. Returns the last feature map, which the SR head reads.
///
/// Every dense block works in one array `[features | growth x 4]`. Each
/// convolution reads its left part and writes the next group to the right, so
/// that concatenation copies nothing.
pub(super) fn build(b: &mut GraphBuilder, settings: &Settings, lr: ValueId) -> Added {
    let (features, blocks) = (settings.rrdb_features, settings.rrdb_blocks);
    let shape = b.shape(lr).with_channels(features);
    let conditioning = self::features(b, settings, shape)?;
    let mut net = Encoder {
        b,
        settings,
        shape,
        conditioning,
    };

    // The residual after the trunk reads conv_first's result again, so the
    // first dense array stays alive until then.
    let mut dense = net.dense_array(0, 1, Some("encoder.first"))?;
    let first = dense.input;
    conv(net.b, "rrdb.conv_first", lr, features, To::Value(first))?;

    let mut last_feature = first;
    for block in 0..blocks {
        let input = dense.input;
        for rdb in 1..=2 {
            let next = net.dense_array(block, rdb + 1, None)?;
            net.dense_block(&dense, To::Value(next.input))?;
            dense = next;
        }
        let result = format!("{}.result", dense.name);
        let rdb3 = net.dense_block(&dense, To::New(&result))?;

        let residual = Pointwise::add(RESIDUAL_SCALE, 1.0);
        let feature = format!("encoder.feat.{block}");
        if block + 1 < blocks {
            dense = net.dense_array(block + 1, 1, Some(&feature))?;
            last_feature = dense.input;
            let to = To::Value(last_feature);
            layers::pointwise(net.b, residual, &[rdb3, input], to)?;
            if let Some(map) = conditioning_map(block) {
                let name = format!("encoder.map.{map}");
                let to = To::Value(net.b.segments(&name, conditioning, map, 1)?);
                layers::pointwise(net.b, Pointwise::copy(), &[last_feature], to)?;
            }
        } else {
            let to = To::Value(net.feature(block, &feature)?);
            last_feature = layers::pointwise(net.b, residual, &[rdb3, input], to)?;
        }
    }

    let last = net.feature(blocks, &format!("encoder.feat.{blocks}"))?;
    let to = To::New("encoder.trunk");
    let trunk = conv(net.b, "rrdb.trunk_conv", last_feature, features, to)?;
    let add = Pointwise::add(1.0, 1.0);
    layers::pointwise(net.b, add, &[trunk, first], To::Value(last))?;
    Ok(last)
}

/// Adds the encoder's own SR head, which diffusion does not need. Result:
/// `encoder.sr` `[n, 3, s*h, s*w]` in about [-1, 1], not clamped.
pub(super) fn build_sr_head(
    b: &mut GraphBuilder,
    settings: &Settings,
    last: ValueId,
) -> Result<(), GraphError> {
    let features = settings.rrdb_features;
    let mut x = last;
    for doubling in 1..=settings.scale.ilog2() {
        let op = Op::UpsampleNearest(UpsampleNearest { factor: 2 });
        x = b.push(&format!("encoder.nearest.{doubling}"), op, &[x])?;
        let layer = format!("rrdb.upconv{doubling}");
        let name = format!("encoder.upconv.{doubling}");
        x = leaky_conv(b, &layer, x, features, To::New(&name))?;
    }
    x = leaky_conv(b, "rrdb.HRconv", x, features, To::New("encoder.hr"))?;
    let unit = conv(b, "rrdb.conv_last", x, 3, To::New("encoder.unit"))?;
    let shape = b.shape(unit);
    let sr = b.value(SR, shape, Role::Temporary, Element::F32)?;
    layers::pointwise(b, Pointwise::affine(2.0, -1.0), &[unit], To::Value(sr))?;
    Ok(())
}

struct Encoder<'a> {
    b: &'a mut GraphBuilder,
    settings: &'a Settings,
    /// Shape of a feature map.
    shape: Shape,
    conditioning: ValueId,
}

/// The array of one dense block.
struct DenseArray {
    /// Name of the block.
    name: String,
    array: ValueId,
    /// The block's input, the first channel group.
    input: ValueId,
}

impl Encoder<'_> {
    fn dense_array(
        &mut self,
        block: usize,
        rdb: usize,
        input: Option<&str>,
    ) -> Result<DenseArray, GraphError> {
        let name = format!("rrdb.RRDB_trunk.{block}.RDB{rdb}");
        let growth = self.settings.rrdb_growth;
        let segments = [self.shape.c, growth, growth, growth, growth];
        let whole = self.shape.with_channels(segments.iter().sum());
        let array = self
            .b
            .concat(&format!("{name}.dense"), whole, Role::Temporary, &segments)?;
        let input = input.map_or(format!("{name}.input"), str::to_owned);
        let input = self.b.segments(&input, array, 0, 1)?;
        Ok(DenseArray { name, array, input })
    }

    /// conv1..conv4, each of which reads all groups so far and writes the next
    /// one, then `0.2 * conv5 + input` over everything.
    fn dense_block(&mut self, dense: &DenseArray, to: To) -> Added {
        let DenseArray { name, array, input } = dense;
        for k in 1..=4 {
            let so_far = match k {
                1 => *input,
                _ => (self.b).segments(&format!("{name}.groups{k}"), *array, 0, k)?,
            };
            let grown = (self.b).segments(&format!("{name}.grown{k}"), *array, k, 1)?;
            let layer = format!("{name}.conv{k}");
            let growth = self.settings.rrdb_growth;
            leaky_conv(self.b, &layer, so_far, growth, To::Value(grown))?;
        }
        let layer = format!("{name}.conv5");
        let conv5 = conv(self.b, &layer, *array, self.shape.c, To::New(&layer))?;
        let residual = Pointwise::add(RESIDUAL_SCALE, 1.0);
        layers::pointwise(self.b, residual, &[conv5, *input], to)
    }

    /// A feature map: a part of the conditioning, or a temporary of its own.
    fn feature(&mut self, index: usize, name: &str) -> Added {
        match conditioning_map(index) {
            Some(map) => self.b.segments(name, self.conditioning, map, 1),
            None => (self.b).value(name, self.shape, Role::Temporary, Element::Float),
        }
    }
}

/// The place of a feature in the conditioning, which takes every third one.
fn conditioning_map(feature: usize) -> Option<usize> {
    (feature % 3 == 2).then_some(feature / 3)
}

/// A 3x3 convolution with zero padding.
fn conv(b: &mut GraphBuilder, layer: &str, x: ValueId, outputs: usize, to: To) -> Added {
    layers::conv2d(b, layer, outputs, Conv2d::new(3, Padding::Zero), x, to)
}

/// The same, then LeakyReLU.
fn leaky_conv(b: &mut GraphBuilder, layer: &str, x: ValueId, outputs: usize, to: To) -> Added {
    let raw = conv(b, layer, x, outputs, To::New(&format!("{layer}.raw")))?;
    layers::pointwise(b, Pointwise::activation(LEAKY), &[raw], to)
}
