//! What a decoder gives, and the image that it becomes.

use super::color::{self, Space};
use super::orientation::Orientation;
use super::pixels::Pixels;
use super::{Metadata, Picture, exif, xmp};

/// The most bytes of an ICC profile that is kept: what a JPEG file can hold,
/// in 255 segments.
const MAX_PROFILE: usize = 255 * 65_519;

/// The most bytes of texts, of comments and of IPTC that are kept.
pub const MAX_WORDS: usize = 16 << 20;

/// The note of a colour profile that cannot be read.
pub const PROFILE_IS_DAMAGED: &str = "its colour profile is damaged and was left out";

/// What a file holds.
pub struct Raster {
    pub pixels: Pixels,
    pub metadata: Metadata,
    /// Whether the colours are those of the profile, or sRGB without one, whatever
    /// EXIF says.
    pub states_space: bool,
    /// What the user should know about how the file was read.
    pub notes: Vec<String>,
    /// What became the colour profile, if the file has none as such.
    pub made_profile_of: Option<String>,
}

impl Raster {
    /// Pixels without metadata.
    pub fn new(pixels: Pixels) -> Self {
        Self {
            pixels,
            metadata: Metadata::default(),
            states_space: false,
            notes: Vec::new(),
            made_profile_of: None,
        }
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The image and the notes, also those on metadata that only those need who keep it.
    pub fn into_picture(self, is_kept: bool) -> (Picture, Vec<String>) {
        let Self {
            pixels,
            metadata,
            states_space,
            mut notes,
            mut made_profile_of,
        } = self;
        let [width, height] = pixels.size();
        let (gray, orientation) = (pixels.is_gray(), pixels.orientation());
        let mut picture = Picture {
            width,
            height,
            rgb: pixels.rgb,
            gray,
            alpha: pixels.alpha.filter(|alpha| !alpha.all_largest()),
            metadata,
        };
        check_profile(&mut picture, &mut notes);
        if !states_space && let Some(profile) = profile_of_exif(&picture) {
            picture.metadata.icc_profile = Some(profile);
            made_profile_of = Some("its colour space (Adobe RGB, as EXIF says)".to_owned());
        }
        if let (Some(origin), true) = (made_profile_of, is_kept) {
            notes.push(format!("{origin} became a colour profile"));
        }
        finish_metadata(&mut picture, orientation, &mut notes);
        (picture, notes)
    }
}

/// Leaves a profile out that is of no use.
fn check_profile(picture: &mut Picture, notes: &mut Vec<String>) {
    let icc_profile = &mut picture.metadata.icc_profile;
    if let Some(profile) = icc_profile {
        let fits = match color::space(profile) {
            Space::Rgb => true,
            Space::Gray => picture.gray,
            _ => false,
        };
        if !color::is_profile(profile) {
            notes.push(PROFILE_IS_DAMAGED.to_owned());
            *icc_profile = None;
        } else if !fits {
            notes.push("its colour profile is for other colours and was left out".to_owned());
            *icc_profile = None;
        } else if profile.len() > MAX_PROFILE {
            notes.push("its colour profile has more than 16 MB and was left out".to_owned());
            *icc_profile = None;
        }
    }
}

/// The profile of the colours that only EXIF names.
fn profile_of_exif(picture: &Picture) -> Option<Vec<u8>> {
    let Metadata {
        icc_profile, exif, ..
    } = &picture.metadata;
    let is_adobe_rgb = exif.as_deref().is_some_and(exif::is_adobe_rgb);
    let is_stated = is_adobe_rgb && icc_profile.is_none();
    is_stated.then(|| color::adobe_rgb(picture.gray)).flatten()
}

/// Makes the metadata true of the image as it is now.
fn finish_metadata(picture: &mut Picture, turned: Orientation, notes: &mut Vec<String>) {
    let size = [picture.width, picture.height];
    let is_quarter = turned.swaps_sides();
    let Metadata {
        exif,
        xmp,
        dpi,
        texts,
        comments,
        iptc,
        ..
    } = &mut picture.metadata;
    let mut too_long = |name: &str, bytes: usize| {
        let is_long = bytes > MAX_WORDS;
        if is_long {
            notes.push(format!("its {name} has more than 16 MB and was left out"));
        }
        is_long
    };
    if too_long("text", texts.iter().map(|text| text.text.len()).sum()) {
        texts.clear();
    }
    if too_long("comment", comments.iter().map(Vec::len).sum()) {
        comments.clear();
    }
    if too_long("IPTC", iptc.as_ref().map_or(0, Vec::len)) {
        *iptc = None;
    }
    if let Some(block) = exif {
        *dpi = dpi.or_else(|| exif::dpi(block));
        exif::update(block, size, is_quarter);
        exif::turn(block, turned.shown_size(size), turned);
    }
    if is_quarter {
        *dpi = dpi.map(|[x, y]| [y, x]);
    }
    *dpi = dpi.filter(|dpi| dpi.iter().all(|d| d.is_finite() && (1e-3..1e6).contains(d)));
    if let Some(packet) = xmp {
        if turned != Orientation::UPRIGHT {
            xmp::turn_upright(packet, is_quarter);
        }
        xmp::set_size(packet, size);
        // Only of JPEG files is it known that it was there, and that is told then.
        xmp::detach(packet);
    }
}

impl Metadata {
    /// Makes them true of the image in another size.
    pub(super) fn resize(&mut self, from: [usize; 2], to: [usize; 2]) {
        if from == to {
            return;
        }
        if let Some(block) = &mut self.exif {
            exif::update(block, to, false);
            exif::scale(block, from, to);
        }
        if let Some(packet) = &mut self.xmp {
            xmp::resize(packet, from, to);
        }
    }
}
