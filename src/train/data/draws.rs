//! Random numbers of a batch: a function of seed, batch and image alone, so that
//! neither the number of workers nor an interruption changes them.

use crate::diffusion::noise::{normals_from_words, philox4x32};

/// An endless sequence of random words (Philox4x32-10), one for each image of
/// each batch.
pub(crate) struct Draws {
    key: [u32; 2],
    counter: [u32; 4],
    words: [u32; 4],
    left: usize,
}

impl Draws {
    pub fn new(seed: u64, batch: u64, image: u32) -> Self {
        Self {
            key: halves(seed),
            counter: [0, image, halves(batch)[0], halves(batch)[1]],
            words: [0; 4],
            left: 0,
        }
    }

    fn block(&mut self) -> [u32; 4] {
        let words = philox4x32(self.counter, self.key);
        self.counter[0] = self.counter[0].wrapping_add(1);
        words
    }

    fn word(&mut self) -> u32 {
        if self.left == 0 {
            (self.words, self.left) = (self.block(), 4);
        }
        self.left -= 1;
        self.words[3 - self.left]
    }

    /// A whole number below `count`, each as likely as the others.
    pub fn below(&mut self, count: u64) -> u64 {
        let word = u64::from(self.word()) << 32 | u64::from(self.word());
        ((u128::from(word) * u128::from(count)) >> 64) as u64
    }

    /// A number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        f64::from(self.word()) / 4_294_967_296.0
    }

    /// Fills `normals` with standard normal numbers.
    pub fn fill_normal(&mut self, normals: &mut [f32]) {
        for part in normals.chunks_mut(4) {
            let four = normals_from_words(self.block());
            part.copy_from_slice(&four[..part.len()]);
        }
    }
}

fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::Draws;

    #[test]
    fn every_number_below_the_count_is_as_likely() {
        let mut draws = Draws::new(7, 3, 1);
        let mut counts = [0u32; 8];
        for _ in 0..80_000 {
            counts[draws.below(8) as usize] += 1;
        }
        // Five standard deviations.
        assert!(
            counts.iter().all(|c| c.abs_diff(10_000) < 470),
            "{counts:?}"
        );
        let mut single = Draws::new(7, 3, 1);
        assert!((0..100).all(|_| single.below(1) == 0));
    }

    #[test]
    fn seeds_batches_and_images_have_sequences_of_their_own() {
        let first = |seed, batch, image| Draws::new(seed, batch, image).below(u64::MAX);
        let all = [
            first(1, 1, 1),
            first(2, 1, 1),
            first(1, 2, 1),
            first(1, 1, 2),
            first(1 << 32 | 1, 1, 1),
            first(1, 1 << 32 | 1, 1),
        ];
        for (at, number) in all.iter().enumerate() {
            assert!(!all[..at].contains(number), "{all:?}");
        }
        assert_eq!(first(1, 1, 1), first(1, 1, 1));
    }
}
