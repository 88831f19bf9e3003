//! What is chosen for each node, and who chooses it.

use super::{Format, Precision};
use crate::graph::{Element, Role, Shape, Value, ValueId};
use crate::ops::{Op, Packing};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A kernel among those that an executor has for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Variant {
    Only,
    /// A convolution whose invocations each make a register tile of so many
    /// pixels by so many blocks of 4 output channels (GPU).
    RegisterTile {
        pixels: usize,
        blocks: usize,
    },
    /// A convolution as a matrix product whose workgroups each make so many
    /// pixels by so many output channels, `depth` input channels at a time
    /// (GPU).
    Gemm {
        pixels: usize,
        outputs: usize,
        depth: usize,
    },
    /// A 3x3 convolution of stride 1 whose workgroups each make so many output
    /// channels of a tile of the image, in workgroup memory (GPU).
    SpatialTile {
        width: usize,
        height: usize,
        outputs: usize,
    },
    /// A convolution on matrix units, which multiply square matrices of f16 and
    /// add up in f32; workgroups each make so many output channels of a tile of
    /// the image (GPU).
    MatrixTile {
        /// Of the matrices: 16 or 8.
        side: usize,
        /// Invocations that hold a matrix together.
        subgroup: usize,
        width: usize,
        height: usize,
        outputs: usize,
        /// Plain code in place of the matrix units, which shows on any device
        /// that the rest of the kernel is right. Never listed: it is slow.
        emulated: bool,
    },
    /// A 3x3 convolution of stride 1 by [`winograd`](crate::ops::winograd), with
    /// so many results of a tile along each axis, 2 or 4, in passes over scratch
    /// memory; the other numbers are those of a [`Gemm`](Self::Gemm) (GPU).
    ///
    /// Of 32 channels, errors are 3e-7 of the largest result with 2 and 1e-6
    /// with 4, where sums of plain products have 1e-7. Scratch memory and weights
    /// are f32 whatever the convolution's arrays are stored in.
    WinogradPasses {
        results: usize,
        pixels: usize,
        outputs: usize,
        depth: usize,
    },
    /// A 3x3 convolution by [`winograd`](crate::ops::winograd) (CPU).
    Winograd,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Variant::Only => Ok(()),
            Variant::RegisterTile { pixels, blocks } => write!(f, "tile {pixels}x{}", 4 * blocks),
            Variant::Gemm {
                pixels,
                outputs,
                depth,
            } => write!(f, "gemm {pixels}x{outputs}x{depth}"),
            Variant::SpatialTile {
                width,
                height,
                outputs,
            } => write!(f, "spatial {width}x{height}x{outputs}"),
            Variant::MatrixTile {
                side,
                width,
                height,
                outputs,
                emulated,
                ..
            } => {
                let kind = if *emulated { "emulated " } else { "" };
                write!(f, "{kind}matrix {side} {width}x{height}x{outputs}")
            }
            Variant::WinogradPasses {
                results,
                pixels,
                outputs,
                depth,
            } => write!(f, "winograd {results}x{results} {pixels}x{outputs}x{depth}"),
            Variant::Winograd => f.write_str("winograd 4x4"),
        }
    }
}

/// What a kernel wants of an operand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Wanted {
    Value(Format),
    /// A parameter, packed like this.
    Weight(Packing),
}

/// Memory that a kernel works in; its contents do not outlive the node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScratchRequest {
    pub name: String,
    /// A multiple of 4.
    pub bytes: u64,
}

/// A kernel for a node, and what it wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    pub variant: Variant,
    pub inputs: Vec<Wanted>,
    pub outputs: Vec<Format>,
    pub scratch: Vec<ScratchRequest>,
    /// Memory that each thread works in, in bytes.
    pub thread_bytes: u64,
}

/// An operand or result, as a chooser sees it.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    pub value: &'a Value,
    /// The format in which it is there already; none for parameters and for
    /// temporaries that nothing has written yet.
    pub format: Option<Format>,
    /// The array that it lies in: itself, or what it is a view of.
    pub root: ValueId,
}

impl Operand<'_> {
    pub fn shape(&self) -> Shape {
        self.value.shape
    }

    pub fn is_parameter(&self) -> bool {
        self.value.role == Role::Parameter
    }
}

/// A node as a [`Chooser`] sees it.
#[derive(Clone, Debug)]
pub struct NodeOperands<'a> {
    pub op: &'a Op,
    pub inputs: Vec<Operand<'a>>,
    pub outputs: Vec<Operand<'a>>,
}

/// Chooses kernels for a device: by a static rule, or by what a tuner measured.
pub trait Chooser {
    /// The format of values that live on between phases, which the host may
    /// read and write. Kernels that want another get it converted.
    fn format(&self, element: Element) -> Format;

    /// The kernel for a node.
    ///
    /// # Errors
    /// One sentence: why no kernel of the device computes it.
    fn choose(&self, node: &NodeOperands) -> Result<Choice, String>;

    /// Threads that work on one node, each in scratch memory of its own.
    fn threads(&self) -> usize {
        1
    }

    /// The precision that [`Element::Float`] values are stored in.
    fn precision(&self) -> Precision {
        self.format(Element::Float).precision
    }
}

/// A node with its kernel; operands are ids of one kind or another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelNode<Id> {
    pub op: Op,
    pub variant: Variant,
    pub inputs: Vec<Id>,
    pub outputs: Vec<Id>,
    /// Arrays that the kernel works in.
    pub scratch: Vec<Id>,
    /// Memory that each thread works in, in bytes.
    pub thread_bytes: u64,
}

/// A node of a [`ChosenGraph`]; weights are packed ones.
pub type ChosenNode = KernelNode<ValueId>;

/// A graph whose kernels are chosen: every value has a format, and every
/// kernel finds its operands in the format that it wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChosenGraph {
    pub name: String,
    /// Values of the graph, and what choosing added: packed weights, scratch,
    /// converted values.
    pub values: Vec<Value>,
    pub formats: Vec<Format>,
    /// The packing of each packed weight.
    pub packings: Vec<Option<Packing>>,
    pub nodes: Vec<ChosenNode>,
}
