//! A model's sizes by the shapes of its tensors, compared with its settings.

use super::{
    Attention, SettingsError,
    config::Config,
    layout::Shapes,
    settings::{DEFAULT_HEADS, value},
};

/// More than any real model has, and small enough that products of a few
/// dimensions cannot overflow.
const MAX_DIM: usize = 1 << 16;
/// Each level halves the image; no model goes as deep.
const MAX_LEVELS: usize = 8;
/// No model has as many; a hostile file may ask for a million.
const MAX_BLOCKS: usize = 1000;

/// The shapes that sizes are read from, and the settings to hold against them.
pub(super) struct TensorSizes<'a> {
    pub shapes: &'a Shapes,
    pub config: &'a Config,
}

type Result<T> = std::result::Result<T, SettingsError>;

impl TensorSizes<'_> {
    pub fn hidden(&self) -> Result<usize> {
        let name = "denoise_fn.mlp.0.weight";
        let hidden = self.dim(name, 2, 1)?;
        if hidden < 4 || hidden % 2 != 0 {
            return Err(value("hidden_size", hidden, "even and at least 4"));
        }
        agree("hidden_size", &self.config.hidden_size, hidden, name)
    }

    pub fn mults(&self, hidden: usize) -> Result<Vec<usize>> {
        let name = |level| format!("denoise_fn.downs.{level}.0.block1.block.1.weight");
        let levels = self.count(name)?;
        if levels > MAX_LEVELS {
            let levels = format!("{levels} levels");
            return Err(value("unet_dim_mults", levels, "8 levels at most"));
        }
        let mut mults = Vec::with_capacity(levels);
        for level in 0..levels {
            let channels = self.dim(&name(level), 4, 0)?;
            if channels % hidden != 0 {
                let expected = "a multiple of the U-Net's base channels first";
                return Err(self.wrong_shape(&name(level), expected));
            }
            mults.push(channels / hidden);
        }
        let setting = &self.config.unet_dim_mults;
        let mults = agree("unet_dim_mults", setting, mults, &name(0))?;
        if mults[0] != 1 {
            let mults = format!("{mults:?}");
            return Err(value("unet_dim_mults", mults, "a list that starts with 1"));
        }
        Ok(mults)
    }

    pub fn scale(&self) -> Result<usize> {
        let name = "denoise_fn.cond_proj.weight";
        let kernel = self.dim(name, 4, 2)?;
        let scale = kernel / 2;
        if kernel % 2 != 0 || scale < 2 || !scale.is_power_of_two() {
            let expected = "a kernel of 4, 8, 16 or a higher power of two, twice the scale";
            return Err(self.wrong_shape(name, expected));
        }
        agree("sr_scale", &self.config.sr_scale, scale, name)
    }

    pub fn rrdb_features(&self) -> Result<usize> {
        let name = "rrdb.conv_first.weight";
        let features = self.dim(name, 4, 0)?;
        agree("rrdb_num_feat", &self.config.rrdb_num_feat, features, name)
    }

    pub fn rrdb_blocks(&self) -> Result<usize> {
        let name = |block| format!("rrdb.RRDB_trunk.{block}.RDB1.conv1.weight");
        let blocks = self.count(name)?;
        let (setting, last) = (&self.config.rrdb_num_block, name(blocks - 1));
        agree("rrdb_num_block", setting, blocks, &last)?;
        if !(2..=MAX_BLOCKS).contains(&blocks) {
            return Err(value("rrdb_num_block", blocks, "from 2 to 1000"));
        }
        Ok(blocks)
    }

    pub fn rrdb_growth(&self) -> Result<usize> {
        self.dim("rrdb.RRDB_trunk.0.RDB1.conv1.weight", 4, 0)
    }

    pub fn groups(&self) -> Result<Option<usize>> {
        let name = "denoise_fn.downs.0.0.block1.block.2.weight";
        match (self.shapes.contains_key(name), self.config.gn_groups) {
            (false, None | Some(0)) => Ok(None),
            (false, Some(groups)) => Err(SettingsError::Disagree {
                key: "gn_groups",
                setting: groups.to_string(),
                tensor: name.to_owned(),
                found: "0, there being no such tensor".to_owned(),
            }),
            (true, None | Some(0)) => Err(SettingsError::GroupsMissing(name.to_owned())),
            (true, groups) => Ok(groups),
        }
    }

    pub fn attention(&self) -> Result<Option<Attention>> {
        let name = "denoise_fn.mid_attn.fn.fn.to_out.weight";
        if !self.is_there("use_attn", &self.config.use_attn, name)? {
            return Ok(None);
        }
        let inner = self.dim(name, 4, 1)?;
        let heads = self.config.attn_heads.unwrap_or(DEFAULT_HEADS);
        if heads == 0 || inner % heads != 0 {
            let allowed = "a divisor of the attention's channels";
            return Err(value("attn_heads", heads, allowed));
        }
        let head_dim = inner / heads;
        // A limit of `LinearAttention`.
        if !head_dim.is_multiple_of(4) {
            let heads = format!("{heads}, which makes heads of {head_dim} channels");
            let allowed = "a number of heads that have a multiple of 4 channels each";
            return Err(value("attn_heads", heads, allowed));
        }
        Ok(Some(Attention { heads, head_dim }))
    }

    pub fn up_input(&self) -> Result<bool> {
        let name = "denoise_fn.up_proj.1.weight";
        self.is_there("up_input", &self.config.up_input, name)
    }

    /// Whether there is a tensor, which a setting also tells.
    fn is_there(&self, key: &'static str, setting: &Option<bool>, name: &str) -> Result<bool> {
        agree(key, setting, self.shapes.contains_key(name), name)
    }

    /// Length of the run of tensors `name(0)`, `name(1)`, ...; at least one.
    fn count(&self, name: impl Fn(usize) -> String) -> Result<usize> {
        let mut run = 0..;
        match run.position(|i| !self.shapes.contains_key(&name(i))) {
            None | Some(0) => Err(SettingsError::MissingTensor(name(0))),
            Some(count) => Ok(count),
        }
    }

    /// Size of dimension `axis` of a tensor of `rank` dimensions.
    fn dim(&self, name: &str, rank: usize, axis: usize) -> Result<usize> {
        let missing = || SettingsError::MissingTensor(name.to_owned());
        let shape = self.shapes.get(name).ok_or_else(missing)?;
        if shape.len() != rank || !(1..=MAX_DIM).contains(&shape[axis]) {
            let expected = match rank {
                2 => "2 dimensions of 1 to 65536",
                _ => "4 dimensions of 1 to 65536",
            };
            return Err(self.wrong_shape(name, expected));
        }
        Ok(shape[axis])
    }

    fn wrong_shape(&self, name: &str, expected: &'static str) -> SettingsError {
        SettingsError::Shape {
            name: name.to_owned(),
            shape: self.shapes[name].clone(),
            expected,
        }
    }
}

/// What was found, but for a setting that contradicts the tensor.
fn agree<T: PartialEq + std::fmt::Debug>(
    key: &'static str,
    setting: &Option<T>,
    found: T,
    tensor: &str,
) -> Result<T> {
    match setting {
        Some(setting) if *setting != found => Err(SettingsError::Disagree {
            key,
            setting: format!("{setting:?}"),
            tensor: tensor.to_owned(),
            found: format!("{found:?}"),
        }),
        _ => Ok(found),
    }
}
