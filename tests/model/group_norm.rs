//! What PyTorch's group norms do that no shape tells.

use super::tiny::all_options;
use srdiff::model::{PhaseOptions, phases};
use srdiff::ops::Op;

/// Where features hardly vary, another epsilon gives another image; the
/// golden models' features vary too much to tell.
#[test]
fn epsilon_is_pytorch_s() {
    let options = PhaseOptions::new([8, 8]);
    let graphs = phases::build(&all_options(), &options).unwrap();
    let nodes = graphs.iter().flat_map(|graph| &graph.nodes);
    let epsilons: Vec<f32> = nodes
        .filter_map(|node| match &node.op {
            Op::GroupNorm(norm) => Some(norm.epsilon),
            _ => None,
        })
        .collect();
    assert!(epsilons.len() > 4, "{epsilons:?}");
    assert!(
        epsilons.iter().all(|&epsilon| epsilon == 1e-5),
        "{epsilons:?}"
    );
}
