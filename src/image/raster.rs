//! What a decoder gives, and the image that it becomes.

use super::color::{self, Space};
use super::orientation::Orientation;
use super::pixels::Pixels;
use super::{Metadata, Picture, exif};

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
}

impl Raster {
    /// Pixels without metadata.
    pub fn new(pixels: Pixels) -> Self {
        Self {
            pixels,
            metadata: Metadata::default(),
            states_space: false,
            notes: Vec::new(),
        }
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The image and the notes.
    pub fn into_picture(self) -> (Picture, Vec<String>) {
        let Self {
            pixels,
            metadata,
            states_space,
            mut notes,
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
        finish_metadata(&mut picture, orientation, states_space, &mut notes);
        (picture, notes)
    }
}

/// Makes the metadata true of the image as it is now.
fn finish_metadata(
    picture: &mut Picture,
    turned: Orientation,
    states_space: bool,
    notes: &mut Vec<String>,
) {
    let Metadata {
        icc_profile,
        exif,
        xmp,
        dpi,
        texts,
        comments,
        iptc,
    } = &mut picture.metadata;
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
    let is_adobe_rgb = exif.as_deref().is_some_and(exif::is_adobe_rgb);
    if is_adobe_rgb && icc_profile.is_none() && !states_space {
        *icc_profile = color::adobe_rgb(picture.gray);
        notes.push("its colour space (Adobe RGB, as EXIF says) became a colour profile".to_owned());
    }
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
        exif::update(block, picture.width, picture.height);
    }
    if turned.shown_size([1, 2]) == [2, 1] {
        *dpi = dpi.map(|[x, y]| [y, x]);
    }
    *dpi = dpi.filter(|dpi| dpi.iter().all(|d| d.is_finite() && (1e-3..1e6).contains(d)));
    if let (Some(packet), true) = (xmp, turned != Orientation::UPRIGHT) {
        reset_xmp_orientation(packet);
    }
}

/// XMP may repeat the orientation, as an attribute or as an element.
fn reset_xmp_orientation(packet: &mut [u8]) {
    let name = b"tiff:Orientation";
    let places = (0..packet.len()).filter(|&at| packet[at..].starts_with(name));
    for at in places.collect::<Vec<_>>() {
        let rest = &mut packet[at + name.len()..];
        let value = rest.iter().take(4).position(u8::is_ascii_digit);
        if let Some(value) = value {
            rest[value] = b'1';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xmp_is_upright_too() {
        for (before, after) in [
            (
                r#"<x tiff:Orientation="6"/> 6"#,
                r#"<x tiff:Orientation="1"/> 6"#,
            ),
            (
                "<tiff:Orientation>8</tiff:Orientation>",
                "<tiff:Orientation>1</tiff:Orientation>",
            ),
            ("nothing 8", "nothing 8"),
        ] {
            let mut packet = before.as_bytes().to_vec();
            reset_xmp_orientation(&mut packet);
            assert_eq!(String::from_utf8(packet).unwrap(), after);
        }
    }
}
