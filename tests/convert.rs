//! Conversion of PyTorch checkpoints: every form of them, what is refused and
//! in which words, and that no file, however damaged or hostile, does more
//! than fail.

#[path = "convert/damage.rs"]
mod damage;
#[path = "convert/files.rs"]
mod files;
#[path = "convert/forms.rs"]
mod forms;
#[path = "convert/hostile.rs"]
mod hostile;
#[path = "convert/pickles.rs"]
mod pickles;
#[path = "convert/refusals.rs"]
mod refusals;
#[path = "convert/schedules.rs"]
mod schedules;
#[path = "convert/sections.rs"]
mod sections;
#[path = "convert/state_dicts.rs"]
mod state_dicts;
