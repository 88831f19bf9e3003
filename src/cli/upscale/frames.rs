//! Frames and pages in the places of their files.

use super::inputs::{Inputs, NumberedFrame, Unread};
use crate::cli::failure::Failure;
use crate::cli::signals::Stop;
use srdiff::image::{DecodeOptions, frames};

impl Inputs {
    /// Puts all frames or pages in the places of the files that have several. Files
    /// that cannot be read are sorted out. Once a stop is asked for, files stay as
    /// they are.
    pub fn expand_frames(&mut self, options: &DecodeOptions, stop: &Stop) -> Result<(), Failure> {
        let mut all = Vec::new();
        for mut input in std::mem::take(&mut self.list) {
            if input.stdin.is_some() {
                let message = "--frames: takes no standard input; give the name of a file";
                return Err(Failure::Usage(message.to_owned()));
            }
            if stop.is_asked() {
                all.push(input);
                continue;
            }
            let frames = match frames(&input.path, options) {
                Ok(frames) => frames,
                Err(error) => {
                    self.unread.push(Unread {
                        failure: Failure::reading(input.path.display())(error),
                        path: input.path,
                    });
                    continue;
                }
            };
            let count = frames.list.len();
            if count < 2 {
                input.notes = frames.notes;
                all.push(input);
                continue;
            }
            let path = input.path.display();
            let notes = frames.notes.iter().map(|note| format!("{path}: {note}"));
            self.notes.extend(notes);
            self.is_single = false;
            for (frame, number) in frames.list.into_iter().zip(1..) {
                let frame = NumberedFrame {
                    number,
                    count,
                    frame,
                };
                all.push(input.with_frame(frame));
            }
        }
        self.list = all;
        Ok(())
    }
}
