//! New models, to be trained from nothing.

use super::data::draws::Draws;
use crate::diffusion::BetaSchedule;
use crate::model::convert::{ConvertError, ConvertOptions, assemble};
use crate::model::{Model, Settings, SettingsError, expected_tensors};
use std::collections::BTreeMap;
use thiserror::Error;

/// Sizes of a new model, under the names of [`Settings`].
#[derive(Clone, Debug, PartialEq)]
pub struct NewModel {
    pub hidden: usize,
    pub mults: Vec<usize>,
    pub features: usize,
    pub blocks: usize,
    pub scale: usize,
    pub groups: Option<usize>,
}

/// Sizes of no model.
#[derive(Debug, Error)]
pub enum NewModelError {
    /// The name of a size, and what it must be.
    #[error("`{name}` {value}: choose {choose}")]
    Size {
        name: &'static str,
        value: String,
        choose: &'static str,
    },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Model(#[from] ConvertError),
}

/// More would be larger than any known model.
const MOST_CHANNELS: usize = 1024;

impl NewModel {
    /// The settings of such a model, all others as published, but for the divisor
    /// of the enlargement, which is 255.
    ///
    /// # Errors
    /// When a size is out of range.
    pub fn settings(&self) -> Result<Settings, NewModelError> {
        let Self {
            hidden,
            ref mults,
            features,
            blocks,
            scale,
            groups,
        } = *self;
        let refuse = |wrong: bool, name, value: String, choose| match wrong {
            true => Err(NewModelError::Size {
                name,
                value,
                choose,
            }),
            false => Ok(()),
        };
        let channels = |n: usize| n.is_multiple_of(4) && (4..=MOST_CHANNELS).contains(&n);
        let choose = "a multiple of 4 up to 1024";
        refuse(!channels(hidden), "hidden", hidden.to_string(), choose)?;
        let is_list = mults.first() == Some(&1)
            && mults.len() <= 6
            && mults.iter().all(|&m| m > 0 && m <= MOST_CHANNELS / hidden);
        let choose =
            "up to 6 numbers that begin with 1, such as 1,2,2,4; times `hidden`, none above 1024";
        refuse(!is_list, "mults", format!("{mults:?}"), choose)?;
        let choose = "a multiple of 8 up to 1024";
        let is_even = channels(features) && features.is_multiple_of(8);
        refuse(!is_even, "features", features.to_string(), choose)?;
        let is_some = (2..=100).contains(&blocks);
        refuse(!is_some, "blocks", blocks.to_string(), "2 to 100")?;
        let is_power = [2, 4, 8, 16].contains(&scale);
        refuse(!is_power, "scale", scale.to_string(), "2, 4, 8 or 16")?;
        let divides = groups.is_none_or(|groups| groups > 0 && hidden.is_multiple_of(groups));
        let text = groups.unwrap_or_default().to_string();
        refuse(!divides, "groups", text, "a divisor of `hidden`")?;
        Ok(Settings {
            hidden,
            mults: mults.clone(),
            rrdb_features: features,
            rrdb_blocks: blocks,
            rrdb_growth: features / 2,
            scale,
            groups,
            attention: None,
            up_input: false,
            has_sr_head: true,
            timesteps: 100,
            schedule: BetaSchedule::COSINE,
            res_rescale: 2.0,
            lr_up_divisor: 255.0,
            clip_input: true,
            clip_denoised: true,
            distilled: None,
        })
    }

    /// A model with random parameters, as PyTorch starts its layers.
    ///
    /// # Errors
    /// When a size is out of range.
    pub fn make(&self, seed: u64) -> Result<Model, NewModelError> {
        let settings = self.settings()?;
        let tensors = initial_tensors(&settings, seed);
        let options = ConvertOptions::default();
        Ok(assemble("a new model", &settings, &tensors, &options)?)
    }
}

/// The parameters of a new model, which follow from the seed: convolutions and
/// linear layers uniform within 1 / sqrt(n) of 0, n the number of inputs of an
/// output (PyTorch's default); norms of groups 1 and 0; the attention's gate 0,
/// so that it comes in as it learns.
///
/// # Panics
/// When no model has these settings.
pub fn initial_tensors(settings: &Settings, seed: u64) -> BTreeMap<String, Vec<f32>> {
    let shapes = expected_tensors(settings);
    let weights: BTreeMap<&str, &[usize]> = shapes
        .iter()
        .filter_map(|(name, shape)| Some((name.strip_suffix(".weight")?, &shape[..])))
        .collect();
    // No batch has this number.
    let mut draws = Draws::new(seed, u64::MAX, 0);
    let mut tensor = |name: &str, shape: &[usize]| -> Vec<f32> {
        let count = shape.iter().product();
        let layer = name.rsplit_once('.').map_or(name, |(layer, _)| layer);
        match weights.get(layer) {
            // The gate.
            None => vec![0.0; count],
            // A norm has a weight for each channel.
            Some([_]) if name.ends_with(".weight") => vec![1.0; count],
            Some([_]) => vec![0.0; count],
            // PyTorch takes the second dimension even where it is the outputs.
            Some(weight) => {
                let inputs: usize = weight[1..].iter().product();
                let bound = 1.0 / (inputs as f64).sqrt();
                let mut draw = || (bound * (2.0 * draws.unit() - 1.0)) as f32;
                (0..count).map(|_| draw()).collect()
            }
        }
    };
    shapes
        .iter()
        .map(|(name, shape)| (name.clone(), tensor(name, shape)))
        .collect()
}
