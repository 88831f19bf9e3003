//! A chooser of one variant.

use super::tasks::is_moving;
use crate::exec::gpu::kernels::GpuChooser;
use crate::graph::Element;
use crate::plan::{Choice, Chooser, Format, NodeOperands, Variant};

/// One variant for all nodes.
pub struct FixedChooser {
    pub rule: GpuChooser,
    pub variant: Variant,
}

impl Chooser for FixedChooser {
    fn format(&self, element: Element) -> Format {
        self.rule.format(element)
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        match is_moving(node.op) {
            true => self.rule.choose(node),
            false => self.rule.choose_variant(node, self.variant),
        }
    }
}
