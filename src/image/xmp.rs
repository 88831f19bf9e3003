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
    (GAIN_MAP, &["hdrgm:Version"]),
];

/// The note of a gain map, which is one of the pictures that a file lists.
pub const GAIN_MAP: &str = "a gain map (for screens of high dynamic range) is left out";

/// Where a packet describes the images that this one was put together from.
const INGREDIENTS: [&[u8]; 2] = [b"<xmpMM:Pantry", b"</xmpMM:Pantry>"];

/// What stands after the white space in which a packet may grow.
const END: &[u8] = b"<?xpacket end";

/// The most bytes of a value: all of them are short numbers.
const LONGEST: usize = 64;

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
                let value: i32 = value.parse().ok()?;
                let value = (f64::from(value) * factor).round() as i64;
                Some(value.to_string())
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
            was_there |= value(packet, name).is_some_and(|value| !["", "0"].contains(&&*value));
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

/// Gives a property another value wherever it has one. What the packet grows by is
/// taken from the white space at its end.
fn set(packet: &mut Vec<u8>, name: &str, new: impl Fn(&str) -> Option<String>) {
    let old = std::mem::take(packet);
    let mut rest = 0;
    for place in places(&old, name) {
        let value = str::from_utf8(&old[place.clone()]);
        if let Some(value) = value.ok().and_then(|value| new(value.trim())) {
            packet.extend(&old[rest..place.start]);
            packet.extend(value.into_bytes());
            rest = place.end;
        }
    }
    packet.extend(&old[rest..]);
    let grown = packet.len().saturating_sub(old.len());
    if grown > 0
        && let Some(end) = packet.windows(END.len()).rposition(|part| part == END)
    {
        let space = packet[..end].len() - packet[..end].trim_ascii_end().len();
        packet.drain(end - space.min(grown)..end);
    }
}

/// Where the values of a property are, in order: it is an attribute, or an element of
/// text. What is said of other images is passed over.
fn places(packet: &[u8], name: &str) -> Vec<Range<usize>> {
    let others = ingredients(packet);
    let mut places = Vec::new();
    let mut at = 0;
    while at < packet.len() {
        if others.contains(&at) {
            at = others.end;
        } else if let Some(found) = place(packet, at, name) {
            at = found.end;
            places.push(found);
        } else {
            at += 1;
        }
    }
    places
}

/// Where the value of a property is whose name is at `at`.
fn place(packet: &[u8], at: usize, name: &str) -> Option<Range<usize>> {
    let mut left = packet[at..].strip_prefix(name.as_bytes())?;
    let before = packet[..at].last()?;
    if !before.is_ascii_whitespace() && *before != b'<' {
        return None;
    }
    left = left.trim_ascii_start();
    let end = match left.split_off_first()? {
        b'=' => {
            left = left.trim_ascii_start();
            *left.split_off_first().filter(|b| b"'\"".contains(b))?
        }
        b'>' => b'<',
        _ => return None,
    };
    let length = left.iter().take(LONGEST).position(|&byte| byte == end)?;
    let start = packet.len() - left.len();
    Some(start..start + length)
}

/// What a packet says of the images that this one was put together from.
fn ingredients(packet: &[u8]) -> Range<usize> {
    let [first, last] = INGREDIENTS;
    let start = packet.windows(first.len()).position(|part| part == first);
    let start = start.unwrap_or(packet.len());
    let end = packet.windows(last.len()).rposition(|part| part == last);
    start..end.unwrap_or(packet.len()).max(start)
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
    fn sizes_that_are_none_stay_or_are_replaced_once() {
        let long = format!("<x tiff:ImageWidth='{}'/>", "8".repeat(LONGEST));
        for (before, after) in [
            (
                "<x tiff:ImageWidth> tiff:ImageWidth>66666666666666<",
                "<x tiff:ImageWidth>40<",
            ),
            (
                "<x tiff:ImageWidth=\" tiff:ImageWidth='8888888' \"'/>",
                "<x tiff:ImageWidth=\"40\"'/>",
            ),
            (
                "<x GPano:FullPanoWidthPixels> GPano:FullPanoWidthPixels>   7<",
                "<x GPano:FullPanoWidthPixels> GPano:FullPanoWidthPixels>   7<",
            ),
            (
                "<x GPano:FullPanoWidthPixels='inf' GPano:FullPanoHeightPixels='1e20'/>",
                "<x GPano:FullPanoWidthPixels='inf' GPano:FullPanoHeightPixels='1e20'/>",
            ),
            (&long, &long),
        ] {
            assert_eq!(
                changed(before, |packet| resize(packet, [10, 20], [40, 60])),
                after
            );
        }
    }

    /// Work on the whole packet for each of them would take minutes.
    #[test]
    fn many_values_are_soon_changed_or_passed_over() {
        let many = |text: &str| format!("<x{}", text.repeat(1 << 18));
        let endless = many(" tiff:ImageWidth>");
        let resized = |packet: &mut Vec<u8>| resize(packet, [10, 20], [40, 60]);
        assert_eq!(changed(&endless, resized), endless);
        let before = many(" tiff:ImageWidth='9'");
        assert_eq!(changed(&before, resized), many(" tiff:ImageWidth='40'"));
    }

    #[test]
    fn sizes_of_other_images_stay() {
        let before = "<x tiff:ImageWidth='10'><xmpMM:Pantry><y tiff:ImageWidth='10'/>\
            </xmpMM:Pantry><tiff:ImageLength>20</tiff:ImageLength>";
        let after = "<x tiff:ImageWidth='40'><xmpMM:Pantry><y tiff:ImageWidth='10'/>\
            </xmpMM:Pantry><tiff:ImageLength>60</tiff:ImageLength>";
        assert_eq!(changed(before, |packet| set_size(packet, [40, 60])), after);
    }

    #[test]
    fn a_packet_grows_into_its_white_space() {
        for (before, after) in [("   ", " "), (" ", "")] {
            let packet = |size: &str, space: &str| {
                format!("<x tiff:ImageWidth='{size}'/>{space}<?xpacket end='w'?>")
            };
            assert_eq!(
                changed(&packet("10", before), |packet| set_size(packet, [4000, 1])),
                packet("4000", after)
            );
        }
    }

    #[test]
    fn properties_of_longer_names_and_what_is_cut_off_stay() {
        for text in [
            "<x GCamera:MotionPhotoVersion='1' xGCamera:MotionPhoto='1'/>",
            "<x GCamera:MotionPhoto='1",
            "<x GCamera:MotionPhoto=",
            "<x GCamera:MotionPhoto='0'/>",
            "<x GCamera:MotionPhoto",
            "GCamera:MotionPhoto='1'",
        ] {
            let mut packet = text.as_bytes().to_vec();
            assert_eq!(detach(&mut packet), [""; 0]);
            assert_eq!(packet, text.as_bytes());
        }
    }
}
