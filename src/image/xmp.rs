//! What an XMP packet states of the pixels beside it.
//!
//! Packets are carried as they are, except for statements that reading, turning or
//! enlarging makes untrue. These are found by their usual names.

use std::ops::Range;

/// Sizes in pixels, across and down.
const SIZES: [[&str; 2]; 2] = [
    ["tiff:ImageWidth", "tiff:ImageLength"],
    ["exif:PixelXDimension", "exif:PixelYDimension"],
];

/// Places and sizes in a panorama, across and down.
const PANORAMA: [[&str; 2]; 5] = [
    ["GPano:FullPanoWidthPixels", "GPano:FullPanoHeightPixels"],
    [
        "GPano:CroppedAreaImageWidthPixels",
        "GPano:CroppedAreaImageHeightPixels",
    ],
    ["GPano:CroppedAreaLeftPixels", "GPano:CroppedAreaTopPixels"],
    [
        "GPano:LargestValidInteriorRectWidth",
        "GPano:LargestValidInteriorRectHeight",
    ],
    [
        "GPano:LargestValidInteriorRectLeft",
        "GPano:LargestValidInteriorRectTop",
    ],
];

/// What follows the image in its file, and is no part of any other.
const ATTACHED: [(&str, &[&str]); 2] = [
    (
        "the film of a motion photo is left out",
        &[
            "GCamera:MotionPhoto",
            "Camera:MotionPhoto",
            "GCamera:MicroVideo",
        ],
    ),
    (
        "a gain map (for screens of high dynamic range) is left out",
        &["hdrgm:Version"],
    ),
];

/// States that the image is upright; and its resolution, where it was turned by a
/// quarter.
pub fn turn_upright(packet: &mut Vec<u8>, is_quarter: bool) {
    set(packet, "tiff:Orientation", |_| Some("1".to_owned()));
    let names = ["tiff:XResolution", "tiff:YResolution"];
    if let ([Some(x), Some(y)], true) = (names.map(|name| value(packet, name)), is_quarter) {
        for (name, value) in names.into_iter().zip([y, x]) {
            set(packet, name, |_| Some(value.clone()));
        }
    }
}

/// States the size of the image.
pub fn set_size(packet: &mut Vec<u8>, size: [usize; 2]) {
    for names in SIZES {
        for (name, side) in names.into_iter().zip(size) {
            set(packet, name, |_| Some(side.to_string()));
        }
    }
}

/// States another size of the image.
pub fn resize(packet: &mut Vec<u8>, from: [usize; 2], to: [usize; 2]) {
    set_size(packet, to);
    let factors = [0, 1].map(|side| to[side] as f64 / from[side] as f64);
    for names in PANORAMA {
        for (name, factor) in names.into_iter().zip(factors) {
            set(packet, name, |value| {
                let value: f64 = value.parse().ok()?;
                Some((value * factor).round().to_string())
            });
        }
    }
}

/// States that nothing is attached to the image; notes on what was.
pub fn detach(packet: &mut Vec<u8>) -> Vec<&'static str> {
    let mut notes = Vec::new();
    for (note, names) in ATTACHED {
        let mut was_there = false;
        for name in names {
            was_there |= value(packet, name).is_some_and(|value| value != "0");
            set(packet, name, |_| Some("0".to_owned()));
        }
        if was_there {
            notes.push(note);
        }
    }
    notes
}

/// The first value of a property.
fn value(packet: &[u8], name: &str) -> Option<String> {
    let place = places(packet, name).into_iter().next()?;
    let value = str::from_utf8(&packet[place]).ok()?;
    Some(value.trim().to_owned())
}

/// Gives a property another value wherever it has one.
fn set(packet: &mut Vec<u8>, name: &str, new: impl Fn(&str) -> Option<String>) {
    for place in places(packet, name).into_iter().rev() {
        let old = str::from_utf8(&packet[place.clone()]);
        if let Some(value) = old.ok().and_then(|old| new(old.trim())) {
            packet.splice(place, value.into_bytes());
        }
    }
}

/// Where the values of a property are: it is an attribute, or an element of text.
fn places(packet: &[u8], name: &str) -> Vec<Range<usize>> {
    let is_space = |byte: &u8| byte.is_ascii_whitespace();
    let place = |at: usize| {
        let begins = packet[..at]
            .last()
            .is_some_and(|b| is_space(b) || *b == b'<');
        let mut left = packet[at..]
            .strip_prefix(name.as_bytes())?
            .trim_ascii_start();
        let end = match left.split_off_first()? {
            b'=' => {
                left = left.trim_ascii_start();
                *left.split_off_first().filter(|b| b"'\"".contains(b))?
            }
            b'>' => b'<',
            _ => return None,
        };
        let length = left.iter().position(|&byte| byte == end)?;
        let start = packet.len() - left.len();
        begins.then_some(start..start + length)
    };
    (0..packet.len()).filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(before: &str, change: impl Fn(&mut Vec<u8>)) -> String {
        let mut packet = before.as_bytes().to_vec();
        change(&mut packet);
        String::from_utf8(packet).unwrap()
    }

    #[test]
    fn an_upright_image_is_told() {
        for (before, after) in [
            (
                r#"<x tiff:Orientation="6"/> 6"#,
                r#"<x tiff:Orientation="1"/> 6"#,
            ),
            (
                "<tiff:Orientation>8</tiff:Orientation>",
                "<tiff:Orientation>1</tiff:Orientation>",
            ),
            (
                "<x tiff:YResolution='1/2' tiff:XResolution = '30'/>",
                "<x tiff:YResolution='30' tiff:XResolution = '1/2'/>",
            ),
            ("nothing 8", "nothing 8"),
        ] {
            assert_eq!(changed(before, |packet| turn_upright(packet, true)), after);
        }
    }

    #[test]
    fn sizes_are_those_of_the_result() {
        let before = "<x exif:PixelXDimension='9' tiff:ImageLength='800'>\
            <GPano:FullPanoWidthPixels> 30 </GPano:FullPanoWidthPixels>\
            <x GPano:CroppedAreaTopPixels='7' GPano:CroppedAreaLeftPixels='?'/>";
        let after = "<x exif:PixelXDimension='40' tiff:ImageLength='60'>\
            <GPano:FullPanoWidthPixels>120</GPano:FullPanoWidthPixels>\
            <x GPano:CroppedAreaTopPixels='21' GPano:CroppedAreaLeftPixels='?'/>";
        assert_eq!(
            changed(before, |packet| resize(packet, [10, 20], [40, 60])),
            after
        );
    }

    #[test]
    fn properties_of_longer_names_and_what_is_cut_off_stay() {
        for text in [
            "<x GCamera:MotionPhotoVersion='1' xGCamera:MotionPhoto='1'/>",
            "<x GCamera:MotionPhoto='1",
            "<x GCamera:MotionPhoto=",
            "<x GCamera:MotionPhoto",
            "GCamera:MotionPhoto='1'",
        ] {
            let mut packet = text.as_bytes().to_vec();
            assert_eq!(detach(&mut packet), [""; 0]);
            assert_eq!(packet, text.as_bytes());
        }
    }
}
