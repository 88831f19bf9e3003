//! JPEG files, by libjpeg.

use super::super::color::Cmyk;
use super::super::exif;
use super::super::iptc;
use super::super::pixels::Pixels;
use super::super::raster::Raster;
use super::super::{ImageProblem, Metadata, orientation::Orientation};
use super::jpeg_header::{Header, Profile};
use super::{
    DecodeOptions, END_IS_MISSING, Size, Source, check_size, cut_off, io_problem, nothing_read,
    tolerate,
};
use crate::host_memory::zeros;
use mozjpeg::{ColorSpace, ColorSpaceExt, Decompress};
use mozjpeg_sys::{
    J_MESSAGE_CODE, JWRN_EXTRANEOUS_DATA, JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_MUST_RESYNC,
    jpeg_common_struct, jpeg_component_info, jpeg_error_mgr, jpeg_std_error,
};
use std::cell::RefCell;
use std::ffi::c_int;
use std::io::BufRead;
use std::panic::{self, AssertUnwindSafe};

/// The most bytes of coded data that may be left over in a file whose pixels are right.
/// Cameras that send JPEG as video leave some; the decoder has read up to 8 more of them
/// ahead, and does not count these. Filling (one byte again and again, at any
/// length) is not counted, nor what follows the end marker: previews, gain maps and
/// films stand there. More than this is pixels: a file states fewer than it has, or lost
/// its place in the data and shows them where they do not belong.
const LEFT_OVER: u64 = 16;

pub fn size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    let header = Header::read(source, false)?;
    let size = [header.width, header.height].map(u32::from);
    check_size(size, max_pixels)?;
    Ok((size, orientation(&header)))
}

pub fn decode(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let mut header = Header::read(source, true)?;
    let size = [header.width, header.height].map(u32::from);
    check_size(size, options.max_pixels)?;
    if header.coded == 0 {
        return Err(nothing_read(cut_off()));
    }
    let mut notes = Vec::new();
    check_header(&header, options, &mut notes)?;
    let profile = match header.profile() {
        Profile::None => None,
        Profile::Whole(profile) => Some(profile),
        Profile::Broken => {
            notes.push("its colour profile is incomplete and was left out".to_owned());
            None
        }
    };
    note_left_out(&header, options, &mut notes);
    let channels = header.components.len();
    let wanted = match channels {
        1 => Some(ColorSpace::JCS_GRAYSCALE),
        3 => Some(ColorSpace::JCS_RGB),
        _ => Some(ColorSpace::JCS_CMYK),
    };
    let cmyk = (channels == 4).then(|| Cmyk::new(profile.as_deref(), 8, &mut notes));
    let orientation = orientation(&header);
    let mut pixels = Pixels::new(
        size,
        channels.min(3),
        8,
        orientation,
        true,
        options.in_memory,
    )?;
    let width = size[0] as usize;
    let mut samples = zeros(3 * width)?;
    let mut take = |y: usize, row: &mut [u8]| {
        let row = match &cmyk {
            Some(cmyk) => {
                if header.adobe {
                    row.iter_mut().for_each(|sample| *sample = !*sample);
                }
                cmyk.to_rgb(row, &mut samples);
                &samples
            }
            None => &*row,
        };
        Ok(pixels.put([0, y], 1, row)?)
    };
    let most = size.map(|side| side as usize);
    let stream = decode_stream(source, wanted, most, &mut take)?;
    if [stream.width, stream.height] != most {
        let reason = format!(
            "its pixels are stored as {}x{}",
            stream.width, stream.height
        );
        return Err(ImageProblem::Damaged(reason));
    }
    check_stream(&stream, &header, options, &mut notes)?;

    let mut raster = Raster::new(pixels);
    raster.notes = notes;
    // CMYK became sRGB.
    raster.states_space = channels == 4;
    raster.metadata = Metadata {
        // Through which CMYK became sRGB.
        icc_profile: profile.filter(|_| channels < 4),
        exif: header.exif,
        xmp: header.xmp,
        dpi: header.dpi,
        iptc: iptc::of_resources(&header.resources),
        comments: header.comments,
        ..Metadata::default()
    };
    Ok(raster)
}

