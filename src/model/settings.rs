//! A model's settings: sizes, scale, noise schedule and input scaling.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{
    config::Config,
    layout::{Shapes, is_sr_head},
    printable,
    tensor_sizes::TensorSizes,
};
use crate::diffusion::{BetaSchedule, Process, Schedule, ScheduleError};

/// Allowed factors and divisors: far beyond any model's, and safe in f32.
pub(super) const SCALES: RangeInclusive<f64> = 1e-3..=1e6;
/// Attention heads of the published code.
pub(super) const DEFAULT_HEADS: usize = 4;

/// A model's settings.
///
/// Sizes come from the shapes of its tensors; what shapes cannot tell comes
/// from the file's metadata. Names in parentheses are those of the published
/// settings files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Base channels of the U-Net and features of its time embedding
    /// (`hidden_size`); even, at least 4.
    pub hidden: usize,
    /// Channels of each U-Net level in units of `hidden`, finest level first
    /// (`unet_dim_mults`); the first is 1.
    pub mults: Vec<usize>,
    /// Features of the encoder, nf (`rrdb_num_feat`).
    pub rrdb_features: usize,
    /// RRDBs of the encoder, nb (`rrdb_num_block`); 2 to 1000.
    pub rrdb_blocks: usize,
    /// Growth of the encoder's dense blocks, gc; nf / 2 in published models.
    pub rrdb_growth: usize,
    /// Enlargement (`sr_scale`): 2, 4, 8 or a higher power of two.
    pub scale: usize,
    /// Groups of every group norm of the U-Net (`gn_groups`), `None` without.
    pub groups: Option<usize>,
    /// Linear attention between the middle blocks (`use_attn`), `None` without.
    pub attention: Option<Attention>,
    /// Whether the U-Net also reads the enlarged LR (`up_input`).
    pub up_input: bool,
    /// Whether the file has the encoder's own super-resolution head.
    pub has_sr_head: bool,
    /// Timesteps of the diffusion, T (`timesteps`); 1 to 4096.
    pub timesteps: usize,
    /// Noise schedule (`beta_schedule` and its parameters).
    pub schedule: BetaSchedule,
    /// The residual is `(x_H - up(x_L)) * res_rescale`; 1e-3 to 1e6, 2 as published.
    pub res_rescale: f64,
    /// The enlarged LR is `u8 / lr_up_divisor * 2 - 1`: 255, or 256 in models
    /// trained with the published code; 1e-3 to 1e6. The encoder's LR is always
    /// over 255.
    pub lr_up_divisor: f64,
    /// Whether the residual is clamped to [-1, 1] before the enlarged LR is added.
    pub clip_input: bool,
    /// Whether each estimate of x_0 is clamped to [-1, 1].
    pub clip_denoised: bool,
    /// The process that the model was distilled for, which is its default
    /// (`distilled_sampler`, `distilled_steps`).
    pub distilled: Option<Process>,
}

/// Sizes of the linear attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    /// 4 in published code.
    pub heads: usize,
    /// Channels of one head, a multiple of 4; 32 in published code.
    pub head_dim: usize,
}

/// Settings that are missing, wrong, or not those of the tensors.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    #[error("has no `config` in its metadata; make the file with `srdiff convert`")]
    MissingConfig,
    #[error(
        "metadata `config` is not valid ({}); correct it or make the file with `srdiff convert`",
        printable(.0)
    )]
    Config(String),
    #[error("metadata `config` has no `{0}`, which the tensors cannot tell; add it")]
    MissingKey(&'static str),
    #[error(
        "setting `{key}` is {}, but must be {allowed}; correct it",
        printable(value)
    )]
    Value {
        key: &'static str,
        value: String,
        allowed: &'static str,
    },
    #[error(
        "setting `{key}` is {setting}, but by tensor `{tensor}` it is {found}; settings and tensors must be of one model"
    )]
    Disagree {
        key: &'static str,
        setting: String,
        tensor: String,
        found: String,
    },
    #[error(
        "tensor `{0}` is missing, from which the model's sizes are read; this is not a whole SRDiff model"
    )]
    MissingTensor(String),
    #[error(
        "tensor `{name}` has shape {shape:?}, but must have {expected}; this is not an SRDiff model"
    )]
    Shape {
        name: String,
        shape: Vec<usize>,
        expected: &'static str,
    },
    #[error(
        "tensor `{0}` is a group norm's, but setting `gn_groups` is absent or 0; set it to the number of groups the model was trained with"
    )]
    GroupsMissing(String),
    #[error(
        "setting `gn_groups` is {groups}, which does not divide the {channels} channels of `{tensor}`; correct it"
    )]
    GroupsDivide {
        groups: usize,
        channels: usize,
        tensor: String,
    },
    #[error(
        "settings `clip_input` and `clip_denoised` are both false, but the residual is always clamped to [-1, 1]; set one of them to true"
    )]
    Unclamped,
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

