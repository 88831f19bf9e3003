//! Decodes pictures for `picture_decoders.py`: reads lines of an input and an
//! output path and perhaps the number of a frame from 0, separated by tabs, writes each picture losslessly to its
//! output, and prints a line for it: `ok` and the notes, or the error.

use srdiff::image::{DecodeOptions, EncodeOptions, OutputFormat, decode};
use std::path::Path;

fn main() {
    for line in std::io::stdin().lines() {
        let line = line.expect("lines of two paths");
        let parts: Vec<&str> = line.split('\t').collect();
        let (input, output) = (Path::new(parts[0]), Path::new(parts[1]));
        let reading = DecodeOptions {
            frame: parts.get(2).map(|frame| frame.parse().expect("a number")),
            ..DecodeOptions::default()
        };
        let written = decode(input, &reading).and_then(|decoded| {
            let format = OutputFormat::from_path(output)?;
            let options = EncodeOptions::default();
            decoded.picture.save(output, format, &options, true)?;
            Ok(decoded.notes.join("; "))
        });
        match written {
            Ok(notes) => println!("ok {notes}"),
            Err(error) => println!("error {error}"),
        }
    }
}
