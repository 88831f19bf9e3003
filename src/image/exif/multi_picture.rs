//! How many pictures a JPEG file holds (CIPA DC-007, the Multi-Picture Format).

use super::Block;

const COUNT: u16 = 45_057;
const ENTRIES: u16 = 45_058;

/// Bytes of what is said about a picture.
const ENTRY: usize = 16;

/// How many pictures an index lists that are no thumbnails of the first.
pub fn pictures(index: &[u8]) -> usize {
    let count = || {
        let block = Block::new(index)?;
        let main = block.main_directory()?;
        let count = block.number(block.find(main, COUNT)?)? as usize;
        let Some(entries) = block.find(main, ENTRIES) else {
            return Some(count);
        };
        let starts = (entries.at..entries.at + entries.length).step_by(ENTRY);
        let kinds = starts.take(count).filter_map(|at| block.u32(at));
        // The class is in the upper byte of three.
        Some(kinds.filter(|kind| kind >> 16 & 0xff != 1).count())
    };
    count().unwrap_or(1)
}
