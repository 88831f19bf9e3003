//! How a training goes: a line on a terminal, lines in a log, or JSON.

use crate::cli::failure::Failure;
use crate::cli::terminal;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use srdiff::train::{Session, Step};
use std::time::{Duration, Instant};

/// What is told of a step.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Line {
    pub step: u64,
    /// How much of the training is done.
    pub share: f64,
    pub loss_denoiser: Option<f64>,
    pub loss_encoder: Option<f64>,
    /// Of the gradients, before they were clipped.
    pub norm: Option<f64>,
    pub rate: f64,
    pub images_per_second: f64,
    /// Share of the time in which the device had no batch.
    pub waiting: f64,
    /// Steps that changed nothing, because a gradient was not finite.
    pub skipped: u64,
    pub seconds: f64,
}

/// Tells how it goes, every so many steps.
pub struct Reporter {
    bar: ProgressBar,
    json: bool,
    every: u64,
    began: Instant,
    share_before: f64,
    /// When the last line was told, and how long had been waited until then.
    told: (Instant, Duration, u64),
    images: f64,
}

impl Reporter {
    pub fn new(session: &Session, json: bool, every: u64) -> Self {
        let options = session.options();
        let bar = match json {
            true => ProgressBar::hidden(),
            false => ProgressBar::new(1000),
        };
        let template = "{bar:20} {msg}";
        bar.set_style(ProgressStyle::with_template(template).expect("a valid template"));
        let now = Instant::now();
        Self {
            bar,
            json,
            every,
            began: now,
            share_before: session.share(),
            told: (now, session.waited(), session.done()),
            images: (options.trainer.batch * options.accumulate) as f64,
        }
    }

    /// Tells of a step when it is time.
    pub fn step(&mut self, session: &Session, step: &Step) -> Result<Option<Line>, Failure> {
        let is_due = step.number.is_multiple_of(self.every) || session.is_done();
        if !is_due && self.bar.is_hidden() {
            return Ok(None);
        }
        let (since, waited, before) = self.told;
        let seconds = since.elapsed().as_secs_f64().max(1e-9);
        let means = session.means();
        let line = Line {
            step: step.number,
            share: step.share,
            loss_denoiser: means.denoiser.mean(),
            loss_encoder: means.encoder.mean(),
            norm: means.norm.mean(),
            rate: step.rate,
            images_per_second: (step.number - before) as f64 * self.images / seconds,
            waiting: (session.waited() - waited).as_secs_f64() / seconds,
            skipped: session.trainer().progress().skipped,
            seconds: session.elapsed().as_secs_f64(),
        };
        self.bar.set_position((1000.0 * step.share) as u64);
        self.bar.set_message(self.text(&line));
        if !is_due {
            return Ok(None);
        }
        self.told = (Instant::now(), session.waited(), step.number);
        if self.json {
            let text = serde_json::to_string(&line).expect("plain data");
            terminal::answer(&format!("{text}\n"))?;
        } else if self.bar.is_hidden() {
            terminal::status(&self.text(&line));
        }
        Ok(Some(line))
    }

    fn text(&self, line: &Line) -> String {
        let mut text = format!("step {}", line.step);
        for (name, loss) in [
            ("denoiser", line.loss_denoiser),
            ("encoder", line.loss_encoder),
        ] {
            if let Some(loss) = loss {
                text += &format!(", {name} {loss:.4}");
            }
        }
        if let Some(norm) = line.norm {
            text += &format!(", norm {norm:.3}");
        }
        text += &format!(
            ", rate {:.1e}, {:.1} images/s, {:.0}% waiting",
            line.rate,
            line.images_per_second,
            100.0 * line.waiting
        );
        if line.skipped > 0 {
            text += &format!(", {} skipped", line.skipped);
        }
        let done = line.share - self.share_before;
        if done > 0.0 {
            let left = self.began.elapsed().as_secs_f64() * (1.0 - line.share) / done;
            text += &format!(", {} left", duration(left));
        }
        text
    }

    /// Tells something else: as a line of text, or as an object with `event`.
    pub fn tell(&self, text: &str, json: &serde_json::Value) -> Result<(), Failure> {
        match self.json {
            true => terminal::answer(&format!("{json}\n")),
            false => {
                self.bar.suspend(|| terminal::status(text));
                Ok(())
            }
        }
    }

    /// Tells of something that went wrong, and lets the training go on.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| terminal::status(text));
    }

    /// Time that was not spent on steps does not count.
    pub fn pause_is_over(&mut self, session: &Session) {
        self.told = (Instant::now(), session.waited(), session.done());
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// `2 h 5 min`, `5 min`, `12 s`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, _) => format!("{minutes} min"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(12.4), "12 s");
        assert_eq!(duration(330.0), "5 min");
        assert_eq!(duration(7500.0), "2 h 5 min");
    }
}
