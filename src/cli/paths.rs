//! Where the result goes.

use std::fs;
use std::path::{Path, PathBuf};

/// `<name>_x<scale>.png` beside the input.
pub fn default_output(input: &Path, scale: usize) -> PathBuf {
    let mut name = input.file_stem().unwrap_or_default().to_owned();
    name.push(format!("_x{scale}.png"));
    input.with_file_name(name)
}

/// Whether two paths lead to one file: by themselves, through links, or as
/// two names of it.
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    let (Ok(real_a), Ok(real_b)) = (fs::canonicalize(a), fs::canonicalize(b)) else {
        return false;
    };
    real_a == real_b || has_same_inode(&real_a, &real_b)
}

#[cfg(unix)]
fn has_same_inode(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = |path| fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
    inode(a).is_some_and(|a| inode(b) == Some(a))
}

/// The standard library does not tell hard links apart elsewhere. Nothing is
/// lost by that: writing replaces the name, not what else it names.
#[cfg(not(unix))]
fn has_same_inode(_: &Path, _: &Path) -> bool {
    false
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
