//! Frames of JPEG XL animations.

use super::super::{ImageProblem, raster::Raster};
use super::frames::{Opened, Sequence};
use super::jxl::{Decoding, Scan, problem};
use super::{DecodeOptions, Source, check_frame};
use std::io::{Seek, SeekFrom};

struct Animation {
    source: Source,
    scan: Scan,
    /// None before the first frame and after a damaged one.
    decoding: Option<Decoding>,
    options: DecodeOptions,
}

pub fn open(mut source: Source, options: &DecodeOptions) -> Result<Opened, ImageProblem> {
    let scan = Scan::new(&mut source, options)?;
    if scan.frames.len() < 2 {
        source.rewind().map_err(ImageProblem::Read)?;
        return Ok(Opened::Still(source));
    }
    Ok(Opened::Sequence(Box::new(Animation {
        source,
        scan,
        decoding: None,
        options: *options,
    })))
}

impl Sequence for Animation {
    fn frame(&mut self, wanted: usize) -> Result<Raster, ImageProblem> {
        check_frame(wanted, self.scan.frames.len())?;
        let (source, options) = (&mut self.source, &self.options);
        let mut decoding = match self.decoding.take() {
            Some(decoding) => decoding,
            None => Decoding::new(source, options)?,
        };
        // What the decoder has of the frames that this one is laid on stays.
        let target = self.scan.frames[wanted].seek_target;
        let place = decoding.decoder.start_new_frame(target).map_err(problem)?;
        source
            .seek(SeekFrom::Start(place))
            .map_err(ImageProblem::Read)?;
        let (raster, is_whole) = decoding.frame(source, &self.scan, options)?;
        self.decoding = is_whole.then_some(decoding);
        Ok(raster)
    }
}
