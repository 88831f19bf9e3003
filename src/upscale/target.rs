//! Results of another size than the model's scale gives.

use super::finish::OnRows;
use super::reverse::{OnProgress, SampleOptions};
use super::{Report, UpscaleError, Upscaler};
use crate::host_memory::NoMemory;
use crate::image::{Picture, Strip, StripResizing};
use std::ops::ControlFlow;

impl Upscaler {
    /// Width and height that an image grows to, and how often the model runs for
    /// them: the fewest times after which no side is too small.
    fn passes(&self, from: [usize; 2], to: [usize; 2]) -> usize {
        let scale = self.model().settings().scale;
        let (mut passes, mut size) = (1, from.map(|side| side.saturating_mul(scale)));
        while size[0] < to[0] || size[1] < to[1] {
            size = size.map(|side| side.saturating_mul(scale));
            passes += 1;
        }
        passes
    }

    /// As [`upscale_rows`](Self::upscale_rows), to any size of at least the
    /// image's: the model runs as often as it takes, and what is too large is
    /// shrunk (bicubic, without aliasing).
    ///
    /// # Errors
    /// As [`upscale_rows`](Self::upscale_rows), and when a side of `size` is
    /// smaller than the image's.
    pub fn upscale_to(
        &mut self,
        picture: &Picture,
        size: [usize; 2],
        sample: &SampleOptions,
        progress: OnProgress<'_>,
        rows: OnRows<'_>,
    ) -> Result<Report, UpscaleError> {
        let own = [picture.width, picture.height];
        if size[0] < own[0] || size[1] < own[1] {
            return Err(UpscaleError::Shrinks {
                from: own,
                to: size,
            });
        }
        let passes = self.passes(own, size);
        let mut enlarged = None;
        for _ in 1..passes {
            let image = enlarged.as_ref().unwrap_or(picture);
            enlarged = Some(self.upscale(image, sample, progress)?);
        }
        let image = enlarged.as_ref().unwrap_or(picture);
        let scale = self.model().settings().scale;
        let full = [image.width * scale, image.height * scale];
        if full == size {
            return self.upscale_rows(image, sample, progress, rows);
        }
        let mut resizing = StripResizing::new(full, size)?;
        let mut resized = |strip: Strip| -> Result<Option<Strip>, NoMemory> {
            if strip.y == 0 {
                resizing = StripResizing::new(full, size)?;
            }
            resizing.push(&strip)
        };
        let mut refused = None;
        let upscaled =
            self.upscale_rows(image, sample, progress, &mut |strip| match resized(strip) {
                Ok(Some(resized)) => rows(resized),
                Ok(None) => ControlFlow::Continue(()),
                Err(error) => {
                    refused = Some(error);
                    ControlFlow::Break(())
                }
            });
        match refused {
            Some(error) => Err(error.into()),
            None => upscaled,
        }
    }
}
