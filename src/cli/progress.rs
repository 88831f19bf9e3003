//! Progress bars on stderr; not drawn where that is no terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use srdiff::upscale::Progress;
use std::ops::ControlFlow;

/// A bar over the steps of an upscale, with the time that is left.
pub struct StepBar(ProgressBar);

impl StepBar {
    /// A bar; `hidden` draws none in any case.
    pub fn new(hidden: bool) -> Self {
        let target = if hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        Self(ProgressBar::with_draw_target(None, target))
    }

    /// Shows how far the upscale is.
    pub fn show(&self, progress: Progress) -> ControlFlow<()> {
        match progress {
            Progress::Load => self.say("loading the model"),
            Progress::Image => self.say("encoding the picture"),
            Progress::Step { done: 0, total } => {
                self.0.set_style(style_of("{bar:40} step {pos}/{len}"));
                self.0.set_length(total as u64);
                self.0.reset();
            }
            Progress::Step { done, .. } => {
                if done == 1 {
                    // Before the first is done nobody knows.
                    let style = "{bar:40} step {pos}/{len}, {eta} left";
                    self.0.set_style(style_of(style));
                }
                self.0.set_position(done as u64);
            }
            Progress::Finish => self.say("finishing"),
        }
        ControlFlow::Continue(())
    }

    fn say(&self, message: &'static str) {
        self.0.set_style(style_of("{msg}"));
        self.0.set_message(message);
        self.0.tick();
    }
}

impl Drop for StepBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar over many upscales.
pub struct RunBar(ProgressBar);

impl RunBar {
    /// A bar over `total` of them.
    pub fn new(total: usize) -> Self {
        let target = ProgressDrawTarget::stderr();
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        bar.set_style(style_of("{bar:40} picture {pos}/{len}, {eta} left"));
        Self(bar)
    }

    /// One more is done.
    pub fn advance(&self) {
        self.0.inc(1);
    }
}

impl Drop for RunBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of this file is valid")
}
