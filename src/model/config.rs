//! The JSON in a model file's metadata key `config`.

use serde::{Deserialize, Serialize};

use super::{
    Settings,
    settings::{SettingsError, value},
};
use crate::diffusion::{BetaSchedule, Process};

/// Settings as written, under the names of the published settings files.
///
/// All may be absent, and other keys are ignored. Sizes come from the tensors
/// and are only compared with these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub hidden_size: Option<usize>,
    pub unet_dim_mults: Option<Vec<usize>>,
    pub rrdb_num_feat: Option<usize>,
    pub rrdb_num_block: Option<usize>,
    pub sr_scale: Option<usize>,
    pub gn_groups: Option<usize>,
    pub use_attn: Option<bool>,
    pub attn_heads: Option<usize>,
    pub up_input: Option<bool>,
    pub timesteps: Option<usize>,
    pub beta_schedule: Option<String>,
    pub beta_s: Option<f64>,
    pub beta_start: Option<f64>,
    pub beta_end: Option<f64>,
    /// Whether the model predicts the residual over the bicubic enlargement.
    pub res: Option<bool>,
    pub res_rescale: Option<f64>,
    pub lr_up_divisor: Option<f64>,
    pub clip_input: Option<bool>,
    pub clip_denoised: Option<bool>,
    pub distilled_sampler: Option<String>,
    pub distilled_steps: Option<usize>,
}

impl Config {
    pub fn parse(json: &str) -> Result<Self, SettingsError> {
        // Through an object, because serde would also take a list, by position.
        serde_json::from_str(json)
            .and_then(|keys| serde_json::from_value(serde_json::Value::Object(keys)))
            .map_err(|error: serde_json::Error| SettingsError::Config(error.to_string()))
    }

    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_value(self).expect("a config is plain data");
        if let Some(keys) = json.as_object_mut() {
            keys.retain(|_, value| !value.is_null());
        }
        json.to_string()
    }

    /// The noise schedule; parameters default to the published ones.
    pub fn schedule(&self) -> Result<BetaSchedule, SettingsError> {
        match self.beta_schedule.as_deref() {
            Some("cosine") => Ok(BetaSchedule::Cosine {
                s: self.beta_s.unwrap_or(BetaSchedule::PUBLISHED_S),
            }),
            Some("linear") => Ok(BetaSchedule::Linear {
                start: self.beta_start.unwrap_or(BetaSchedule::PUBLISHED_START),
                end: self.beta_end.unwrap_or(BetaSchedule::PUBLISHED_END),
            }),
            Some(other) => Err(value(
                "beta_schedule",
                format!("`{other}`"),
                "`cosine` or `linear`",
            )),
            None => Err(SettingsError::MissingKey("beta_schedule")),
        }
    }

    /// The process that the model was distilled for.
    pub fn distilled(&self) -> Result<Option<Process>, SettingsError> {
        match (&self.distilled_sampler, self.distilled_steps) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(SettingsError::MissingKey("distilled_sampler")),
            (Some(_), None) => Err(SettingsError::MissingKey("distilled_steps")),
            (Some(name), Some(steps)) => {
                let allowed = "`ddpm`, `ddim`, `ddim:ETA` or `dpm++`";
                let wrong = |_| value("distilled_sampler", format!("`{name}`"), allowed);
                let sampler = name.parse().map_err(wrong)?;
                Ok(Some(Process { sampler, steps }))
            }
        }
    }

    pub fn set_schedule(&mut self, schedule: &BetaSchedule) {
        (self.beta_s, self.beta_start, self.beta_end) = (None, None, None);
        match *schedule {
            BetaSchedule::Cosine { s } => {
                self.beta_schedule = Some("cosine".to_owned());
                self.beta_s = Some(s);
            }
            BetaSchedule::Linear { start, end } => {
                self.beta_schedule = Some("linear".to_owned());
                (self.beta_start, self.beta_end) = (Some(start), Some(end));
            }
        }
    }
}

impl From<&Settings> for Config {
    fn from(settings: &Settings) -> Self {
        let mut config = Self {
            hidden_size: Some(settings.hidden),
            unet_dim_mults: Some(settings.mults.clone()),
            rrdb_num_feat: Some(settings.rrdb_features),
            rrdb_num_block: Some(settings.rrdb_blocks),
            sr_scale: Some(settings.scale),
            gn_groups: Some(settings.groups.unwrap_or(0)),
            use_attn: Some(settings.attention.is_some()),
            attn_heads: settings.attention.map(|attention| attention.heads),
            up_input: Some(settings.up_input),
            timesteps: Some(settings.timesteps),
            res_rescale: Some(settings.res_rescale),
            lr_up_divisor: Some(settings.lr_up_divisor),
            clip_input: Some(settings.clip_input),
            clip_denoised: Some(settings.clip_denoised),
            distilled_sampler: (settings.distilled).map(|process| process.sampler.to_string()),
            distilled_steps: settings.distilled.map(|process| process.steps),
            ..Self::default()
        };
        config.set_schedule(&settings.schedule);
        config
    }
}
