//! Sizes that follow from the settings.

use super::Settings;

impl Settings {
    /// LR heights and widths must be multiples of this, so that every level
    /// of the U-Net divides evenly and its last one has at least 2 pixels a
    /// side, as reflection padding needs.
    pub fn lr_size_multiple(&self) -> usize {
        // Both are powers of two.
        (self.size_multiple() / self.scale).max(1)
    }

    /// The smallest LR side that the U-Net can work on.
    pub fn lr_size_minimum(&self) -> usize {
        (2 * self.size_multiple())
            .div_ceil(self.scale)
            .next_multiple_of(self.lr_size_multiple())
    }

    /// The LR side that a picture of `side` pixels is padded to.
    pub fn padded_lr_side(&self, side: usize) -> usize {
        side.next_multiple_of(self.lr_size_multiple())
            .max(self.lr_size_minimum())
    }
}
