//! From graphs to a program, in two steps of plain data.
//!
//! **Choose** ([`choose`]): a [`Chooser`], which knows a device, names a kernel
//! for each node: the formats of its operands, the packing of its weights, the
//! scratch memory it needs. **Plan** ([`plan`]): every value, packed weight and
//! scratch array gets a place in a slot. The executors lower the resulting
//! [`Program`] and run it.

mod check;
mod choice;
mod choose;
mod dump;
mod format;
mod memory;
mod planner;
mod program;

pub use crate::ops::Precision;
pub use choice::{
    Choice, Chooser, ChosenGraph, ChosenNode, KernelNode, NodeOperands, Operand, ScratchRequest,
    Variant, Wanted,
};
pub use choose::{PACK, choose};
pub use dump::dump_program;
pub use format::{Format, Layout};
pub use memory::{Interval, MemoryReport, SLOT_ALIGNMENT, assign_slots, largest_live_set};
pub use planner::{PlanError, plan};
pub use program::{Owner, Phase, PlannedNode, PlannedValue, Program, Slot, TimeTable};
