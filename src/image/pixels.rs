//! Pixels on their way from a decoder into an image.

use super::buffer::Buffer;
use super::orientation::Orientation;
use super::samples::Sample;
use super::{ImageProblem, Samples};
use crate::host_memory::NoMemory;

/// The pixels of an image, which a decoder gives in rows or parts of rows, in any
/// order. They are kept as the image will have them, upright and opacity apart
/// from colours, so that nothing else of its size is needed.
pub struct Pixels {
    /// Width and height as stored.
    stored: [usize; 2],
    orientation: Orientation,
    /// Samples of a pixel as they come: gray, gray and alpha, RGB, or RGBA.
    channels: usize,
    /// R, G and B of each pixel.
    pub rgb: Samples,
    /// None as long as all pixels that came were opaque.
    pub alpha: Option<Samples>,
    /// Whether all colours are gray, though they come as R, G and B.
    has_gray_colors: bool,
    /// Bytes that came since memory was let go.
    held: usize,
}

/// Bytes of pixels that may come before memory is let go.
const HELD: usize = 8 << 20;

/// Whether all colours are greys.
pub fn are_gray(colors: &[[u8; 3]]) -> bool {
    colors.iter().all(|[r, g, b]| r == g && g == b)
}

impl Pixels {
    /// Black ones, of 8 or 16 bits a sample. Where some may never come
    /// (`is_whole` is false), these are transparent if there is alpha. Of more
    /// bytes than `in_memory`, they are in a temporary file.
    pub fn new(
        size: [u32; 2],
        channels: usize,
        bits: u32,
        orientation: Orientation,
        is_whole: bool,
        in_memory: u64,
    ) -> Result<Self, NoMemory> {
        let stored = size.map(|side| side as usize);
        let count = stored[0].saturating_mul(stored[1]);
        let rgb = Samples::zeros(count.saturating_mul(3), bits, in_memory)?;
        let alpha = match channels.is_multiple_of(2) && !is_whole {
            true => Some(rgb.zeros_beside(count)?),
            false => None,
        };
        Ok(Self {
            stored,
            orientation,
            channels,
            rgb,
            alpha,
            has_gray_colors: false,
            held: 0,
        })
    }

    /// All pixels of an image, from a decoder that gives nothing less.
    pub fn whole(
        size: [u32; 2],
        channels: usize,
        mut samples: Samples,
        orientation: Orientation,
        in_memory: u64,
    ) -> Result<Self, ImageProblem> {
        let stored = size.map(|side| side as usize);
        let row = channels * stored[0];
        let (found, expected) = (samples.len(), row * stored[1]);
        if found != expected {
            let reason = format!("{found} samples in place of {expected}");
            return Err(ImageProblem::Damaged(reason));
        }
        let bytes = 3 * stored[0] * stored[1] * samples.bits() as usize / 8;
        let is_in_place = samples.is_in_file() || bytes as u64 <= in_memory;
        if channels >= 3 && orientation == Orientation::UPRIGHT && is_in_place {
            let alpha = match channels {
                3 => None,
                _ => samples.split_alpha()?,
            };
            samples.let_go();
            return Ok(Self {
                stored,
                orientation,
                channels,
                rgb: samples,
                alpha,
                has_gray_colors: false,
                held: 0,
            });
        }
        let bits = samples.bits();
        let mut pixels = Self::new(size, channels, bits, orientation, true, in_memory)?;
        for y in 0..stored[1] {
            match &samples {
                Samples::U8(samples) => pixels.put([0, y], 1, &samples[row * y..][..row]),
                Samples::U16(samples) => pixels.put([0, y], 1, &samples[row * y..][..row]),
            }?;
        }
        Ok(pixels)
    }

    /// Width and height of the upright image.
    pub fn size(&self) -> [usize; 2] {
        self.orientation.shown_size(self.stored)
    }

    pub fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Whether they came without colours.
    pub fn is_gray(&self) -> bool {
        self.channels <= 2 || self.has_gray_colors
    }

    /// Tells which colours there are, where they have a palette.
    pub fn set_palette(&mut self, palette: &[[u8; 3]]) {
        self.set_gray_colors(!palette.is_empty() && are_gray(palette));
    }

    /// Tells whether all colours are greys, where they came as such.
    pub fn set_gray_colors(&mut self, are_gray: bool) {
        self.has_gray_colors = are_gray;
    }

