//! What to compute, as plain data: values with checked shapes, operations on
//! them, and the plan that gives each value a place in memory.
//!
//! Nothing here knows a device. A [`Graph`] is built once per phase of the
//! reverse process; [`plan`] turns the graphs of all phases into
//! one [`Program`], which an executor loads and runs.

mod builder;
mod check;
mod dump;
mod memory;
mod plan;
mod planner;
mod shape;
mod value;

pub use builder::GraphBuilder;
pub use dump::dump_program;
pub use memory::{Interval, MemoryReport, assign_slots, largest_live_set};
pub use plan::{Layout, Plan, PlanOptions, PlannedValue, Precision, Program, Slot, Step, Storage};
pub use planner::{PlanError, plan};
pub use shape::Shape;
pub use value::{Element, Graph, GraphError, Node, Role, Value, ValueId};
