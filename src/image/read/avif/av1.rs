//! AV1: the frames that the items of AVIF files hold.

use crate::image::ImageProblem;
use re_rav1d::dav1d::{
    Decoder, Error, Picture, PixelLayout, PlanarImageComponent, Settings, pixel,
};

/// A decoded frame.
pub struct Frame(Picture);

/// How the samples of a frame are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// 8, 10 or 12.
    pub bits: u32,
    /// Luma alone.
    pub is_gray: bool,
    /// Whether chroma has half the columns, and half the rows.
    pub halved: [bool; 2],
}

/// What the numbers of colours stand for, by the code points of ITU-T H.273.
#[derive(Clone, Copy)]
pub struct CodePoints {
    pub primaries: u8,
    pub transfer: u8,
    pub matrix: u8,
    pub is_full_range: bool,
}

/// A decoder that goes from frame to frame.
pub struct Frames {
    decoder: Decoder,
    size: [u32; 2],
    /// The last frame that has come.
    last: Option<Picture>,
}

impl Frames {
    /// Of frames that have `size`.
    pub fn new(size: [u32; 2], operating_point: u32) -> Result<Self, ImageProblem> {
        let mut settings = Settings::new();
        // A panic in a thread of the decoder's own could not be caught.
        settings.set_n_threads(1);
        settings.set_max_frame_delay(1);
        settings.set_all_layers(false);
        settings.set_operating_point(operating_point);
        let pixels = u64::from(size[0]) * u64::from(size[1]);
        settings.set_frame_size_limit(u32::try_from(pixels).unwrap_or(u32::MAX));
        Ok(Self {
            decoder: Decoder::with_settings(&settings).map_err(problem)?,
            size,
            last: None,
        })
    }

    /// Decodes what comes next.
    pub fn decode(&mut self, data: &[u8]) -> Result<(), ImageProblem> {
        let data = needed(data).ok_or_else(|| wrong("it is cut off"))?;
        if data.is_empty() {
            return Ok(());
        }
        let decoder = &mut self.decoder;
        let mut sent = decoder.send_data(data, None, None, None);
        loop {
            match decoder.get_picture() {
                Ok(picture) => self.last = Some(picture),
                Err(Error::Again) => match sent {
                    Ok(()) => return Ok(()),
                    Err(Error::Again) => sent = decoder.send_pending_data(),
                    Err(error) => return Err(problem(error)),
                },
                Err(error) => return Err(problem(error)),
            }
        }
    }

    /// The frame that was decoded; of several layers, the last.
    pub fn last(&self) -> Result<Frame, ImageProblem> {
        let frame = self.last.clone();
        let frame = frame.ok_or_else(|| wrong("there is no frame in it"))?;
        if [frame.width(), frame.height()] != self.size {
            return Err(wrong("its size is not that which the header states"));
        }
        Ok(Frame(frame))
    }
}

impl Frame {
    /// Decodes the frame of an item, which has `size`.
    pub fn decode(data: &[u8], size: [u32; 2], operating_point: u32) -> Result<Self, ImageProblem> {
        let mut frames = Frames::new(size, operating_point)?;
        frames.decode(data)?;
        frames.last()
    }

    pub fn format(&self) -> Format {
        let layout = self.0.pixel_layout();
        Format {
            bits: match self.0.bits_per_component() {
                Some(bits) => bits.0 as u32,
                None => 8,
            },
            is_gray: layout == PixelLayout::I400,
            halved: [
                matches!(layout, PixelLayout::I420 | PixelLayout::I422),
                layout == PixelLayout::I420,
            ],
        }
    }

    /// What the frame itself says about its colours.
    pub fn code_points(&self) -> CodePoints {
        CodePoints {
            primaries: self.0.color_primaries() as u8,
            transfer: self.0.transfer_characteristic() as u8,
            matrix: self.0.matrix_coefficients() as u8,
            is_full_range: self.is_full_range(),
        }
    }

    pub fn is_full_range(&self) -> bool {
        self.0.color_range() == pixel::YUVRange::Full
    }

    /// The first samples of a row of a plane: luma is 0, chroma 1 and 2.
    pub fn row(&self, plane: usize, y: usize, row: &mut [u16]) {
        let component = PlanarImageComponent::from(plane);
        let (stride, _) = self.0.plane_data_geometry(component);
        let samples = self.0.plane(component);
        let start = &samples[stride as usize * y..];
        if self.0.bit_depth() == 8 {
            for (sample, &byte) in row.iter_mut().zip(start) {
                *sample = byte.into();
            }
        } else {
            for (sample, pair) in row.iter_mut().zip(start.chunks_exact(2)) {
                *sample = u16::from_ne_bytes([pair[0], pair[1]]);
            }
        }
    }
}

/// The units (OBUs) that an image needs: the headers and what belongs to frames. Wrong
/// metadata makes the decoder panic where that cannot be caught. None of data that ends
/// within a unit.
fn needed(data: &[u8]) -> Option<Vec<u8>> {
    const SEQUENCE: u8 = 1;
    const FRAME_HEADER: u8 = 3;
    const TILES: u8 = 4;
    const FRAME: u8 = 6;
    let mut needed = Vec::with_capacity(data.len());
    let mut rest = data;
    while let [header, after @ ..] = rest {
        let has_extension = header & 4 != 0;
        let has_size = header & 2 != 0;
        let mut content = after.get(usize::from(has_extension)..)?;
        let mut size = content.len();
        if has_size {
            let bytes = content.iter().take(8).position(|byte| byte & 0x80 == 0)? + 1;
            let (number, after) = content.split_at(bytes);
            let number = number
                .iter()
                .rev()
                .fold(0u64, |n, byte| n << 7 | u64::from(byte & 0x7f));
            size = usize::try_from(number).ok()?;
            content = after;
        }
        let after = content.get(size..)?;
        let kind = header >> 3 & 15;
        if matches!(kind, SEQUENCE | FRAME_HEADER | TILES | FRAME) && size > 0 {
            needed.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    Some(needed)
}

fn wrong(what: &str) -> ImageProblem {
    ImageProblem::Damaged(format!("its AV1 data is wrong: {what}"))
}

fn problem(error: Error) -> ImageProblem {
    match error {
        Error::NotEnoughMemory => ImageProblem::Memory,
        Error::UnsupportedBitstream => ImageProblem::Feature("an unknown kind of AV1".to_owned()),
        _ => ImageProblem::Damaged("its AV1 data is wrong".to_owned()),
    }
}
