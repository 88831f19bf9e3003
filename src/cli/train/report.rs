//! What a run says while it trains.

use super::TrainArgs;
use crate::cli::terminal;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use srdiff::train::StepReport;
use std::time::{Duration, Instant};

/// Share of the old value in a smoothed one.
const SMOOTH: f64 = 0.98;
/// Time between two lines of a run without a terminal.
const INTERVAL: Duration = Duration::from_secs(10);
/// Length of the bar.
const LENGTH: u64 = 10_000;

/// A line of JSON.
#[derive(Serialize)]
struct Line {
    step: u64,
    done: f64,
    denoiser_loss: Option<f64>,
    encoder_loss: Option<f64>,
    gradient_norm: f64,
    rate: f32,
    images_per_second: f64,
    waited: f64,
    skipped: bool,
}

pub struct Reporter {
    bar: ProgressBar,
    json: bool,
    crops: f64,
    denoiser: Option<f64>,
    encoder: Option<f64>,
    /// Since the last line.
    since: Instant,
    steps: u64,
    waited: Duration,
}

impl Reporter {
    pub fn new(args: &TrainArgs) -> Self {
        let bar = ProgressBar::with_draw_target(Some(LENGTH), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:20} {percent}%, {msg}, {eta} left");
        bar.set_style(style.expect("a valid template"));
        Self {
            bar,
            json: args.json,
            crops: f64::from(args.batch) * f64::from(args.accumulate),
            denoiser: None,
            encoder: None,
            since: Instant::now(),
            steps: 0,
            waited: Duration::ZERO,
        }
    }

    pub fn note(&self, note: &str) {
        self.bar
            .suspend(|| terminal::status(&format!("note: {note}")));
    }

    pub fn step(
        &mut self,
        [step, skipped]: [u64; 2],
        done: f64,
        rate: f32,
        report: &StepReport,
        waited: Duration,
    ) {
        let smooth = |smoothed: &mut Option<f64>, value: Option<f64>| {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                let old = smoothed.unwrap_or(value);
                *smoothed = Some(SMOOTH * old + (1.0 - SMOOTH) * value);
            }
        };
        smooth(&mut self.denoiser, report.losses.denoiser);
        smooth(&mut self.encoder, report.losses.encoder);
        self.steps += 1;
        self.waited += waited;
        self.bar
            .set_position((done.min(1.0) * LENGTH as f64) as u64);
        let elapsed = self.since.elapsed();
        if elapsed < INTERVAL && !self.json {
            return;
        }
        let speed = self.steps as f64 * self.crops / elapsed.as_secs_f64();
        let share = self.waited.as_secs_f64() / elapsed.as_secs_f64();
        let mut text = format!(
            "step {step}, {}, norm {:.3}, {speed:.1} crops/s, {:.0}% waiting for data",
            self.losses(),
            report.norm,
            100.0 * share
        );
        if skipped > 0 {
            text += &format!(", {skipped} steps skipped");
        }
        self.bar.set_message(text.clone());
        if self.json {
            let line = Line {
                step,
                done,
                denoiser_loss: report.losses.denoiser,
                encoder_loss: report.losses.encoder,
                gradient_norm: report.norm,
                rate,
                images_per_second: speed,
                waited: share,
                skipped: report.skipped,
            };
            let text = serde_json::to_string(&line).expect("plain data") + "\n";
            // Training goes on if nobody listens.
            let _ = self.bar.suspend(|| terminal::answer(&text));
        } else if self.bar.is_hidden() {
            terminal::status(&format!("{:.1}%, {text}, rate {rate:.2e}", 100.0 * done));
        }
        (self.since, self.steps, self.waited) = (Instant::now(), 0, Duration::ZERO);
    }

    /// The smoothed losses as text.
    pub fn losses(&self) -> String {
        let named = [("denoiser", self.denoiser), ("encoder", self.encoder)];
        let texts = named
            .iter()
            .filter_map(|(name, loss)| loss.map(|loss| format!("{name} loss {loss:.4}")));
        texts.collect::<Vec<_>>().join(", ")
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
