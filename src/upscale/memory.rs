//! Whether a picture fits the device in one piece, and which one would.

use super::device::Device;
use super::error::{Shortage, TooLarge, UpscaleError};
use crate::exec::gpu;
use crate::exec::{ExecError, cpu};
use crate::graph::{PlanOptions, Precision, Program, plan};
use crate::model::{PhaseOptions, Settings, phases};
use crate::ops::NoiseSource;

/// Copies of the result outside the program, in bytes a pixel: the words that
/// the device made, and what they are turned into, the picture at last.
const RESULT_BYTES: u64 = 4 + 4;

/// What a program is planned for.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub settings: &'a Settings,
    pub device: &'a Device,
    pub precision: Precision,
    /// Bytes that may be used.
    pub budget: u64,
}

/// Memory that one thread of the CPU may take for its own tiles, in bytes.
const SCRATCH_BYTES: u64 = 4 << 20;

impl Target<'_> {
    /// The program for a picture of `width` x `height`, sides padded to what
    /// the model needs.
    ///
    /// # Errors
    /// When the graph cannot be built or planned: a fault of this library.
    pub fn program(&self, width: usize, height: usize) -> Result<Program, UpscaleError> {
        let options = PhaseOptions {
            batch: 1,
            height: self.settings.padded_lr_side(height),
            width: self.settings.padded_lr_side(width),
            noise: NoiseSource::Generated,
            sr_head: false,
        };
        let graphs = phases::build(self.settings, &options)?;
        Ok(plan(&graphs, self.plan_options())?)
    }

    fn plan_options(&self) -> PlanOptions {
        match self.device {
            Device::Cpu(_) => cpu::plan_options(),
            Device::Gpu(_) => gpu::plan_options(self.precision),
        }
    }

    /// Refuses a program that does not fit, naming the largest picture of its
    /// shape that does.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn check(
        &self,
        program: &Program,
        width: usize,
        height: usize,
    ) -> Result<(), UpscaleError> {
        let Some(shortage) = self.shortage(program) else {
            return Ok(());
        };
        let fits = |program: &Program| self.shortage(program).is_none();
        Err(self.too_large(shortage, width, height, &fits))
    }

    /// What to say when the device refused memory for a program that, by
    /// everything known before, fits.
    pub fn refused(&self, program: &Program, width: usize, height: usize) -> UpscaleError {
        let needed = self.needed_bytes(program);
        let fits = |program: &Program| {
            self.needed_bytes(program) <= needed / 2 && self.shortage(program).is_none()
        };
        self.too_large(Shortage::Refused { needed }, width, height, &fits)
    }

    /// Bytes that running a program takes: those of [`held_bytes`], and on the
    /// CPU what its threads compute in.
    fn needed_bytes(&self, program: &Program) -> u64 {
        let scratch = match self.device {
            Device::Cpu(cpu) => cpu.threads as u64 * SCRATCH_BYTES,
            Device::Gpu(_) => 0,
        };
        held_bytes(program) + scratch
    }

    fn shortage(&self, program: &Program) -> Option<Shortage> {
        let needed = self.needed_bytes(program);
        if needed > self.budget {
            return Some(Shortage::Memory {
                needed,
                available: self.budget,
            });
        }
        let Device::Gpu(adapter) = self.device else {
            return None;
        };
        match gpu::check_limits(adapter, program) {
            Err(ExecError::Limit {
                what,
                needed,
                limit,
                ..
            }) => Some(Shortage::Limit {
                what,
                needed,
                limit,
            }),
            // Anything else is for loading to report.
            _ => None,
        }
    }

    fn too_large(
        &self,
        shortage: Shortage,
        width: usize,
        height: usize,
        fits: &dyn Fn(&Program) -> bool,
    ) -> UpscaleError {
        let fits = |(width, height)| {
            let program = self.program(width, height);
            program.is_ok_and(|program| fits(&program))
        };
        UpscaleError::TooLarge(Box::new(TooLarge {
            width,
            height,
            device: self.device.to_string(),
            shortage,
            largest: largest(width, height, &fits),
        }))
    }
}

/// Bytes that a loaded program holds: its slots, its weights, the result.
pub(super) fn held_bytes(program: &Program) -> u64 {
    let pixels = program
        .find_persistent(crate::model::names::PICTURE)
        .map_or(0, |picture| picture.shape.elements() as u64);
    program.slot_bytes() + program.weight_bytes() + RESULT_BYTES * pixels
}

