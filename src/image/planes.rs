//! Pictures to the planes of reals that the model works on, and back.

use super::bicubic;
use super::bleed;
use super::samples::Sample;
use super::{Picture, Samples};
use rayon::prelude::*;

/// The R, G and B planes of `picture` in [0, 1], each of `width x height`
/// with the picture in its top left corner and the rest its reflection
/// without the edge repeated.
///
/// The reflection goes on periodically, so that any picture can be padded to
/// any size; of a single row or column, it is a repetition. Pixels that are
/// not visible take the colours of those around them.
///
/// # Panics
/// When the picture is larger.
pub fn planes_padded(picture: &Picture, width: usize, height: usize) -> Vec<f32> {
    assert!(
        width >= picture.width && height >= picture.height,
        "pad: {}x{} to {width}x{height}",
        picture.width,
        picture.height
    );
    let size = [picture.width, picture.height];
    match &*bleed::visible_colors(picture) {
        Samples::U8(rgb) => padded(rgb, size, [width, height]),
        Samples::U16(rgb) => padded(rgb, size, [width, height]),
    }
}

fn padded<T: Sample>(
    rgb: &[T],
    [width, height]: [usize; 2],
    [new_width, new_height]: [usize; 2],
) -> Vec<f32> {
    let columns: Vec<usize> = (0..new_width).map(|x| reflect(x, width)).collect();
    let mut planes = vec![0.0; 3 * new_width * new_height];
    let rows = planes.par_chunks_mut(new_width).enumerate();
    rows.for_each(|(row, output)| {
        let (channel, y) = (row / new_height, row % new_height);
        let input = &rgb[3 * width * reflect(y, height)..][..3 * width];
        for (value, &x) in output.iter_mut().zip(&columns) {
            *value = input[3 * x + channel].unit();
        }
    });
    planes
}

/// The picture that `like` becomes when it is enlarged by `scale` to `planes`:
/// R, G and B of about [-1, 1], each in rows of `stride`, of which the top
/// left is taken.
///
/// It has the bits a sample, the opacity (enlarged bicubically) and the
/// metadata of `like`; where `like` has no colours, each pixel is the mean of
/// the three planes.
///
/// # Panics
/// When the planes are smaller than the result.
pub fn picture_from_planes(planes: &[f32], stride: usize, like: &Picture, scale: usize) -> Picture {
    let (width, height) = (scale * like.width, scale * like.height);
    assert!(
        width <= stride && 3 * height * stride <= planes.len(),
        "crop: {width}x{height} from {} values in rows of {stride}",
        planes.len()
    );
    let neutral = like.is_neutral();
    let rgb = match like.rgb {
        Samples::U8(_) => interleaved::<u8>(planes, stride, [width, height], neutral).into(),
        Samples::U16(_) => interleaved::<u16>(planes, stride, [width, height], neutral).into(),
    };
    let (size, new_size) = ([like.width, like.height], [width, height]);
    Picture {
        width,
        height,
        rgb,
        gray: like.gray,
        alpha: like
            .alpha
            .as_ref()
            .map(|alpha| bicubic::resize_samples(alpha, size, 1, new_size)),
        metadata: like.metadata.clone(),
    }
}

fn interleaved<T: Sample>(
    planes: &[f32],
    stride: usize,
    [width, height]: [usize; 2],
    neutral: bool,
) -> Vec<T> {
    let plane = planes.len() / 3;
    let mut rgb = vec![T::default(); 3 * width * height];
    let rows = rgb.par_chunks_mut(3 * width).enumerate();
    rows.for_each(|(y, output)| {
        let row = |channel: usize| &planes[channel * plane + y * stride..][..width];
        let (r, g, b) = (row(0), row(1), row(2));
        for (x, pixel) in output.chunks_exact_mut(3).enumerate() {
            if neutral {
                pixel.fill(T::from_signed((r[x] + g[x] + b[x]) / 3.0));
            } else {
                for (sample, value) in pixel.iter_mut().zip([r[x], g[x], b[x]]) {
                    *sample = T::from_signed(value);
                }
            }
        }
    });
    rgb
}

/// Mirrors a coordinate into `0..length`, the edge sample not repeated:
/// `length` becomes `length - 2`.
fn reflect(coordinate: usize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let period = 2 * (length - 1);
    let folded = coordinate % period;
    folded.min(period - folded)
}
