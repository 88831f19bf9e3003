//! Where the result goes.

use std::path::{Path, PathBuf};

/// `<name>_x<scale>.png` beside the input.
pub fn default_output(input: &Path, scale: usize) -> PathBuf {
    let mut name = input.file_stem().unwrap_or_default().to_owned();
    name.push(format!("_x{scale}.png"));
    input.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_output_is_beside_the_input() {
        let output = |input: &str| default_output(Path::new(input), 4);
        assert_eq!(output("a/photo.jpg"), Path::new("a/photo_x4.png"));
        assert_eq!(output("photo"), Path::new("photo_x4.png"));
        assert_eq!(
            output("a/b.c/my.photo.webp"),
            Path::new("a/b.c/my.photo_x4.png")
        );
    }
}
