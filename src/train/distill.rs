//! Distillation: a student that takes few steps learns from a teacher that takes
//! many.
//!
//! At each timestep that the student's process visits, the teacher runs its own
//! process to the end, from the same x_t of a photo, and the student learns to
//! estimate at once the x_0 that the teacher comes to:
//!
//! ```text
//! eps' = (x_t - sqrt(abar_t) x_0') / sqrt(1 - abar_t)
//! ```
//!
//! That is the target of consistency models (Song et al. 2023, arXiv 2303.01469),
//! from the teacher's whole process (Luhman & Luhman 2021, arXiv 2101.02388) in
//! place of the student's own estimate one step further, which takes far more
//! training to be right. The student starts at photos mixed with noise, not where
//! its steps before led, so errors of the teacher do not add up over the
//! student's steps. Between its estimates, it draws fresh noise as DDPM does,
//! like multistep sampling of consistency models.
//!
//! A deterministic teacher makes one image of each noise, texture included. One
//! that draws noise makes many, and the student learns the middle of them.

use super::{Batch, OpenDevice, TrainError};
use crate::diffusion::{MIN_FEW_SIGNAL, Process, SamplerError, Schedule};
use crate::exec::{Executor, Place, PrepareOptions, StepRecord};
use crate::model::time::sinusoidal_embedding;
use crate::model::{Model, PhaseOptions, Settings, names, phases};
use crate::plan::MemoryReport;
use crate::upscale::record_of;
use std::sync::Arc;

/// The processes of student and teacher.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distillation {
    pub student: Process,
    pub teacher: Process,
}

impl Distillation {
    /// The timesteps that the student visits, the last one of the process first,
    /// and how likely each is to be drawn.
    ///
    /// In an estimate of x_0, an error of the noise counts
    /// `sqrt((1 - abar) / abar)` times. The likelihoods are in proportion to
    /// that, and to 1 where it is less: the truncated weights of Salimans & Ho
    /// 2022 (arXiv 2202.00512). Below [`MIN_FEW_SIGNAL`] they grow no further:
    /// where next to nothing of x_0 is left, nothing can be learnt of it.
    ///
    /// # Errors
    /// When the student has more steps than the schedule.
    pub fn timesteps(&self, schedule: &Schedule) -> Result<Vec<(usize, f64)>, SamplerError> {
        let visited = visited(&self.student, schedule)?;
        let weight = |t: usize| {
            let abar = schedule.alphas_cumprod()[t].max(MIN_FEW_SIGNAL);
            ((1.0 - abar) / abar).sqrt().max(1.0)
        };
        let sum: f64 = visited.iter().map(|&t| weight(t)).sum();
        let likely = visited.into_iter().rev().map(|t| (t, weight(t) / sum));
        Ok(likely.collect())
    }

    /// The timesteps of the teacher's way to the end from one of the student's,
    /// largest first: that one, and those of a process of as many steps from where
    /// the student begins.
    ///
    /// # Errors
    /// When the student has more steps than the schedule.
    pub fn way(&self, schedule: &Schedule, timestep: usize) -> Result<Vec<usize>, SamplerError> {
        let (first, steps) = (visited(&self.student, schedule)?[0], self.teacher.steps);
        let later = (1..=steps).rev().map(|step| {
            let t = first as f64 * step as f64 / steps as f64;
            t.round_ties_even() as usize
        });
        let later = later.filter(|&t| t < timestep);
        let mut way: Vec<usize> = std::iter::once(timestep).chain(later).collect();
        way.dedup();
        Ok(way)
    }

    /// The timesteps of the teacher's ways that `own` does not visit, the process
    /// that the teacher was distilled for itself: there, it was taught nothing.
    ///
    /// # Errors
    /// When a process has more steps than the schedule.
    pub fn untaught(&self, schedule: &Schedule, own: &Process) -> Result<Vec<usize>, SamplerError> {
        let taught = visited(own, schedule)?;
        let mut untaught = Vec::new();
        for timestep in visited(&self.student, schedule)? {
            untaught.extend(self.way(schedule, timestep)?);
        }
        untaught.retain(|t| !taught.contains(t));
        untaught.sort_unstable();
        untaught.dedup();
        Ok(untaught)
    }
}

