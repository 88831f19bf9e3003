//! Images as the executors take and give them: planes of f32, padded to the
//! sizes that the model works on.

use super::{Picture, bicubic};

/// R, G and B of `picture` in [0, 1] as planes of `width x height`: the image
/// in the top left corner, the rest its reflection without the edge repeated.
/// Alpha is left out.
///
/// The reflection goes on periodically, so that any image can be padded to
/// any size; of a single row or column, it is a repetition.
///
/// # Panics
/// When the image is larger.
pub fn planes_padded(picture: &Picture, width: usize, height: usize) -> Vec<f32> {
    assert!(
        width >= picture.width && height >= picture.height,
        "pad: {}x{} to {width}x{height}",
        picture.width,
        picture.height
    );
    let columns: Vec<usize> = (0..width).map(|x| reflect(x, picture.width)).collect();
    let mut planes = Vec::with_capacity(3 * width * height);
    for channel in 0..3 {
        for y in 0..height {
            let row = 3 * picture.width;
            let row = &picture.rgb[reflect(y, picture.height) * row..][..row];
            let bytes = columns.iter().map(|&x| row[3 * x + channel]);
            planes.extend(bytes.map(|byte| f32::from(byte) * (1.0 / 255.0)));
        }
    }
    planes
}

/// The result of upscaling `like` by `scale`, from planes `[3][rows][stride]`
/// in about [-1, 1] of which it is the top left: rounded to bytes once, with
/// what `like` carries besides its colours. A grey image stays grey.
///
/// # Panics
/// When the planes are smaller than the result.
pub fn picture_from_planes(planes: &[f32], stride: usize, like: &Picture, scale: usize) -> Picture {
    let (width, height) = (scale * like.width, scale * like.height);
    let plane = planes.len() / 3;
    assert!(
        width <= stride && height * stride <= plane,
        "crop: {width}x{height} from planes of {plane} in rows of {stride}"
    );
    let quantise = |v: f32| (((v + 1.0) * 127.5).clamp(0.0, 255.0) + 0.5) as u8;
    let mut rgb = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for at in y * stride..y * stride + width {
            let pixel = [planes[at], planes[plane + at], planes[2 * plane + at]];
            match like.gray {
                true => rgb.extend([quantise(pixel.iter().sum::<f32>() / 3.0); 3]),
                false => rgb.extend(pixel.map(quantise)),
            }
        }
    }
    let mut picture = Picture::new(width, height, rgb);
    picture.gray = like.gray;
    picture.alpha = like.alpha.as_ref().map(|alpha| {
        let (size, new_size) = ([like.width, like.height], [width, height]);
        bicubic::resize_u8(alpha, size, 1, new_size)
    });
    picture.icc_profile.clone_from(&like.icc_profile);
    picture
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
