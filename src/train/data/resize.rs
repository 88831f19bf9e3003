//! Patches made larger and smaller by bicubic resizing, as the model and the measures
//! do it.

use crate::host_memory::NoMemory;
use crate::image::bicubic::Axis;

/// A resizing of squares of one size to another. Small work of many threads, unlike
/// [`bicubic::resize`](crate::image::bicubic::resize), whose threads are those
/// that a CPU trains on.
pub(super) struct Resizer {
    side: usize,
    /// Weights of the `side` inputs for each output, of both axes.
    taps: Vec<Vec<(usize, f32)>>,
}

impl Resizer {
    pub fn new(side: usize, new_side: usize) -> Result<Self, NoMemory> {
        let axis = Axis::new(side, new_side)?;
        let taps = |at: usize| axis.taps(at).map(|(index, w)| (index, w as f32)).collect();
        Ok(Self {
            side,
            taps: (0..new_side).map(taps).collect(),
        })
    }

    /// Appends the planes of the resized `rgb`, each value by `map`.
    pub fn push_planes<T>(&self, planes: &mut Vec<T>, rgb: &[u8], map: impl Fn(f32) -> T) {
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
                    map(sum)
                }));
            }
        }
    }

    /// The resized `rgb`, rounded to 8 bits, `r, g, b` of each pixel.
    pub fn rgb8(&self, rgb: &[u8]) -> Vec<u8> {
        let mut planes: Vec<u8> = Vec::new();
        // The conversion clamps.
        self.push_planes(&mut planes, rgb, |value| value.round() as u8);
        let pixels = self.taps.len().pow(2);
        let channels = |pixel: usize| [0, 1, 2].map(|channel| planes[channel * pixels + pixel]);
        (0..pixels).flat_map(channels).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Resizer;
    use crate::image::bicubic::{resize, resize_u8};

    fn rgb(side: u32) -> Vec<u8> {
        (0..3 * side * side)
            .map(|v| (v * v * 7 % 251) as u8)
            .collect()
    }

    #[test]
    fn larger_is_the_bicubic_enlargement() {
        let rgb = rgb(6);
        let mut planes = Vec::new();
        let resizer = Resizer::new(6, 24).unwrap();
        resizer.push_planes(&mut planes, &rgb, |value| value / 127.5 - 1.0);
        let expected = resize(&rgb, [6, 6], 3, [24, 24]).unwrap();
        assert_eq!(planes.len(), expected.len());
        for (at, value) in planes.iter().enumerate() {
            let (channel, pixel) = (at / 576, at % 576);
            let expected = expected[3 * pixel + channel] / 127.5 - 1.0;
            assert!((f64::from(*value) - expected).abs() < 1e-5, "{at}");
        }
    }

    #[test]
    fn smaller_is_the_lr_image_of_the_measures() {
        let rgb = rgb(24);
        let small = Resizer::new(24, 6).unwrap().rgb8(&rgb);
        assert_eq!(small, resize_u8(&rgb, [24, 24], 3, [6, 6]).unwrap());
    }
}
