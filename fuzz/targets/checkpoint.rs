//! Any bytes as a checkpoint of PyTorch, zipped or not.

#![no_main]

mod scratch;

use libfuzzer_sys::fuzz_target;
use srdiff::model::convert::{ConvertOptions, convert};

fuzz_target!(|data: &[u8]| {
    let (input, output) = (scratch::path("in.pt"), scratch::path("out.safetensors"));
    std::fs::write(&input, data).expect("room for a small file");
    let options = ConvertOptions {
        overwrite: true,
        ..ConvertOptions::default()
    };
    let _ = convert(&input, &output, &options);
});
