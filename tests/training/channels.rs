//! Models whose channels are no multiples of 4, which GPUs pad: they train those
//! that they can, as the CPU does, and name a layer of each other.

use super::steps::{Gradients, gradients_of};
use super::{Device, fixture};
use libtest_mimic::Failed;
use srdiff::model::convert::{ConvertOptions, assemble};
use srdiff::model::{Attention, Model, Settings};
use srdiff::train::{Stage, TrainError, Trainer, TrainerOptions, initial_tensors};
use std::sync::Arc;

/// Losses of three steps, and the gradients of the last one.
struct Trained {
    losses: Vec<f32>,
    gradients: Gradients,
}

/// Sizes of a model: channels of the U-Net, of its levels in units of these,
/// features of the encoder and growth of its blocks.
type Sizes = (usize, &'static [usize], usize, usize);

/// The fixture's model in another size.
fn model((hidden, mults, features, growth): Sizes) -> Result<Model, Failed> {
    let (like, _) = fixture::batches()?;
    let settings = Settings {
        hidden,
        mults: mults.to_vec(),
        rrdb_features: features,
        rrdb_growth: growth,
        rrdb_blocks: 2,
        groups: (hidden % 4 != 0).then_some(hidden / 2),
        attention: Some(Attention {
            heads: 2,
            head_dim: 4,
        }),
        ..like.settings().clone()
    };
    let tensors = initial_tensors(&settings, 3);
    Ok(assemble(
        "odd",
        &settings,
        &tensors,
        &ConvertOptions::default(),
    )?)
}

fn trained(
    device: &Device,
    stage: Stage,
    sizes: Sizes,
) -> Result<Result<Trained, TrainError>, Failed> {
    let (_, batches) = fixture::batches()?;
    let model = Arc::new(model(sizes)?);
    let images = batches[0].denoiser.timesteps.len();
    let options = TrainerOptions::new(stage, images, fixture::LR_SIZE);
    let mut trainer = match Trainer::new(&device.backend(model.clone()), &model, options) {
        Ok(trainer) => trainer,
        Err(error) => return Ok(Err(error)),
    };
    let mut losses = Vec::new();
    for batch in &batches {
        let report = trainer.step(std::slice::from_ref(batch), 1e-3)?;
        let of_step = [report.losses.denoiser, report.losses.encoder];
        losses.extend(of_step.into_iter().flatten().map(|loss| loss as f32));
    }
    let gradients = gradients_of(&mut trainer)?;
    Ok(Ok(Trained { losses, gradients }))
}

/// What GPUs train, and the layer because of which they do not.
const CASES: [(Stage, Sizes, Option<&str>); 6] = [
    // The encoder's dense blocks are read alone, and the U-Net joins nothing.
    (Stage::Denoiser, (6, &[1], 7, 3), None),
    // 12 and 12 channels are joined.
    (Stage::Joint, (6, &[1, 2], 8, 4), None),
    // What is joined is read as a whole, so its gradient has two groups.
    (
        Stage::Denoiser,
        (6, &[1, 3], 8, 4),
        Some("denoise_fn.ups.0.0.block1.block.1"),
    ),
    (
        Stage::Joint,
        (6, &[1, 1, 2], 8, 4),
        Some("denoise_fn.ups.1.0.block1.block.1"),
    ),
    (
        Stage::Encoder,
        (8, &[1, 2], 8, 2),
        Some("rrdb.RRDB_trunk.1.RDB3.conv5"),
    ),
    (
        Stage::Joint,
        (8, &[1, 2], 6, 4),
        Some("rrdb.RRDB_trunk.1.RDB3.conv5"),
    ),
];

pub fn odd_channels(device: &Device) -> Result<(), Failed> {
    for (stage, sizes, untrained) in CASES {
        let what = format!("{stage:?} of {sizes:?}");
        let found = trained(device, stage, sizes)?;
        if let (Some(expected), false) = (untrained, device.is_cpu()) {
            match found {
                Err(TrainError::NoKernel { layer, .. }) if layer == expected => continue,
                Err(error) => return Err(format!("{what}: {error}, not {expected}").into()),
                Ok(_) => return Err(format!("{what} is trained").into()),
            }
        }
        let found = found.map_err(|error| format!("{what}: {error}"))?;
        if device.is_cpu() {
            continue;
        }
        let expected = trained(&Device::Cpu, stage, sizes)??;
        let off = fixture::error(&found.losses, &expected.losses);
        fixture::hold(&format!("losses of {what}"), off, 1e-4)?;
        let mut worst: (f64, &str) = (0.0, "");
        for ((name, found), (_, expected)) in found.gradients.iter().zip(&expected.gradients) {
            let off = fixture::error(found, expected);
            if off >= worst.0 {
                worst = (off, name);
            }
        }
        println!("    {what}: worst gradient: {} ({:.1e})", worst.1, worst.0);
        fixture::hold(&format!("{what}: gradient of {}", worst.1), worst.0, 1e-3)?;
    }
    Ok(())
}
