//! The graphs of an upscale.

use crate::graph::{Graph, GraphError};
use crate::model::{PhaseOptions, Settings, phases};

/// The phases for a tile of `width` x `height` LR pixels.
pub(super) fn graphs(
    settings: &Settings,
    [width, height]: [usize; 2],
) -> Result<Vec<Graph>, GraphError> {
    let options = PhaseOptions::new([width, height]);
    phases::build(settings, &options)
}
