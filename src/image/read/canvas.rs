//! The canvas that frames of animations are laid on, as viewers do it.

use super::super::samples::{Sample, Samples};
use crate::host_memory::{NoMemory, copied, zeros};
use ::png::{BlendOp, DisposeOp, FrameControl};

#[derive(Clone, Copy)]
pub struct Layout {
    /// Channels without alpha.
    pub colors: usize,
    /// Channels of frames, with alpha if they have any.
    pub channels: usize,
}

pub struct Canvas<T> {
    width: usize,
    layout: Layout,
    /// With alpha.
    pixels: Vec<T>,
    /// What becomes of the last frame before the next.
    last: Option<(FrameControl, Vec<T>)>,
}

impl<T: Sample> Canvas<T> {
    pub fn new([width, height]: [usize; 2], layout: Layout) -> Result<Self, NoMemory> {
        Ok(Self {
            width,
            layout,
            pixels: zeros(width * height * (layout.colors + 1))?,
            last: None,
        })
    }

    /// What it shows, with alpha.
    pub fn shown(&self) -> Result<Samples, NoMemory>
    where
        Samples: From<Vec<T>>,
    {
        Ok(copied(&self.pixels)?.into())
    }

    /// The place of row `y` of a frame.
    fn row(&self, control: &FrameControl, y: usize) -> std::ops::Range<usize> {
        let step = self.layout.colors + 1;
        let start = (control.y_offset as usize + y) * self.width + control.x_offset as usize;
        step * start..step * (start + control.width as usize)
    }

    /// Lays the next frame on what is there.
    pub fn show(&mut self, control: &FrameControl, frame: &[T]) -> Result<(), NoMemory> {
        if let Some((last, before)) = self.last.take() {
            for y in 0..last.height as usize {
                let row = self.row(&last, y);
                match last.dispose_op {
                    DisposeOp::None => {}
                    DisposeOp::Background => self.pixels[row].fill(T::default()),
                    DisposeOp::Previous => {
                        self.pixels[row.clone()].copy_from_slice(&before[row]);
                    }
                }
            }
        }
        let before = match control.dispose_op {
            DisposeOp::Previous => copied(&self.pixels)?,
            _ => Vec::new(),
        };
        self.last = Some((*control, before));
        let Layout { colors, channels } = self.layout;
        let frame_rows = frame.chunks_exact(channels * control.width as usize);
        for (y, pixels) in frame_rows.take(control.height as usize).enumerate() {
            let row = self.row(control, y);
            let places = self.pixels[row].chunks_exact_mut(colors + 1);
            for (place, pixel) in places.zip(pixels.chunks_exact(channels)) {
                let alpha = pixel.get(colors).map_or(1.0, |alpha| alpha.unit());
                match control.blend_op {
                    BlendOp::Over if alpha < 1.0 => lay_over(place, pixel, alpha),
                    _ => {
                        place[..channels].copy_from_slice(pixel);
                        if channels == colors {
                            place[colors] = T::from_level(T::LARGEST);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn lay_over<T: Sample>(place: &mut [T], pixel: &[T], alpha: f32) {
    let colors = place.len() - 1;
    let below = place[colors].unit() * (1.0 - alpha);
    let sum = alpha + below;
    if sum == 0.0 {
        return;
    }
    for (place, &sample) in place[..colors].iter_mut().zip(pixel) {
        let mixed = (sample.unit() * alpha + place.unit() * below) / sum;
        *place = T::from_level(mixed * T::LARGEST);
    }
    place[colors] = T::from_level(sum * T::LARGEST);
}
