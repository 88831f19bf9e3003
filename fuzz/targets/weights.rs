//! Any bytes as a model file: they become a model that is whole, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use srdiff::model::{Model, Weights};

fuzz_target!(|data: &[u8]| {
    let Ok(weights) = Weights::from_bytes(data.to_vec(), "fuzz") else {
        return;
    };
    let names: Vec<String> = weights.names().map(str::to_owned).collect();
    for name in &names {
        if let Ok(tensor) = weights.tensor(name) {
            std::hint::black_box(tensor);
        }
    }
    let _ = Model::from_weights(weights);
});
