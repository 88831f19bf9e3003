//! The rows of results on their way from the device to the thread that writes
//! them.
//!
//! The last rows are held back until the result is known to be good. So a file
//! is complete only if its image is, and a run that fails or starts again leaves
//! a writer without its last rows, which then leaves no file.

use super::jobs::Job;
use super::report::Made;
use srdiff::image::{OutputFormat, Picture, Strip};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

/// Bytes of rows that wait for being written. Most results fit in it, so that the
/// device need not wait for them.
const WAITING: usize = 64 << 20;

/// A result to write.
pub struct Rows<'a> {
    pub job: &'a Job,
    /// Of the result among those of the job, from 0.
    pub number: usize,
    /// None: standard output.
    pub output: Option<&'a Path>,
    pub format: OutputFormat,
    /// The result without its pixels.
    pub head: Picture,
    pub strips: Receiver<Strip>,
    made: Receiver<Made>,
    end: FirstEnd,
}

/// How a result that was begun ends early.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// No more rows come; if the image has no other end, they begin anew.
    Abandoned,
    /// The thread that writes reports why it cannot, and nothing is tried again.
    Failed,
    /// Another run has written it, and nothing is left to do.
    There,
}

/// The end that comes first, which counts.
#[derive(Clone, Default)]
struct FirstEnd(Arc<OnceLock<End>>);

impl FirstEnd {
    fn is(&self, end: End) -> bool {
        self.0.get() == Some(&end)
    }

    /// Ends it so, unless it has ended otherwise; whether it has ended so.
    fn claim(&self, end: End) -> bool {
        *self.0.get_or_init(|| end) == end
    }
}

impl Rows<'_> {
    /// Writing failed; whether that counts: not if no more rows were to come, for then
    /// the thread that upscales begins anew or reports why it does not.
    pub fn fail(&self) -> bool {
        self.end.claim(End::Failed)
    }

    /// Leaves the result to another run that has written it; whether that counts, as
    /// [`fail`](Self::fail) says.
    pub fn leave(&self) -> bool {
        self.end.claim(End::There)
    }

    /// How it came about, if all rows have come.
    pub fn made(&self) -> Option<Made> {
        self.made.try_recv().ok()
    }
}

/// Where the rows of one result go.
pub struct Results<'a, 's> {
    job: &'a Job,
    number: usize,
    format: OutputFormat,
    head: Picture,
    to_save: &'s SyncSender<Rows<'a>>,
    /// The thread that writes, once it has begun.
    writer: Option<Writer>,
    last: Option<Strip>,
    is_refused: bool,
    is_there: bool,
}

struct Writer {
    strips: SyncSender<Strip>,
    made: SyncSender<Made>,
    end: FirstEnd,
}

impl Writer {
    /// Lets it be, unless writing has failed; whether it was let be.
    fn abandon(&self) -> bool {
        self.end.claim(End::Abandoned)
    }

    /// Whether another run has written the result.
    fn is_there(&self) -> bool {
        self.end.is(End::There)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl<'a, 's> Results<'a, 's> {
    /// Of result `number` of the job, counted from 0.
    pub fn new(
        job: &'a Job,
        number: usize,
        head: Picture,
        to_save: &'s SyncSender<Rows<'a>>,
    ) -> Self {
        Self {
            job,
            number,
            format: job.format,
            head,
            to_save,
            writer: None,
            last: None,
            is_refused: false,
            is_there: false,
        }
    }

    /// Writes a whole image of another kind than the samples are.
    pub fn whole(mut self, format: OutputFormat, image: Picture, made: Made) {
        self.format = format;
        self.head = image.without_pixels([image.width, image.height]);
        self.last = Some(Strip {
            y: 0,
            rows: image.height,
            rgb: image.rgb,
            alpha: image.alpha,
        });
        self.finish(made);
    }

    /// Takes the next rows, or the first ones of a new run.
    pub fn push(&mut self, strip: Strip) -> ControlFlow<()> {
        if strip.y == 0 {
            self.last = None;
            if let Some(before) = self.writer.take() {
                self.is_refused |= !before.abandon();
                self.is_there |= before.is_there();
            }
        }
        if !self.is_refused
            && let Some(last) = self.last.replace(strip)
        {
            self.is_refused = !self.send(last);
        }
        match self.is_refused {
            false => ControlFlow::Continue(()),
            true => ControlFlow::Break(()),
        }
    }

    /// Whether another run has written the result, so that nobody takes the rows.
    pub fn is_there(&self) -> bool {
        self.is_there || self.writer.as_ref().is_some_and(Writer::is_there)
    }

    /// Whether nobody writes the rows any longer.
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Lets the last rows go: the result is good.
    pub fn finish(mut self, made: Made) {
        let Some(last) = self.last.take() else { return };
        let told = self
            .writer(&last)
            .is_some_and(|w| w.made.send(made).is_ok());
        // If not, the thread that writes has reported why it cannot.
        if told {
            self.send(last);
        }
    }

    fn send(&mut self, strip: Strip) -> bool {
        let writer = self.writer(&strip);
        writer.is_some_and(|writer| writer.strips.send(strip).is_ok())
    }

    fn writer(&mut self, strip: &Strip) -> Option<&Writer> {
        if self.writer.is_none() {
            let bytes = strip.rgb.len() * strip.rgb.bits() as usize / 8;
            let count = (WAITING / bytes.max(1)).clamp(1, self.head.height);
            let (strips, receiver) = sync_channel(count);
            let (made, made_receiver) = sync_channel(1);
            let end = FirstEnd::default();
            let rows = Rows {
                job: self.job,
                number: self.number,
                output: self.job.output(self.number),
                format: self.format,
                head: self.head.clone(),
                strips: receiver,
                made: made_receiver,
                end: end.clone(),
            };
            self.to_save.send(rows).ok()?;
            self.writer = Some(Writer { strips, made, end });
        }
        self.writer.as_ref()
    }
}

#[cfg(test)]
mod tests;
