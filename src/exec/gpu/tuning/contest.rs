//! One kernel beside another.

use super::measure::{Loaded, median};
use super::node_graph::{node_graph, smaller};
use super::outcome::NOISE;
use super::self_test::Reference;
use super::tasks::Task;
use super::{Times, class::MOST_PIXELS};
use crate::exec::ExecError;
use crate::graph::Graph;

/// After the second round, a kernel slower than this is not measured further.
const HOPELESS: f64 = 1.3;

/// An image of odd sides that fills no kernel's tiles.
const ODD: [usize; 2] = [21, 35];

/// Times a kernel and the first in turn.
pub fn race(first: &mut Loaded, other: &mut Loaded, rounds: usize) -> Result<Times, ExecError> {
    // Their first runs may be slower.
    let _ = (first.time()?, other.time()?);
    let (mut of_first, mut of_other) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        of_first.push(first.time()?);
        of_other.push(other.time()?);
        if round == 1 && median(&of_other) > HOPELESS * median(&of_first) {
            break;
        }
    }
    Ok(Times {
        microseconds: median(&of_other),
        static_microseconds: median(&of_first),
    })
}

/// What the kernels of a class are tried on.
pub struct Contest {
    /// With an image of odd sides.
    pub odd: Graph,
    pub odd_reference: Reference,
    /// With the real image, or a part of it if it is large.
    pub graph: Graph,
    pub reference: Reference,
    /// Runs of the node in one measurement.
    pub repeats: usize,
    /// The time of the fastest kernel so far that is right, over that of the
    /// first.
    pub best: f64,
}

impl Contest {
    pub fn new(task: &Task) -> Result<Self, String> {
        let make = |size| {
            let graph = node_graph(task.graph, task.node, size)?;
            let reference = Reference::new(&graph).map_err(|error| error.to_string())?;
            Ok::<_, String>((graph, reference))
        };
        let (odd, odd_reference) = make(Some(ODD))?;
        let (graph, reference) = make(smaller(task.graph, task.node, MOST_PIXELS))?;
        Ok(Self {
            odd,
            odd_reference,
            graph,
            reference,
            repeats: 1,
            best: 1.0 - NOISE,
        })
    }
}