/// Looks for scans that are not there.
fn check_header(
    header: &Header,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<(), ImageProblem> {
    if !header.ended && header.is_arithmetic() {
        // What is missing inside a scan would not be noticed.
        tolerate(cut_off(), options, notes)?;
    }
    if header.lacks_scans() {
        let reason = "some of its scans are missing".to_owned();
        tolerate(ImageProblem::Incomplete(reason), options, notes)?;
    }
    Ok(())
}

/// Notes what of the file is no part of the image.
fn note_left_out(header: &Header, options: &DecodeOptions, notes: &mut Vec<String>) {
    if header.has_more_xmp && options.metadata {
        notes.push("the part of its XMP in further segments was left out".to_owned());
    }
    match header.pictures {
        0 | 1 => {}
        2 => notes.push("another picture in the file (MPF) is left out".to_owned()),
        count => notes.push(format!(
            "{} other pictures in the file (MPF) are left out",
            count - 1
        )),
    }
}

/// Looks for pixels that are missing, wrong or too many.
fn check_stream(
    stream: &Stream,
    header: &Header,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<(), ImageProblem> {
    if stream.warned(&[JWRN_HIT_MARKER]) {
        tolerate(cut_off(), options, notes)?;
    } else if !header.ended {
        notes.push(END_IS_MISSING.to_owned());
    }
    if stream.warned(&[JWRN_HUFF_BAD_CODE, JWRN_MUST_RESYNC]) {
        let reason = "some of its pixels are coded wrongly".to_owned();
        tolerate(ImageProblem::Incomplete(reason), options, notes)?;
    }
    match stream.left_over.saturating_sub(header.fill) {
        0 => {}
        count @ 1..=LEFT_OVER => {
            notes.push(format!("{count} bytes after its pixels mean nothing"));
        }
        count => {
            let reason = format!(
                "{count} bytes of its pixels are left over: its size or its pixels are wrong"
            );
            tolerate(ImageProblem::Incomplete(reason), options, notes)?;
        }
    }
    Ok(())
}

fn orientation(header: &Header) -> Orientation {
    let number = header.exif.as_deref().and_then(exif::orientation);
    Orientation::new(number.unwrap_or(1))
}

/// What libjpeg makes of a stream.
pub struct Stream {
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    /// Whether several pixels share a sample of some channel.
    pub is_subsampled: bool,
    warnings: Vec<J_MESSAGE_CODE>,
    /// Bytes in the midst of coded data that no pixel needs.
    left_over: u64,
}

impl Stream {
    fn warned(&self, codes: &[J_MESSAGE_CODE]) -> bool {
        self.warnings.iter().any(|code| codes.contains(code))
    }

    /// Whether data were missing or wrong.
    pub fn is_whole(&self) -> bool {
        let is_wrong = self.warned(&[JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_MUST_RESYNC]);
        !is_wrong && self.left_over <= LEFT_OVER
    }
}

/// Takes row `y` of an image.
pub type OnRow<'a> = &'a mut dyn FnMut(usize, &mut [u8]) -> Result<(), ImageProblem>;

/// Decodes a stream to a colour space (none: as it is stored) and gives its rows
/// to `take`. One that states more than `most` pixels a side is refused from its
/// header.
pub fn decode_stream(
    source: impl BufRead,
    wanted: Option<ColorSpace>,
    most: [usize; 2],
    take: OnRow<'_>,
) -> Result<Stream, ImageProblem> {
    WARNINGS.take();
    // libjpeg reports errors by unwinding.
    let result = panic::catch_unwind(AssertUnwindSafe(|| -> Result<Stream, ImageProblem> {
        let decoder = Decompress::builder()
            .with_err(error_manager())
            .from_reader(source)
            .map_err(io_problem)?;
        let (width, height) = decoder.size();
        if width > most[0] || height > most[1] {
            let reason = format!("its pixels are stored as {width}x{height}");
            return Err(ImageProblem::Damaged(reason));
        }
        let wanted = wanted.unwrap_or_else(|| decoder.color_space());
        let components = decoder.components();
        let channels = components.len();
        let sampling = |c: &jpeg_component_info| [c.h_samp_factor, c.v_samp_factor];
        let is_subsampled = (components.iter()).any(|c| sampling(c) != sampling(&components[0]));
        let mut started = decoder.to_colorspace(wanted).map_err(io_problem)?;
        let (width, height) = (started.width(), started.height());
        let mut row = zeros(width * started.color_space().num_components())?;
        for y in 0..height {
            started.read_scanlines_into(&mut row).map_err(io_problem)?;
            take(y, &mut row)?;
        }
        started.finish().map_err(io_problem)?;
        Ok(Stream {
            width,
            height,
            channels,
            is_subsampled,
            warnings: Vec::new(),
            left_over: 0,
        })
    }));
    let Warnings {
        codes: warnings,
        left_over,
    } = WARNINGS.take();
    match result {
        Ok(Ok(stream)) => Ok(Stream {
            warnings,
            left_over,
            ..stream
        }),
        Ok(Err(problem)) => Err(problem),
        Err(payload) => match payload.downcast::<Fatal>() {
            Ok(fatal) => Err(fatal.problem()),
            Err(payload) => panic::resume_unwind(payload),
        },
    }
}

/// An error of libjpeg, on its way out.
struct Fatal(String);

impl Fatal {
    fn problem(self) -> ImageProblem {
        let foreign = ["not implemented", "Unsupported", "not supported", "Sorry"];
        if foreign.iter().any(|word| self.0.contains(word)) {
            return ImageProblem::Feature(format!("a kind of JPEG coding ({})", self.0));
        }
        if self.0.starts_with("Insufficient memory") {
            return ImageProblem::NoMemory;
        }
        ImageProblem::Damaged(self.0)
    }
}

/// Warnings about the stream that is being decoded.
#[derive(Default)]
struct Warnings {
    codes: Vec<J_MESSAGE_CODE>,
    left_over: u64,
}

thread_local! {
    static WARNINGS: RefCell<Warnings> = RefCell::default();
}

/// The last state of a decoder before it reads coded data (DSTATE_READY of `jpegint.h`).
const READY: c_int = 202;

fn error_manager() -> jpeg_error_mgr {
    // SAFETY: a plain C structure of numbers and pointers, for which all zeros
    // is a value; `jpeg_std_error` fills it, and it holds no pointer to itself.
    let mut manager = unsafe {
        let mut manager: jpeg_error_mgr = std::mem::zeroed();
        jpeg_std_error(&mut manager);
        manager
    };
    manager.error_exit = Some(raise);
    manager.emit_message = Some(record);
    manager
}

/// Ends decoding; libjpeg is built so that unwinding passes through it.
extern "C-unwind" fn raise(info: &mut jpeg_common_struct) {
    panic::resume_unwind(Box::new(Fatal(message(info))));
}

extern "C-unwind" fn record(info: &mut jpeg_common_struct, level: c_int) {
    // Others than warnings trace what is decoded.
    if level < 0 {
        // SAFETY: libjpeg calls this with its error manager set, whose parameters are
        // plain numbers.
        let (code, count) = unsafe {
            let manager = &mut *info.err;
            (
                manager.msg_code as J_MESSAGE_CODE,
                (*manager.msg_parm.i())[0],
            )
        };
        WARNINGS.with_borrow_mut(|warnings| {
            // Between the segments of a header, bytes do no harm.
            if code == JWRN_EXTRANEOUS_DATA && info.global_state > READY {
                warnings.left_over += u64::try_from(count).unwrap_or(0);
            }
            // A damaged file may give one for every block.
            if warnings.codes.len() < 1000 {
                warnings.codes.push(code);
            }
        });
    }
}

fn message(info: &mut jpeg_common_struct) -> String {
    type Format = unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &mut [u8; 80]);
    let mut text = [0; 80];
    // SAFETY: libjpeg calls this with its error manager set. Its function
    // writes a C string of at most 80 bytes into the buffer, whatever the
    // bindings say about mutability; the two types differ in that alone.
    unsafe {
        if let Some(format) = (*info.err).format_message {
            let format: Format = std::mem::transmute(format);
            format(info, &mut text);
        }
    }
    let end = text
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(text.len());
    String::from_utf8_lossy(&text[..end]).into_owned()
}
