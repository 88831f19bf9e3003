//! All kernels that a GPU has for a node.

use crate::models::NodeCase;
use srdiff::exec::gpu::{self, AdapterSummary, GpuChooser};
use srdiff::graph::Element;
use srdiff::plan::{Choice, Chooser, Format, NodeOperands, Precision, Variant, choose};
use std::cell::RefCell;

/// Takes one variant for every node.
pub struct By {
    pub variant: Variant,
    kernels: GpuChooser,
}

impl Chooser for By {
    fn format(&self, element: Element) -> Format {
        self.kernels.format(element)
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        self.kernels
            .choose_variant(node, self.variant)
            .or_else(|_| self.kernels.choose(node))
    }
}

struct Listing<'a> {
    kernels: GpuChooser,
    device: &'a AdapterSummary,
    listed: RefCell<Vec<Variant>>,
}

impl Chooser for Listing<'_> {
    fn format(&self, element: Element) -> Format {
        self.kernels.format(element)
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        self.listed.borrow_mut().extend(
            gpu::variants(node, self.device)
                .iter()
                .filter(|v| **v != Variant::Only),
        );
        self.kernels.choose(node)
    }
}

/// The kernels for the one node of a row, that of the static rule first.
pub fn variants(row: &NodeCase, device: &AdapterSummary, precision: Precision) -> Vec<By> {
    let kernels = GpuChooser::of(device, precision);
    let listing = Listing {
        kernels,
        device,
        listed: RefCell::default(),
    };
    let graphs = std::slice::from_ref(&row.case.graph);
    let by = |variant| By { variant, kernels };
    match choose(graphs, &listing, false) {
        Ok(_) => listing.listed.into_inner().into_iter().map(by).collect(),
        Err(_) => Vec::new(),
    }
}
