//! The teacher of `train --stage distill`.

use super::args::TrainArgs;
use super::failure::TrainFailure;
use crate::cli::failure::Failure;
use crate::cli::terminal;
use srdiff::diffusion::{Process, Sampler, Schedule};
use srdiff::model::{Model, Settings};
use srdiff::train::{Distillation, OpenDevice, Stage, Teacher, TrainerOptions};
use srdiff::upscale::defaults;
use std::path::PathBuf;
use std::sync::Arc;

/// Steps of the student without `--student-steps`.
const STUDENT_STEPS: u16 = 1;

/// Steps of the teacher for each of the student's, without `--teacher-steps`.
const RATIO: usize = 8;

/// A model to learn from, and the processes of both.
pub struct Lesson {
    teacher: Arc<Model>,
    pub distillation: Distillation,
}

impl Lesson {
    /// What is to be distilled, if anything is.
    pub fn new(args: &TrainArgs, stage: Stage) -> Result<Option<Self>, Failure> {
        if stage != Stage::Distill {
            let given = [
                ("--student-steps", args.student_steps.is_some()),
                ("--teacher", args.teacher.is_some()),
                ("--teacher-steps", args.teacher_steps.is_some()),
                ("--teacher-sampler", args.teacher_sampler.is_some()),
            ];
            return match given.into_iter().find(|(_, is_given)| *is_given) {
                Some((name, _)) => Err(Failure::Usage(format!(
                    "{name}: is for a model that is distilled; give --stage distill, too"
                ))),
                None => Ok(None),
            };
        }
        let teacher = match args.teacher.as_ref().or(args.model.as_ref()) {
            Some(path) => Model::open(path)?,
            None if args.new => {
                let text = "--new: a new model has nothing to teach; name one with --teacher";
                return Err(Failure::Usage(text.to_owned()));
            }
            None => Model::starter(),
        };
        let timesteps = teacher.settings().timesteps;
        let steps = |name: &str, steps: u16| match usize::from(steps) {
            steps if steps <= timesteps => Ok(steps),
            _ => Err(Failure::Usage(format!(
                "{name} {steps}: the teacher has {timesteps} timesteps; choose 1 to {timesteps}"
            ))),
        };
        let given = args.student_steps.unwrap_or(STUDENT_STEPS);
        let student = steps("--student-steps", given)?;
        let own = teacher.settings().distilled.unwrap_or(Process {
            sampler: Sampler::Ddim { eta: 0.0 },
            steps: (RATIO * student).min(timesteps),
        });
        let distillation = Distillation {
            student: Process {
                sampler: defaults::SAMPLER,
                steps: student,
            },
            teacher: Process {
                sampler: args.teacher_sampler.unwrap_or(own.sampler),
                steps: match args.teacher_steps {
                    Some(given) => steps("--teacher-steps", given)?,
                    None => own.steps,
                },
            },
        };
        // One that goes on is what it was when it began.
        if let (Some(own), false) = (teacher.settings().distilled, args.resume) {
            check_student(&distillation, own, teacher.settings())?;
        }
        Ok(Some(Self {
            teacher: Arc::new(teacher),
            distillation,
        }))
    }

    /// Loads the teacher for the batches of a student's training.
    pub fn teacher(
        &self,
        device: &OpenDevice,
        student: &Settings,
        options: &TrainerOptions,
    ) -> Result<Teacher, Failure> {
        let TrainerOptions { batch, lr_size, .. } = *options;
        let model = self.teacher.clone();
        let teacher = Teacher::new(device, model, self.distillation, batch, lr_size);
        let teacher = teacher.map_err(TrainFailure::from)?;
        teacher.check(student).map_err(TrainFailure::from)?;
        Ok(teacher)
    }

    /// What the model file says of it.
    pub fn description(args: &TrainArgs, distillation: &Distillation) -> String {
        let file = args.teacher.as_ref().or(args.model.as_ref());
        let name = |path: &PathBuf| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            name.to_string_lossy().into_owned()
        };
        let name = file.map_or_else(|| "the starter model".to_owned(), name);
        let Distillation { student, teacher } = distillation;
        format!("distilled for {student} from {name} with {teacher}")
    }
}

/// Refuses a student that takes as many steps as its teacher, which was distilled for
/// its `own` process: it would learn from itself, or worse.
fn check_student(
    distillation: &Distillation,
    own: Process,
    settings: &Settings,
) -> Result<(), Failure> {
    let [student, teacher] = [distillation.student, distillation.teacher].map(|it| it.steps);
    if teacher <= student {
        return Err(Failure::Usage(format!(
            "--student-steps {student}: the teacher is distilled itself and takes no more steps ({teacher}); name the model that it was distilled from with --teacher"
        )));
    }
    let schedule = Schedule::new(&settings.schedule, settings.timesteps);
    let schedule = schedule.map_err(|error| TrainFailure::Train(error.into()))?;
    let untaught = distillation.untaught(&schedule, &own);
    let untaught = untaught.map_err(|error| TrainFailure::Train(error.into()))?;
    if !untaught.is_empty() {
        terminal::status(&format!(
            "note: the teacher was distilled for {own}, and is asked at {} timesteps that these do not visit; better name the model that it was distilled from with --teacher",
            untaught.len()
        ));
    }
    Ok(())
}