    /// Takes pixels of the stored row `y`: the first at column `x`, the others
    /// `step` columns apart.
    ///
    /// # Panics
    /// When they reach beyond the image, or their samples are of another type.
    pub fn put<T: Sample>(
        &mut self,
        [x, y]: [usize; 2],
        step: usize,
        pixels: &[T],
    ) -> Result<(), NoMemory> {
        let channels = self.channels;
        let count = self.stored[0] * self.stored[1];
        let (first, [across, down]) = self.orientation.places(self.stored);
        let first = first + x as isize * across + y as isize * down;
        let across = step as isize * across;
        let places = (0..).map(|index| (first + index * across) as usize);
        let rgb = T::of_mut(&mut self.rgb);
        if channels == 3 && across == 1 {
            rgb[3 * first as usize..][..pixels.len()].copy_from_slice(pixels);
        } else if channels <= 2 {
            for (place, pixel) in places.clone().zip(pixels.chunks_exact(channels)) {
                rgb[3 * place..][..3].fill(pixel[0]);
            }
        } else {
            for (place, pixel) in places.clone().zip(pixels.chunks_exact(channels)) {
                rgb[3 * place..][..3].copy_from_slice(&pixel[..3]);
            }
        }
        self.held += size_of_val(pixels);
        if self.held > HELD {
            self.held = 0;
            self.let_go();
        }
        if !channels.is_multiple_of(2) {
            return Ok(());
        }
        let opacity = pixels.iter().skip(channels - 1).step_by(channels);
        if self.alpha.is_none() {
            if opacity.clone().all(|&alpha| alpha == T::MAX) {
                return Ok(());
            }
            let mut opaque: Buffer<T> = T::of_mut(&mut self.rgb).zeros_beside(count)?;
            opaque.for_parts(1, |part| {
                part.fill(T::MAX);
                true
            });
            self.alpha = Some(T::samples(opaque));
        }
        if let Some(alpha) = &mut self.alpha {
            let alpha = T::of_mut(alpha);
            for (place, &opacity) in places.zip(opacity) {
                alpha[place] = opacity;
            }
        }
        Ok(())
    }

    /// Spreads colours over all levels that leave some of them, below black and above
    /// white, as video does.
    pub fn spread_video_range(&mut self) {
        fn run<T: Sample>(rgb: &mut Buffer<T>, [black, white]: [f32; 2]) {
            rgb.for_parts(3, |part| {
                for sample in part {
                    let level = (sample.unit() * T::LARGEST - black) / (white - black);
                    *sample = T::from_level(level * T::LARGEST);
                }
                true
            });
        }
        match &mut self.rgb {
            Samples::U8(rgb) => run(rgb, [16.0, 235.0]),
            Samples::U16(rgb) => run(rgb, [16.0, 235.0].map(|level| level * 256.0)),
        }
    }

    fn let_go(&self) {
        self.rgb.let_go();
        self.alpha.iter().for_each(Samples::let_go);
    }
}

impl Samples {
    /// So many zeros of 8 or 16 bits; of more bytes than `in_memory`, in a
    /// temporary file.
    pub(super) fn zeros(count: usize, bits: u32, in_memory: u64) -> Result<Self, NoMemory> {
        Ok(match bits {
            8 => Self::U8(Buffer::zeros(count, in_memory)?),
            _ => Self::U16(Buffer::zeros(count, in_memory)?),
        })
    }

    /// So many zeros of the same type, where these samples are.
    fn zeros_beside(&self, count: usize) -> Result<Self, NoMemory> {
        Ok(match self {
            Self::U8(samples) => Self::U8(samples.zeros_beside(count)?),
            Self::U16(samples) => Self::U16(samples.zeros_beside(count)?),
        })
    }

    /// Their bytes.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::U8(samples) => samples,
            Self::U16(samples) => bytemuck::cast_slice_mut(samples),
        }
    }

    fn is_in_file(&self) -> bool {
        match self {
            Self::U8(samples) => samples.is_in_file(),
            Self::U16(samples) => samples.is_in_file(),
        }
    }

    /// See [`Buffer::let_go`].
    pub(super) fn let_go(&self) {
        match self {
            Self::U8(samples) => samples.let_go(),
            Self::U16(samples) => samples.let_go(),
        }
    }

    /// Takes every fourth sample out: alpha, unless all of it is opaque.
    fn split_alpha(&mut self) -> Result<Option<Self>, NoMemory> {
        fn run<T: Sample>(samples: &mut Buffer<T>) -> Result<Option<Samples>, NoMemory> {
            let count = samples.len() / 4;
            let opacity = samples.iter().skip(3).step_by(4);
            let alpha = match opacity.clone().all(|&alpha| alpha == T::MAX) {
                true => None,
                false => {
                    let mut alpha = samples.zeros_beside(count)?;
                    alpha
                        .iter_mut()
                        .zip(opacity)
                        .for_each(|(to, from)| *to = *from);
                    Some(T::samples(alpha))
                }
            };
            for pixel in 0..count {
                samples.copy_within(4 * pixel..4 * pixel + 3, 3 * pixel);
            }
            samples.truncate(3 * count);
            Ok(alpha)
        }
        match self {
            Self::U8(samples) => run(samples),
            Self::U16(samples) => run(samples),
        }
    }
}