impl Settings {
    /// U-Net levels; each but the first halves the resolution.
    pub fn levels(&self) -> usize {
        self.mults.len()
    }

    /// Channels of U-Net level `level`, 0 the finest.
    ///
    /// # Panics
    /// When there is no such level.
    pub fn channels(&self, level: usize) -> usize {
        self.hidden * self.mults[level]
    }

    /// Height and width of a U-Net input must be multiples of this.
    pub fn size_multiple(&self) -> usize {
        1 << (self.levels() - 1)
    }

    /// Factor from LR values in [0, 1] to those whose enlargement, less 1, is the
    /// bicubic enlargement in about [-1, 1].
    pub fn up_factor(&self) -> f64 {
        2.0 * (255.0 / self.lr_up_divisor)
    }

    /// LR heights and widths must be multiples of this, so that every level of
    /// the U-Net divides evenly.
    pub fn lr_size_multiple(&self) -> usize {
        // Both are powers of two.
        (self.size_multiple() / self.scale).max(1)
    }

    /// The LR side to which a `side` of pixels is padded: at least 2 pixels in
    /// the U-Net's last level, as reflection padding needs.
    pub fn padded_lr_side(&self, side: usize) -> usize {
        let smallest = (2 * self.size_multiple()).div_ceil(self.scale);
        side.max(smallest).next_multiple_of(self.lr_size_multiple())
    }

    /// Number of encoder features that condition the U-Net: those at indices
    /// 2, 5, 8, ... of its `rrdb_blocks + 1`.
    pub fn conditioning_maps(&self) -> usize {
        (self.rrdb_blocks + 1) / 3
    }

    /// Channels of the concatenation of these features.
    pub fn conditioning_channels(&self) -> usize {
        self.rrdb_features * self.conditioning_maps()
    }

    /// The settings as JSON for the metadata key `config`.
    pub fn to_config(&self) -> String {
        Config::from(self).to_json()
    }

    /// Reads the sizes from `shapes` and the rest from `config`, and compares
    /// the sizes in `config` with the tensors.
    pub(super) fn read(shapes: &Shapes, config: &Config) -> Result<Self, SettingsError> {
        let tensors = TensorSizes { shapes, config };
        let missing = SettingsError::MissingKey;
        let hidden = tensors.hidden()?;
        let mults = tensors.mults(hidden)?;
        let settings = Self {
            groups: tensors.groups()?,
            attention: tensors.attention()?,
            up_input: tensors.up_input()?,
            scale: tensors.scale()?,
            rrdb_features: tensors.rrdb_features()?,
            rrdb_blocks: tensors.rrdb_blocks()?,
            rrdb_growth: tensors.rrdb_growth()?,
            has_sr_head: shapes.keys().any(|name| is_sr_head(name)),
            hidden,
            mults,
            timesteps: config.timesteps.ok_or(missing("timesteps"))?,
            schedule: config.schedule()?,
            res_rescale: config.res_rescale.ok_or(missing("res_rescale"))?,
            lr_up_divisor: config.lr_up_divisor.unwrap_or(255.0),
            clip_input: config.clip_input.unwrap_or(true),
            clip_denoised: config.clip_denoised.unwrap_or(true),
            distilled: config.distilled()?,
        };
        if config.res == Some(false) {
            return Err(value("res", false, "true (a model of residuals)"));
        }
        settings.check()?;
        Ok(settings)
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        for level in 0..self.levels() {
            let channels = self.channels(level);
            let mut wrong = self.groups.iter().filter(|&&n| !channels.is_multiple_of(n));
            if let Some(&groups) = wrong.next() {
                return Err(SettingsError::GroupsDivide {
                    groups,
                    channels,
                    tensor: format!("denoise_fn.downs.{level}.0.block1.block.2.weight"),
                });
            }
        }
        for (key, setting) in [
            ("res_rescale", self.res_rescale),
            ("lr_up_divisor", self.lr_up_divisor),
        ] {
            if !SCALES.contains(&setting) {
                return Err(value(key, setting, "a number from 0.001 to 1000000"));
            }
        }
        // The residual is clamped where it is added to the enlarged input. That
        // changes nothing if estimates of x_0 are clamped, too.
        if !self.clip_input && !self.clip_denoised {
            return Err(SettingsError::Unclamped);
        }
        Schedule::new(&self.schedule, self.timesteps)?;
        match self.distilled {
            Some(Process { steps, .. }) if !(1..=self.timesteps).contains(&steps) => {
                let allowed = "a number from 1 to `timesteps`";
                Err(value("distilled_steps", steps, allowed))
            }
            _ => Ok(()),
        }
    }
}

/// The error for a setting outside its range.
pub(super) fn value(
    key: &'static str,
    value: impl ToString,
    allowed: &'static str,
) -> SettingsError {
    let value = value.to_string();
    SettingsError::Value {
        key,
        value,
        allowed,
    }
}
