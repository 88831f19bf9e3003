//! Random numbers for data.

use crate::diffusion::noise::philox4x32;

/// A stream of random words that its seed and index tell: Philox, as the noise.
pub struct Draws {
    key: [u32; 2],
    index: u64,
    block: u32,
    words: [u32; 4],
    used: usize,
}

impl Draws {
    pub fn new(seed: u64, index: u64) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            index,
            block: 0,
            words: [0; 4],
            used: 4,
        }
    }

    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            // The last word is unlike that of any noise, which ends in a step and
            // a channel of 32 bits as well, but whose channels are few.
            let counter = [self.index as u32, (self.index >> 32) as u32, self.block, !0];
            self.words = philox4x32(counter, self.key);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// A number in `0..count`, all as likely.
    ///
    /// # Panics
    /// When `count` is zero.
    pub fn below(&mut self, count: usize) -> usize {
        assert!(count > 0, "a number below 0");
        let wide = u64::from(self.word()) << 32 | u64::from(self.word());
        (u128::from(wide) * count as u128 >> 64) as usize
    }

    /// A number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        f64::from(self.word()) / 4_294_967_296.0
    }

    /// A number between two others.
    pub fn between(&mut self, [low, high]: [f64; 2]) -> f64 {
        low + (high - low) * self.unit()
    }
}
