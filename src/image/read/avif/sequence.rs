//! Frames of AVIF animations.

use super::super::frames::{Opened, Sequence};
use super::super::{DecodeOptions, Source, check_frame};
use super::boxes::Container;
use super::track::Playing;
use super::{animation, container, raster};
use crate::image::{ImageProblem, raster::Raster};
use std::io::Seek;

/// The tracks of an animation as far as they are decoded.
#[derive(Default)]
pub struct Tracks {
    pub color: Option<Playing>,
    pub alpha: Option<Playing>,
}

struct Playback {
    source: Source,
    container: Container,
    tracks: Tracks,
    options: DecodeOptions,
    notes: Vec<String>,
}

pub fn open(mut source: Source, options: &DecodeOptions) -> Result<Opened, ImageProblem> {
    let mut notes = Vec::new();
    let container = container(&mut source, options, &mut notes)?;
    if animation(&container, options, &mut notes)?.is_none() {
        source.rewind().map_err(ImageProblem::Read)?;
        return Ok(Opened::Still(source));
    }
    Ok(Opened::Sequence(Box::new(Playback {
        source,
        container,
        tracks: Tracks::default(),
        options: *options,
        notes,
    })))
}

impl Sequence for Playback {
    fn frame(&mut self, wanted: usize) -> Result<Raster, ImageProblem> {
        let animation = self.container.several_frames();
        check_frame(wanted, animation.map_or(1, |all| all.color.durations.len()))?;
        let frame = animation.map(|animation| (animation, &mut self.tracks, wanted));
        raster(
            &mut self.source,
            &self.container,
            frame,
            &self.options,
            self.notes.clone(),
        )
    }
}
