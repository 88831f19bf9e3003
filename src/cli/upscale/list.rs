//! Lists of images.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

/// The paths that a list names, one a line or each ended by a zero byte.
pub fn paths_in(list: &[u8]) -> io::Result<Vec<PathBuf>> {
    let text = match list {
        // As Windows PowerShell's `>` writes it.
        [0xff, 0xfe, units @ ..] => Cow::Owned(from_utf_16(units, u16::from_le_bytes)?),
        [0xfe, 0xff, units @ ..] => Cow::Owned(from_utf_16(units, u16::from_be_bytes)?),
        // Editors on Windows put it in front of UTF-8.
        [0xef, 0xbb, 0xbf, text @ ..] => Cow::Borrowed(text),
        text => Cow::Borrowed(text),
    };
    // `find -print0` ends names so, and no name can hold a zero byte.
    let separator = if text.contains(&0) { 0 } else { b'\n' };
    let lines = text.split(|&byte| byte == separator);
    let paths = lines.map(|line| match separator {
        0 => line,
        _ => line.strip_suffix(b"\r").unwrap_or(line),
    });
    paths.filter(|path| !path.is_empty()).map(path_of).collect()
}

/// The same text in UTF-8.
fn from_utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> io::Result<Vec<u8>> {
    let (units, rest) = bytes.as_chunks();
    let text = char::decode_utf16(units.iter().map(|&bytes| unit(bytes)));
    match text.collect::<Result<String, _>>() {
        Ok(text) if rest.is_empty() => Ok(text.into_bytes()),
        _ => Err(io::Error::other("it is not UTF-16, as its start says")),
    }
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> io::Result<PathBuf> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    Ok(OsStr::from_bytes(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> io::Result<PathBuf> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| io::Error::other("it is not UTF-8"))?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_windows_are_read() {
        let expected = ["größe.png", "b\u{1f63a}.png"].map(PathBuf::from);
        let text = "größe.png\r\n\r\nb\u{1f63a}.png\r\n";
        let marked = format!("\u{feff}{text}");
        let units: Vec<u16> = marked.encode_utf16().collect();
        let utf_16 = |bytes: fn(u16) -> [u8; 2]| {
            let bytes = units.iter().map(|&unit| bytes(unit));
            bytes.collect::<Vec<_>>().as_flattened().to_vec()
        };
        for list in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            utf_16(u16::to_le_bytes),
            utf_16(u16::to_be_bytes),
        ] {
            assert_eq!(paths_in(&list).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_utf_16_is_refused() {
        for units in [&b"a"[..], b"\0\xd8", b"\0\xdca\0"] {
            let list = [b"\xff\xfe", units].concat();
            assert!(paths_in(&list).is_err(), "{units:?}");
        }
    }
}
