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
        Self::on(target)
    }

    fn on(target: ProgressDrawTarget) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::TermLike;
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::thread::sleep;
    use std::time::Duration;

    /// A terminal that keeps what is drawn on it, one drawing after the other.
    #[derive(Clone, Debug, Default)]
    struct Paper(Arc<Mutex<Vec<String>>>);

    impl Paper {
        fn text(&self) -> String {
            self.0.lock().unwrap().join("\n")
        }
    }

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(line)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push(text.to_owned());
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_bar_counts_steps_and_tells_the_time_left() {
        let paper = Paper::default();
        let terminal = Box::new(paper.clone());
        let bar = StepBar::on(ProgressDrawTarget::term_like_with_hz(terminal, 255));
        let total = 3;
        let steps = (0..=total).map(|done| Progress::Step { done, total });
        let before = [Progress::Load, Progress::Image].into_iter();
        for progress in before.chain(steps).chain([Progress::Finish]) {
            // Longer than the least time between two drawings.
            sleep(Duration::from_millis(20));
            assert_eq!(bar.show(progress), ControlFlow::Continue(()));
        }
        drop(bar);
        let text = paper.text();
        for part in [
            "loading the model",
            "encoding the picture",
            "step 1/3, ",
            "step 2/3, ",
            "s left",
            "finishing",
        ] {
            assert!(text.contains(part), "no {part}: {text}");
        }
        assert!(!text.contains("step 4"), "{text}");
    }

    #[test]
    fn a_hidden_bar_draws_nothing() {
        let bar = StepBar::new(true);
        assert!(bar.0.is_hidden());
        assert_eq!(bar.show(Progress::Image), ControlFlow::Continue(()));
    }
}