/// The largest size of the shape of `width` x `height` that fits: the longer
/// side is searched, the shorter follows.
fn largest(
    width: usize,
    height: usize,
    fits: &dyn Fn((usize, usize)) -> bool,
) -> Option<(usize, usize)> {
    let long = width.max(height);
    let size = |side: usize| {
        let scaled = |length: usize| {
            // In 128 bits, for no product of two sides can overflow it.
            let rounded = (length as u128 * side as u128 + long as u128 / 2) / long as u128;
            (rounded as usize).max(1)
        };
        (scaled(width), scaled(height))
    };
    // What fits, and what is known not to.
    let (mut small, mut large) = (0, long);
    while large - small > 1 {
        let middle = small + (large - small) / 2;
        if fits(size(middle)) {
            small = middle;
        } else {
            large = middle;
        }
    }
    (small > 0).then(|| size(small))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::gpu::{AdapterKind, AdapterSummary};
    use crate::model::Model;
    use crate::upscale::{CpuSummary, budget::budget};

    #[test]
    fn the_largest_size_is_found_and_keeps_the_shape() {
        let area = |limit: usize| move |(width, height): (usize, usize)| width * height <= limit;
        assert_eq!(largest(600, 400, &area(60_000)), Some((300, 200)));
        assert_eq!(largest(400, 600, &area(59_999)), Some((199, 299)));
        assert_eq!(largest(100_000, 1, &area(5_000)), Some((5_000, 1)));
        assert_eq!(largest(2, 2, &area(3)), Some((1, 1)));
        assert_eq!(largest(2, 2, &area(0)), None);
        assert_eq!(largest(1, 1, &area(0)), None);
    }

    /// A CPU that has `budget` bytes.
    fn on_a_cpu(budget: u64, test: impl Fn(&Target)) {
        test(&Target {
            settings: Model::starter().settings(),
            device: &Device::Cpu(CpuSummary {
                name: "Test".to_owned(),
                threads: 1,
            }),
            precision: Precision::F32,
            budget,
        });
    }

    #[test]
    fn what_threads_compute_in_is_counted() {
        let model = Model::starter();
        let needed = |threads| {
            let device = Device::Cpu(CpuSummary {
                name: "Test".to_owned(),
                threads,
            });
            let target = Target {
                settings: model.settings(),
                device: &device,
                precision: Precision::F32,
                budget: u64::MAX,
            };
            target.needed_bytes(&target.program(30, 20).unwrap())
        };
        assert_eq!(needed(64) - needed(1), 63 * SCRATCH_BYTES);
    }

    #[test]
    fn what_a_device_refused_is_offered_at_half_the_memory() {
        on_a_cpu(u64::MAX, |target| {
            let program = target.program(300, 200).unwrap();
            assert!(target.check(&program, 300, 200).is_ok());
            let UpscaleError::TooLarge(error) = target.refused(&program, 300, 200) else {
                panic!("refused is too large");
            };
            let (width, height) = error.largest.unwrap();
            let smaller = target.program(width, height).unwrap();
            let share = target.needed_bytes(&smaller) as f64 / target.needed_bytes(&program) as f64;
            assert!((0.4..=0.5).contains(&share), "{share}");
            let offer = format!("try one of {width}x{height}, which needs half of that");
            assert!(error.to_string().contains(&offer), "{error}");
        });
    }

    /// The largest picture that WebGPU allows at least is offered, however far
    /// the one asked for is beyond what kernels can count.
    #[test]
    fn limits_of_an_adapter_are_found_without_it() {
        let adapter = AdapterSummary {
            kind: AdapterKind::Discrete,
            ..AdapterSummary::baseline()
        };
        let model = Model::starter();
        let device = Device::Gpu(adapter);
        let target = Target {
            settings: model.settings(),
            device: &device,
            precision: Precision::F32,
            budget: budget(&device, None, 0),
        };
        for (width, height) in [(400, 300), (16384, 12288)] {
            let program = target.program(width, height).unwrap();
            let Err(UpscaleError::TooLarge(error)) = target.check(&program, width, height) else {
                panic!("{width}x{height} in 128 MiB an array");
            };
            let Shortage::Limit { limit, .. } = error.shortage else {
                panic!("{error}");
            };
            assert_eq!(limit, 128 << 20, "{error}");
            let (width, height) = error.largest.unwrap();
            assert!((200..400).contains(&width) && width > height, "{error}");
            let program = target.program(width, height).unwrap();
            assert!(target.check(&program, width, height).is_ok(), "{error}");
        }
    }

    #[test]
    fn what_is_offered_instead_fits_and_a_little_more_does_not() {
        on_a_cpu(200 << 20, check_offer);
    }

    fn check_offer(target: &Target) {
        let program = target.program(3000, 2000).unwrap();
        let Err(UpscaleError::TooLarge(error)) = target.check(&program, 3000, 2000) else {
            panic!("3000x2000 in 200 MiB");
        };
        let (width, height) = error.largest.unwrap();
        let fits = |width, height| {
            let program = target.program(width, height).unwrap();
            target.check(&program, width, height).is_ok()
        };
        assert!(fits(width, height), "{width}x{height}");
        assert!(!fits(width + 8, height + 8), "{width}x{height}");
        let text = error.to_string();
        assert!(
            text.starts_with("the picture is 3000x2000; this needs "),
            "{text}"
        );
        assert!(text.contains("200.0 MiB may be used"), "{text}");
    }
}
