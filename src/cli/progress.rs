//! Progress bars on stderr, if that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use srdiff::upscale::Progress;
use std::ops::ControlFlow;

/// The progress of one upscale, with the remaining time. Dropping it clears it.
pub struct StepBar(ProgressBar);

impl StepBar {
    pub fn new(hidden: bool) -> Self {
        Self::on(match hidden {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        })
    }

    fn on(target: ProgressDrawTarget) -> Self {
        Self(ProgressBar::with_draw_target(None, target))
    }

    pub fn show(&self, progress: Progress) -> ControlFlow<()> {
        match progress {
            Progress::Tune { .. } => self.say("timing kernels, once for this device"),
            Progress::Load => self.say("loading the model"),
            Progress::Image => self.say("encoding the image"),
            Progress::Step { done: 0, total } => {
                self.0.set_style(style("{bar:40} step {pos}/{len}"));
                self.0.set_length(total as u64);
                self.0.reset();
            }
            Progress::Step { done, .. } => {
                if done == 1 {
                    // The first step tells how long the others take.
                    self.0
                        .set_style(style("{bar:40} step {pos}/{len}, {eta} left"));
                }
                self.0.set_position(done as u64);
            }
            Progress::Finish => self.say("finishing"),
        }
        ControlFlow::Continue(())
    }

    /// Writes something above the bar.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }

    pub fn clear(&self) {
        self.0.finish_and_clear();
    }

    fn say(&self, message: &'static str) {
        self.0.set_style(style("{msg}"));
        self.0.set_message(message);
        self.0.tick();
    }
}

/// Bars of many upscales: before anything tells the time, and after.
const OF_ALL: &str = "{bar:40} {percent}% of {msg}";
const WITH_TIME: &str = "{bar:40} {percent}% of {msg}, {eta} left";

/// The progress of many upscales, with the remaining time of all of them.
/// Dropping it clears it.
pub struct BatchBar(ProgressBar);

impl BatchBar {
    /// `work` is what `images` cost together, in any unit.
    pub fn new(hidden: bool, images: usize, work: u64) -> Self {
        Self::on(
            match hidden {
                true => ProgressDrawTarget::hidden(),
                false => ProgressDrawTarget::stderr(),
            },
            images,
            work,
        )
    }

    fn on(target: ProgressDrawTarget, images: usize, work: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(work), target);
        bar.set_style(style(OF_ALL));
        bar.set_message(match images {
            1 => "1 image".to_owned(),
            _ => format!("{images} images"),
        });
        Self(bar)
    }

    /// Shows how far an image is that costs `work`, after images that cost
    /// `before`.
    pub fn show(&self, progress: Progress, before: u64, work: u64) -> ControlFlow<()> {
        let done = match progress {
            Progress::Tune { .. } => {
                self.0
                    .set_style(style("{bar:40} timing kernels, once for this device"));
                self.0.tick();
                return ControlFlow::Continue(());
            }
            Progress::Load => {
                let known = self.0.position() > 0;
                self.0
                    .set_style(style(if known { WITH_TIME } else { OF_ALL }));
                0
            }
            Progress::Image => 0,
            Progress::Step { done, total } => {
                (u128::from(work) * done as u128 / total.max(1) as u128) as u64
            }
            Progress::Finish => work,
        };
        if self.0.position() == 0 && before + done > 0 {
            // Nothing tells the time before.
            self.0.set_style(style(WITH_TIME));
        }
        self.0.set_position(before + done);
        ControlFlow::Continue(())
    }

    /// Takes off the cost of an image that cannot be upscaled.
    pub fn leave_out(&self, work: u64) {
        self.0.dec_length(work);
    }

    /// Writes something above the bar.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }

    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// A bar over `total` upscales. Dropping it clears it.
pub fn image_bar(total: usize) -> ProgressBar {
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(Some(total as u64), target);
    bar.set_style(style("{bar:40} image {pos}/{len}, {eta} left"));
    bar
}

/// A bar over kernels that are timed. Dropping it clears it.
#[cfg(feature = "gpu")]
pub fn kernel_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(style("{bar:40} kernel {pos}/{len}, {eta} left"));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates in this file are valid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::TermLike;
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::thread::sleep;
    use std::time::Duration;

    /// A terminal that keeps everything drawn on it.
    #[derive(Clone, Debug, Default)]
    struct Paper(Arc<Mutex<String>>);

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
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(line)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(&format!("{text}\n"));
            Ok(())
        }
    }

    #[test]
    fn the_bar_counts_steps_and_shows_the_time_left() {
        let paper = Paper::default();
        let terminal = Box::new(paper.clone());
        let bar = StepBar::on(ProgressDrawTarget::term_like_with_hz(terminal, 255));
        let total = 3;
        let steps = (0..=total).map(|done| Progress::Step { done, total });
        let tune = Progress::Tune { done: 0, total: 9 };
        let before = [tune, Progress::Load, Progress::Image].into_iter();
        for progress in before.chain(steps).chain([Progress::Finish]) {
            // The bar is drawn at most 255 times a second.
            sleep(Duration::from_millis(20));
            assert_eq!(bar.show(progress), ControlFlow::Continue(()));
        }
        drop(bar);
        let text = paper.0.lock().unwrap();
        let messages = [
            "timing kernels",
            "loading the model",
            "encoding the image",
            "finishing",
        ];
        let counts = ["step 1/3, ", "step 2/3, ", "s left"];
        for part in messages.iter().chain(&counts) {
            assert!(text.contains(part), "no {part}: {text}");
        }
        assert!(!text.contains("step 4"), "{text}");
    }

    #[test]
    fn the_bar_of_a_batch_counts_what_images_cost() {
        let paper = Paper::default();
        let terminal = Box::new(paper.clone());
        let target = ProgressDrawTarget::term_like_with_hz(terminal, 255);
        let bar = BatchBar::on(target, 2, 500);
        let pause = || sleep(Duration::from_millis(20));
        let step = |done| Progress::Step { done, total: 4 };
        let _ = bar.show(Progress::Tune { done: 0, total: 9 }, 0, 100);
        pause();
        let _ = bar.show(Progress::Load, 0, 100);
        let _ = bar.show(step(1), 0, 100);
        pause();
        let _ = bar.show(Progress::Finish, 0, 100);
        pause();
        let _ = bar.show(step(2), 100, 100);
        bar.leave_out(300);
        pause();
        bar.0.tick();
        drop(bar);
        let text = paper.0.lock().unwrap();
        for part in [
            "timing kernels",
            "5% of 2 images",
            "20% of 2 images",
            "75% of 2 images",
            "s left",
        ] {
            assert!(text.contains(part), "no {part}: {text}");
        }
    }

    #[test]
    fn a_hidden_bar_draws_nothing() {
        let bar = StepBar::new(true);
        assert!(bar.0.is_hidden());
        assert_eq!(bar.show(Progress::Image), ControlFlow::Continue(()));
    }
}