/// The timesteps that a process visits, largest first.
fn visited(process: &Process, schedule: &Schedule) -> Result<Vec<usize>, SamplerError> {
    let steps = process.sampler.steps(schedule, process.steps)?;
    Ok(steps.iter().map(|step| step.timestep as usize).collect())
}

/// A model on a device, whose process a student learns to shorten.
pub struct Teacher {
    settings: Settings,
    schedule: Schedule,
    distillation: Distillation,
    executor: Box<dyn Executor>,
    checksum: String,
}

/// What a teacher runs.
const PHASES: [&str; 5] = [
    names::MODEL,
    names::IMAGE,
    names::CONDITION,
    names::PREDICT,
    names::UPDATE,
];

impl Teacher {
    /// A teacher of batches of so many images, `lr_size` LR pixels high and wide.
    ///
    /// # Errors
    /// When the processes do not fit the model, or the device fails.
    pub fn new(
        device: &OpenDevice,
        model: Arc<Model>,
        distillation: Distillation,
        batch: usize,
        [height, width]: [usize; 2],
    ) -> Result<Self, TrainError> {
        let settings = model.settings().clone();
        let schedule = Schedule::new(&settings.schedule, settings.timesteps)?;
        distillation.way(&schedule, 0)?;
        let size = PhaseOptions {
            batch,
            ..PhaseOptions::new([width, height])
        };
        let mut graphs = phases::build(&settings, &size)?;
        graphs.retain(|graph| PHASES.contains(&&*graph.name));
        let checksum = model.checksum().unwrap_or("no checksum").to_owned();
        let mut executor = device
            .backend(model)
            .load(&graphs, &PrepareOptions::default())?;
        let embedding = sinusoidal_embedding(settings.timesteps, settings.hidden);
        executor.write(names::TIME, &embedding)?;
        executor.set_records(&[StepRecord::default()])?;
        executor.run(names::MODEL, 0)?;
        Ok(Self {
            settings,
            schedule,
            distillation,
            executor,
            checksum,
        })
    }

    pub fn distillation(&self) -> &Distillation {
        &self.distillation
    }

