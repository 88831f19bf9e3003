//! Plans, checked without a device: no two live values share memory, every
//! read finds what was written for it, kernels get the formats they asked for,
//! memory stays near its lower bound, and mistakes in graphs and programs are
//! reported by name.

#[path = "plan/by_hand.rs"]
mod by_hand;
#[path = "plan/check.rs"]
mod check;
#[path = "plan/checker.rs"]
mod checker;
#[path = "plan/choices.rs"]
mod choices;
#[path = "plan/contents.rs"]
mod contents;
#[path = "plan/devices.rs"]
mod devices;
#[path = "plan/errors.rs"]
mod errors;
#[path = "plan/formats.rs"]
mod formats;
#[path = "plan/fuse.rs"]
mod fuse;
#[path = "plan/fused_models.rs"]
mod fused_models;
#[path = "plan/limits.rs"]
mod limits;
#[path = "plan/lives.rs"]
mod lives;
#[path = "plan/memory.rs"]
mod memory;
#[path = "plan/models.rs"]
mod models;
#[path = "plan/packing.rs"]
mod packing;
#[path = "plan/places.rs"]
mod places;
#[path = "plan/random.rs"]
mod random;
#[path = "plan/shapes.rs"]
mod shapes;
#[path = "plan/slots.rs"]
mod slots;
#[path = "plan/software.rs"]
mod software;
#[path = "plan/text.rs"]
mod text;
#[path = "plan/trainable.rs"]
mod trainable;
#[path = "plan/training_errors.rs"]
mod training_errors;
#[path = "plan/variants.rs"]
mod variants;
