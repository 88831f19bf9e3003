//! Runs of phases in submits.

use super::executor::GpuExecutor;
use crate::exec::ExecError;
use crate::plan::PACK;
use std::ops::Range;

/// A phase, and the record that its commands read.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub phase: usize,
    pub record: usize,
}

/// Commands of a run.
pub(super) struct Part {
    pub run: Run,
    pub commands: Range<usize>,
}

pub(super) struct Submit {
    pub parts: Vec<Part>,
    pub flops: u64,
    /// Runs whose last command it has.
    pub ends: usize,
}

/// Where the next submit begins.
#[derive(Default)]
pub(super) struct Next {
    run: usize,
    command: usize,
}

impl GpuExecutor {
    pub(super) fn known(&self, runs: &[(&str, usize)]) -> Result<Vec<Run>, ExecError> {
        let count = self.records.count;
        let known = |&(phase, record): &(&str, usize)| {
            // Shared weights are packed once, before anyone reads them.
            if phase == PACK && !self.lowered.trainable {
                return Err(self.unknown("phase", phase));
            }
            assert!(record < count, "record {record} of {count}");
            let phase = self.phase(phase)?;
            Ok(Run { phase, record })
        };
        runs.iter().map(known).collect()
    }

    /// The next commands that are not too much for one submit, by the limit of
    /// this time.
    pub(super) fn next_submit(&self, runs: &[Run], next: &mut Next) -> Option<Submit> {
        let limit = self.gpu.work.flops_limit();
        let mut submit = Submit {
            parts: Vec::new(),
            flops: 0,
            ends: 0,
        };
        while let Some(&run) = runs.get(next.run) {
            let commands = &self.lowered.phases[run.phase].commands;
            let first = next.command;
            while let Some(command) = commands.get(next.command)
                && (submit.flops == 0 || submit.flops + command.flops <= limit)
            {
                next.command += 1;
                submit.flops += command.flops;
            }
            if next.command > first {
                let commands = first..next.command;
                submit.parts.push(Part { run, commands });
            }
            if next.command < commands.len() {
                break;
            }
            submit.ends += 1;
            *next = Next {
                run: next.run + 1,
                command: 0,
            };
        }
        (!submit.parts.is_empty()).then_some(submit)
    }
}
