//! The graphs of an upscale.

use crate::graph::{Graph, GraphError};
use crate::model::{PhaseOptions, Settings, phases};
use crate::ops::NoiseSource;

/// The phases for a tile of `width` x `height` LR pixels.
pub(super) fn graphs(
    settings: &Settings,
    [width, height]: [usize; 2],
) -> Result<Vec<Graph>, GraphError> {
    let options = PhaseOptions {
        batch: 1,
        height,
        width,
        noise: NoiseSource::Generated,
        sr_head: false,
    };
    phases::build(settings, &options)
}
