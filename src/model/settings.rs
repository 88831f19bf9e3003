//! stub
use serde::{Deserialize, Serialize};
/// stub
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub hidden: usize,
    pub mults: Vec<usize>,
    pub rrdb_features: usize,
    pub rrdb_blocks: usize,
    pub rrdb_growth: usize,
    pub scale: usize,
    pub groups: usize,
    pub timesteps: usize,
    pub res_rescale: f64,
    pub lr_up_divisor: f64,
    pub use_attn: bool,
    pub up_input: bool,
    pub has_sr_head: bool,
}
