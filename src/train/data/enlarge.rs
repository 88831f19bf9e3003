//! The bicubic enlargement of a patch, as the model's phase `image` makes it.

use crate::host_memory::NoMemory;
use crate::image::bicubic::Axis;

/// An enlargement of squares of one size. Small work of many threads, unlike
/// [`bicubic::resize`](crate::image::bicubic::resize), whose threads are those
/// that a CPU trains on.
pub(super) struct Enlarger {
    side: usize,
    /// Weights of the `side` inputs for each output, of both axes.
    taps: Vec<Vec<(usize, f32)>>,
}

impl Enlarger {
    pub fn new(side: usize, scale: usize) -> Result<Self, NoMemory> {
        let axis = Axis::new(side, side * scale)?;
        let taps = |at: usize| axis.taps(at).map(|(index, w)| (index, w as f32)).collect();
        Ok(Self {
            side,
            taps: (0..side * scale).map(taps).collect(),
        })
    }

    /// Appends the planes of the enlarged `rgb`, each value times `factor` less 1.
    pub fn push_planes(&self, planes: &mut Vec<f32>, rgb: &[u8], factor: f32) {
        let side = self.side;
        let mut columns = vec![0.0; side];
        for channel in 0..3 {
            for rows in &self.taps {
                columns.fill(0.0);
                for &(y, weight) in rows {
                    let row = &rgb[3 * side * y..][..3 * side];
                    let values = row.iter().skip(channel).step_by(3);
                    for (sum, &value) in columns.iter_mut().zip(values) {
                        *sum += weight * f32::from(value);
                    }
                }
                planes.extend(self.taps.iter().map(|taps| {
                    let sum: f32 = taps.iter().map(|&(x, w)| w * columns[x]).sum();
                    sum * factor - 1.0
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Enlarger;
    use crate::image::bicubic::resize;

    #[test]
    fn it_is_the_bicubic_enlargement() {
        let rgb: Vec<u8> = (0..3 * 36u32).map(|v| (v * v * 7 % 251) as u8).collect();
        let mut planes = Vec::new();
        let enlarger = Enlarger::new(6, 4).unwrap();
        enlarger.push_planes(&mut planes, &rgb, 2.0 / 255.0);
        let expected = resize(&rgb, [6, 6], 3, [24, 24]).unwrap();
        assert_eq!(planes.len(), expected.len());
        for (at, value) in planes.iter().enumerate() {
            let (channel, pixel) = (at / 576, at % 576);
            let expected = expected[3 * pixel + channel] / 127.5 - 1.0;
            assert!((f64::from(*value) - expected).abs() < 1e-5, "{at}");
        }
    }
}
