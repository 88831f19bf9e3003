//! Decodes pictures for `picture_decoders.py`: reads lines of an input and an
//! output path, separated by a tab, writes each picture losslessly to its
//! output, and prints a line for it: `ok` and the notes, or the error.

use srdiff::image::{DecodeOptions, EncodeOptions, OutputFormat, decode};
use std::path::Path;

fn main() {
    for line in std::io::stdin().lines() {
        let line = line.expect("lines of two paths");
        let (input, output) = line.split_once('\t').expect("two paths and a tab");
        let output = Path::new(output);
        let written = decode(Path::new(input), &DecodeOptions::default()).and_then(|decoded| {
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
