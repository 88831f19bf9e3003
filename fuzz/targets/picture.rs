//! Any bytes as a picture file. What is read must be consistent, and must be
//! writable.

#![no_main]

mod scratch;

use libfuzzer_sys::fuzz_target;
use srdiff::image::{
    DecodeOptions, EncodeOptions, FrameReader, OutputFormat, decode, dimensions_within, frames,
};

/// Small, so that time goes into kinds of files and not into pixels.
const MAX_PIXELS: u64 = 1 << 16;

fuzz_target!(|data: &[u8]| {
    let [first, data @ ..] = data else { return };
    let path = scratch::path("picture");
    std::fs::write(&path, data).expect("room for a small file");
    let options = DecodeOptions {
        max_pixels: MAX_PIXELS,
        tolerant: first & 1 != 0,
        frame: (first & 8 != 0).then_some(usize::from(first >> 4 & 3)),
        in_memory: if first & 64 != 0 { 0 } else { u64::MAX },
        ..DecodeOptions::default()
    };
    let _ = frames(&path, &options);
    let size = dimensions_within(&path, MAX_PIXELS);
    let decoded = decode(&path, &options);
    if let Some(frame) = options.frame {
        // After others, it is as it is alone.
        let mut reader = FrameReader::new(&path, &options);
        let last = (0..=frame).map(|number| reader.read(number)).last();
        let [last, alone] = [last.as_ref(), Some(&decoded)].map(|result| {
            let result = result.expect("a frame").as_ref();
            result.map_err(ToString::to_string)
        });
        assert!(last == alone, "{last:?} and {alone:?}");
    }
    let Ok(decoded) = decoded else {
        return;
    };
    let picture = decoded.picture;
    assert!(picture.is_consistent());
    // Pages may have sizes of their own.
    assert!(options.frame.is_some() || size.ok() == Some((picture.width, picture.height)));
    let _ = picture.without_pixels([4 * picture.width, 3 * picture.height]);
    let format = match first >> 1 & 3 {
        0 => OutputFormat::Png,
        1 => OutputFormat::Tiff,
        2 => OutputFormat::Jpeg,
        _ => OutputFormat::WebP,
    };
    let written = scratch::path("written");
    if picture
        .save(&written, format, &EncodeOptions::default(), true)
        .is_ok()
    {
        let whole = DecodeOptions {
            frame: None,
            ..options
        };
        let again = decode(&written, &whole).expect("what was written can be read");
        let size = (again.picture.width, again.picture.height);
        assert_eq!(size, (picture.width, picture.height));
    }
});
