//! Sizes that follow from the settings.

use super::Settings;

impl Settings {
    /// Feature maps that make up the conditioning: every third of the
    /// encoder's `blocks + 1`, from index 2.
    pub fn conditioning_maps(&self) -> usize {
        (self.rrdb_blocks + 1) / 3
    }

    /// Channels of the U-Net's level `level`.
    pub fn level_channels(&self, level: usize) -> usize {
        self.hidden * self.mults[level]
    }

    /// LR heights and widths must be multiples of this, so that every level
    /// of the U-Net divides evenly and its last one has at least 2 pixels a
    /// side, as reflection padding needs.
    pub fn lr_size_multiple(&self) -> usize {
        let deepest: usize = 1 << (self.mults.len() - 1);
        // Both are powers of two.
        (deepest / self.scale).max(1)
    }

    /// The smallest LR side that the U-Net can work on.
    pub fn lr_size_minimum(&self) -> usize {
        let deepest: usize = 1 << (self.mults.len() - 1);
        (2 * deepest)
            .div_ceil(self.scale)
            .next_multiple_of(self.lr_size_multiple())
    }

    /// The LR side that a picture of `side` pixels is padded to.
    pub fn padded_lr_side(&self, side: usize) -> usize {
        side.next_multiple_of(self.lr_size_multiple())
            .max(self.lr_size_minimum())
    }

    /// Heads of the linear attention.
    pub fn attention_heads(&self) -> usize {
        4
    }

    /// Channels of one attention head.
    pub fn attention_head_channels(&self) -> usize {
        32
    }
}
