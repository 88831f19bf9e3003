//! An independent judge of chosen kernels and of plans: it walks the nodes and
//! keeps its own books. It takes from the planner nothing but what it decided.

use super::choices::{Made, Recorder, check_choices};
use super::contents::check_contents;
use super::lives::check_sharing;
use super::places::{NOT_THERE, check_places};
use srdiff::graph::Graph;
use srdiff::plan::{Chooser, ChosenGraph, PlanError, Program, choose, plan};

/// Graphs with everything that was decided for them.
pub struct Planned {
    pub graphs: Vec<Graph>,
    /// What the chooser was asked and answered, in order.
    pub made: Vec<Made>,
    /// The phase that packs the weights, then one for each graph.
    pub chosen: Vec<ChosenGraph>,
    pub program: Program,
}

impl Planned {
    pub fn new(
        graphs: Vec<Graph>,
        chooser: &dyn Chooser,
        trainable: bool,
    ) -> Result<Self, PlanError> {
        let recorder = Recorder::new(chooser);
        let chosen = choose(&graphs, &recorder, trainable)?;
        let program = plan(&chosen, chooser.threads(), chooser.precision())?;
        Ok(Self {
            graphs,
            made: recorder.into_made(),
            chosen,
            program,
        })
    }

    /// What is wrong, one sentence each; empty when nothing is. `order` names
    /// the phases in the order they run, `unwritten` the states that may be
    /// read before a phase wrote them.
    pub fn faults(&self, order: &[&str], unwritten: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        check_choices(self, &mut faults);
        check_places(self, &mut faults);
        check_sharing(self, &mut faults);
        // Only a plan whose places are all there can be run.
        if !faults.iter().any(|fault| fault.ends_with(NOT_THERE)) {
            check_contents(self, order, unwritten, &mut faults);
        }
        faults
    }

    /// Every phase twice in a row, after the weights are packed.
    pub fn twice(&self) -> Vec<&str> {
        let (pack, others) = self.program.phases.split_first().expect("PACK is there");
        let others = others.iter().flat_map(|phase| [&*phase.name, &*phase.name]);
        std::iter::once(&*pack.name).chain(others).collect()
    }
}
