//! A whole upscale as plain data, for other runtimes.

use super::graphs::graphs;
use super::tiling::{MARGIN, Tiling};
use super::{SampleOptions, UpscaleError, steps};
use crate::exec::gpu::{AdapterSummary, Lowered, check_limits};
use crate::exec::{ExecError, PrepareError, PrepareOptions, StepRecord, Target};
use crate::image::Border;
use crate::model::{Settings, gate, names, time};
use crate::plan::{PlanError, Precision};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a WebGPU program with the model's tensors needs to upscale images of
/// one size; `docs/export.md` describes it.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    /// Width and height of the canvas in LR pixels: the image, a margin around
    /// it, and what the model's sizes need to the right and below.
    pub lr_size: [usize; 2],
    /// LR pixels of margin to the left and above; all around, the image is
    /// reflected, its edge repeated. They are cropped from the result.
    pub margin: usize,
    pub scale: usize,
    pub program: Lowered,
    /// Tensors to multiply by the one element of another before they are packed.
    pub gates: BTreeMap<String, &'static str>,
    /// Inputs to write before anything runs.
    pub constants: Vec<Constant>,
    /// The step records, as the words of their buffer.
    pub records: Vec<Vec<u32>>,
    /// The runs after all weights are packed, in order.
    pub schedule: Vec<Run>,
}

/// An input whose elements never change.
#[derive(Clone, Debug, Serialize)]
pub struct Constant {
    /// Name of the input.
    pub name: String,
    /// `[n, c, h, w]`, row-major.
    pub elements: Vec<f32>,
}

/// One run of a phase.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub phase: String,
    /// Index into [`Export::records`].
    pub record: usize,
}

impl Export {
    /// The upscale of an LR image of `width` x `height`, for any GPU within
    /// WebGPU's default limits.
    ///
    /// # Errors
    /// When the steps or the sampler do not fit the model, for options that a
    /// program of one tile on a GPU cannot follow, such as few steps of a linear
    /// schedule, and when the program would go beyond the limits.
    pub fn new(
        settings: &Settings,
        width: usize,
        height: usize,
        sample: &SampleOptions,
        precision: Precision,
    ) -> Result<Self, UpscaleError> {
        let left_out = [
            ("`consistent`", sample.consistent),
            ("`wrap`", sample.border == Border::Wrapped),
            ("`toward`", sample.toward.is_some()),
            ("`precision` bf16", precision == Precision::Bf16),
        ];
        if let Some((name, _)) = left_out.into_iter().find(|(_, is_asked)| *is_asked) {
            return Err(UpscaleError::NotExported(name));
        }
        let records = steps::records(settings, sample)?;
        let starts_from_noise = |records: &[StepRecord]| records[steps::START].sigma == 1.0;
        if !starts_from_noise(&records) {
            let starts = |&steps: &usize| {
                let sample = SampleOptions { steps, ..*sample };
                steps::records(settings, &sample).is_ok_and(|records| starts_from_noise(&records))
            };
            let enough = (sample.steps..=settings.timesteps).find(starts);
            let fault = "this model starts from less noise than an exported program draws";
            return Err(UpscaleError::Option {
                name: "steps",
                value: sample.steps as f64,
                choose: match enough {
                    Some(steps) => format!("{steps} or more; with fewer, {fault}"),
                    None => format!("another model; with any number, {fault}"),
                },
            });
        }
        let tile = Tiling::whole(settings, [width, height]).tile();
        let graphs = graphs(settings, tile)?;
        let limits = AdapterSummary::baseline();
        let target = Target::gpu(&limits, precision);
        let prepared = target.prepare(&graphs, &PrepareOptions::default());
        let prepared = prepared.map_err(|error| match error {
            PrepareError::Plan(error @ PlanError::NoKernel { .. }) => {
                UpscaleError::Unexportable(error)
            }
            error => error.into(),
        })?;
        let program = prepared.lowered().expect("a GPU's program is lowered");
        check_limits(&limits, program).map_err(|error| match error {
            ExecError::Limit {
                device,
                what,
                needed,
                limit,
            } => UpscaleError::ExportTooLarge {
                size: [width, height],
                limits: device,
                what,
                needed,
                limit,
            },
            error => error.into(),
        })?;
        let tensors = program.weights.iter().map(|weight| &weight.tensor);
        let gates = tensors.filter_map(|name| Some((name.clone(), gate(name)?)));
        let run = |phase: &str, record| Run {
            phase: phase.to_owned(),
            record,
        };
        let before = [names::MODEL, names::IMAGE, names::CONDITION, names::START];
        let mut schedule = before.map(|phase| run(phase, steps::START)).to_vec();
        for record in steps::START + 1..records.len() {
            schedule.push(run(names::PREDICT, record));
            schedule.push(run(names::UPDATE, record));
        }
        schedule.push(run(names::FINISH, steps::START));
        let words = |record: &StepRecord| bytemuck::cast_slice(bytemuck::bytes_of(record)).to_vec();
        Ok(Self {
            lr_size: tile,
            margin: MARGIN,
            scale: settings.scale,
            gates: gates.collect(),
            program: program.clone(),
            constants: vec![Constant {
                name: names::TIME.to_owned(),
                elements: time::sinusoidal_embedding(settings.timesteps, settings.hidden),
            }],
            records: records.iter().map(words).collect(),
            schedule,
        })
    }
}
