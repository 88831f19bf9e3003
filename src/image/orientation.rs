//! The eight ways that a camera may have been held.

/// How a stored image is turned to be upright; the numbers are those of
/// EXIF and TIFF. 1, and any that is not from 1 to 8, is upright already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation(u8);

impl Orientation {
    /// Stored as it is shown.
    pub const UPRIGHT: Self = Self(1);

    /// From the number in the file.
    pub fn new(number: u32) -> Self {
        match number {
            2..=8 => Self(number as u8),
            _ => Self::UPRIGHT,
        }
    }

    /// Whether images are stored with their sides exchanged.
    pub fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// Width and height as shown, from those stored.
    pub fn shown_size(self, [width, height]: [usize; 2]) -> [usize; 2] {
        if self.swaps_sides() {
            [height, width]
        } else {
            [width, height]
        }
    }

    /// Where the pixels of a stored image of this size lie in the upright one,
    /// row by row: the place of the first, and how far each next one across and
    /// each next row down are from there.
    pub fn places(self, [width, height]: [usize; 2]) -> (isize, [isize; 2]) {
        let (width, height) = (width as isize, height as isize);
        let (right, bottom) = (width - 1, height - 1);
        match self.0 {
            2 => (right, [-1, width]),
            3 => (right + bottom * width, [-1, -width]),
            4 => (bottom * width, [1, -width]),
            5 => (0, [height, 1]),
            6 => (bottom, [height, -1]),
            7 => (bottom + right * height, [-height, -1]),
            8 => (right * height, [-height, 1]),
            _ => (0, [1, width]),
        }
    }
}
