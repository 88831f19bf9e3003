//! Schedules and samplers against NumPy's numbers (tests/data/diffusion.json)
//! and against processes whose result is known in closed form.

#[path = "samplers/closed_form.rs"]
mod closed_form;
#[path = "samplers/errors.rs"]
mod errors;
#[path = "samplers/reference.rs"]
mod reference;
