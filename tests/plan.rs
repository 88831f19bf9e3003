//! Plans, checked without a device: no two live values share memory, every
//! read finds what was written for it, memory stays near its lower bound, and
//! mistakes in graphs and plans are reported by name.

#[path = "plan/check.rs"]
mod check;
#[path = "plan/checker.rs"]
mod checker;
#[path = "plan/errors.rs"]
mod errors;
#[path = "plan/memory.rs"]
mod memory;
#[path = "plan/models.rs"]
mod models;
#[path = "plan/random.rs"]
mod random;
#[path = "plan/text.rs"]
mod text;
