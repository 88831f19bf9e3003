//! Default paths.

use std::path::{Path, PathBuf};

/// `<name>_x<scale>.png` beside the input.
pub fn default_output(input: &Path, scale: usize) -> PathBuf {
    let mut name = input.file_stem().unwrap_or_default().to_owned();
    name.push(format!("_x{scale}.png"));
    input.with_file_name(name)
}
