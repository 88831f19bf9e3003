//! Padding to the sizes that the model works on, and cropping back.

use super::Picture;

/// The pixels of `picture` in its top left corner of `width x height`, the
/// rest its reflection without the edge repeated, as executors take them:
/// R, G, B, 255 from the lowest byte. Opacity is left out.
///
/// The reflection goes on periodically, so that any picture can be padded to
/// any size; of a single row or column, it is a repetition.
///
/// # Panics
/// When the picture is larger.
pub fn pack_padded(picture: &Picture, width: usize, height: usize) -> Vec<u32> {
    assert!(
        width >= picture.width && height >= picture.height,
        "pad: {}x{} to {width}x{height}",
        picture.width,
        picture.height
    );
    let columns: Vec<usize> = (0..width).map(|x| reflect(x, picture.width)).collect();
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = 3 * picture.width;
        let row = &picture.rgb[reflect(y, picture.height) * row..][..row];
        pixels.extend(columns.iter().map(|&x| {
            let [r, g, b] = [0, 1, 2].map(|channel| row[3 * x + channel]);
            u32::from_le_bytes([r, g, b, 255])
        }));
    }
    pixels
}

/// The top left `width x height` of pixels as executors give them, rows of
/// `stride` pixels. The fourth byte is ignored.
///
/// # Panics
/// When there are fewer pixels than that.
pub fn unpack_cropped(pixels: &[u32], stride: usize, width: usize, height: usize) -> Picture {
    assert!(
        width <= stride && height * stride <= pixels.len(),
        "crop: {width}x{height} from {} pixels in rows of {stride}",
        pixels.len()
    );
    let mut rgb = Vec::with_capacity(3 * width * height);
    for row in pixels.chunks_exact(stride).take(height) {
        for pixel in &row[..width] {
            rgb.extend_from_slice(&pixel.to_le_bytes()[..3]);
        }
    }
    Picture::new(width, height, rgb)
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