    /// The checksum of the teacher's file.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    pub fn memory(&self) -> MemoryReport {
        self.executor.memory()
    }

    /// Whether x_t and x_0 mean the same to teacher and student.
    ///
    /// # Errors
    /// Names the setting that differs.
    pub fn check(&self, student: &Settings) -> Result<(), TrainError> {
        let values = |s: &Settings| {
            [
                ("scale", s.scale.to_string()),
                ("number of timesteps", s.timesteps.to_string()),
                ("noise schedule", format!("{:?}", s.schedule)),
                ("res_rescale", s.res_rescale.to_string()),
                ("LR divisor", s.lr_up_divisor.to_string()),
            ]
        };
        let mut pairs = values(&self.settings).into_iter().zip(values(student));
        match pairs.find(|(teacher, student)| teacher != student) {
            None => Ok(()),
            Some(((name, teacher), (_, student))) => Err(TrainError::Options(format!(
                "the teacher's {name} is {teacher}, the student's {student}; give a teacher for which it is the same"
            ))),
        }
    }

    /// Replaces the noise of a batch, all of one timestep, by what makes the
    /// student estimate what the teacher comes to. `seed` is of the noise that the
    /// teacher's sampler draws, if it does.
    ///
    /// # Errors
    /// When the batch is of another size, or the device fails.
    pub fn teach(&mut self, batch: &mut Batch, seed: u64) -> Result<(), TrainError> {
        let denoiser = &mut batch.denoiser;
        let timestep = denoiser.timesteps.first().copied().unwrap_or_default();
        let Some(&abar) = self.schedule.alphas_cumprod().get(timestep) else {
            let text = format!("timestep {timestep} of a batch");
            return Err(TrainError::Options(text));
        };
        let keyed = StepRecord {
            places: Place::samples(0),
            ..StepRecord::default()
        }
        .with_seed(seed);
        let way = self.distillation.way(&self.schedule, timestep)?;
        let sampler = self.distillation.teacher.sampler;
        let steps = sampler.steps_at(&self.schedule, &way)?;
        let records = steps
            .iter()
            .map(|step| record_of(&self.settings, step, keyed));
        let records: Vec<StepRecord> = records.collect();
        let executor = &mut self.executor;
        executor.set_records(&records)?;
        executor.write(names::LR, &batch.lr)?;
        executor.write(names::X, &denoiser.x_t)?;
        executor.run_all(&[(names::IMAGE, 0), (names::CONDITION, 0)])?;
        for record in 0..records.len() {
            executor.run_all(&[(names::PREDICT, record), (names::UPDATE, record)])?;
        }
        let x_0 = executor.read(names::X)?;
        let (signal, noise) = (abar.sqrt() as f32, (1.0 - abar).sqrt() as f32);
        let pixels = denoiser.eps.iter_mut().zip(&denoiser.x_t).zip(x_0);
        for ((eps, x_t), x_0) in pixels {
            *eps = (x_t - signal * x_0) / noise;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{BetaSchedule, Sampler};

    fn distillation(student: usize, teacher: usize) -> Distillation {
        let process = |sampler, steps| Process { sampler, steps };
        Distillation {
            student: process(Sampler::Ddpm, student),
            teacher: process(Sampler::Ddim { eta: 0.0 }, teacher),
        }
    }

    #[test]
    fn students_are_asked_where_their_process_goes() {
        let schedule = Schedule::new(&BetaSchedule::COSINE, 100).unwrap();
        let of = |steps| distillation(steps, 8).timesteps(&schedule).unwrap();
        assert_eq!(of(1), [(89, 1.0)]);
        let four = of(4);
        let timesteps: Vec<usize> = four.iter().map(|&(t, _)| t).collect();
        assert_eq!(timesteps, [22, 44, 67, 89]);
        let likely: Vec<f64> = four.iter().map(|&(_, likely)| likely).collect();
        assert!((likely.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        // Below a signal-to-noise ratio of 1 they rise, above they are equal.
        assert!(likely[0] == likely[1] && likely[1] < likely[2] && likely[2] < likely[3]);
    }

    #[test]
    fn teachers_go_as_densely_from_anywhere() {
        let schedule = Schedule::new(&BetaSchedule::COSINE, 100).unwrap();
        let way = |student, teacher, t| distillation(student, teacher).way(&schedule, t).unwrap();
        assert_eq!(way(1, 1, 89), [89]);
        assert_eq!(way(4, 8, 89), [89, 78, 67, 56, 44, 33, 22, 11]);
        assert_eq!(way(4, 8, 44), [44, 33, 22, 11]);
        assert_eq!(way(4, 4, 22), [22]);
        assert_eq!(way(4, 100, 22), (1..=22).rev().collect::<Vec<_>>());
        assert_eq!(way(16, 16, 0), [0]);
        // The steps of a teacher that is a student of eight steps itself.
        let schedule_of_eight = visited(&distillation(8, 8).student, &schedule).unwrap();
        assert_eq!(way(4, 8, 89), schedule_of_eight);
    }

    #[test]
    fn teachers_that_are_students_know_their_own_timesteps() {
        let schedule = Schedule::new(&BetaSchedule::COSINE, 100).unwrap();
        let untaught = |student, teacher, own| {
            let own = distillation(own, own).student;
            let found = distillation(student, teacher).untaught(&schedule, &own);
            found.unwrap()
        };
        for (student, teacher) in [(4, 8), (1, 8), (2, 4), (2, 8)] {
            assert!(untaught(student, teacher, 8).is_empty());
        }
        // Its ways begin where its own do not pass.
        assert_eq!(untaught(3, 8, 8), [30, 59]);
        // Ten steps begin at 99.
        let all = [9, 18, 27, 36, 53, 62, 71, 80, 89];
        assert_eq!(untaught(1, 10, 10), all);
    }
}
