//! Whether an image fits the device, and the largest image that does.

use super::device::Device;
use super::error::{Shortage, TooLarge, UpscaleError};
use crate::exec::gpu::check_limits;
use crate::exec::{ExecError, PrepareOptions, Prepared, Target};
use crate::graph::{Graph, GraphError};
use crate::model::{PhaseOptions, Settings, phases};
use crate::ops::NoiseSource;
use crate::plan::Precision;

/// What programs are prepared for.
#[derive(Clone, Copy)]
pub(super) struct Budget<'a> {
    pub settings: &'a Settings,
    pub device: &'a Device,
    pub precision: Precision,
    /// Bytes that may be used.
    pub bytes: u64,
}

impl Budget<'_> {
    /// The program for an image of `width` x `height`.
    pub fn prepare(&self, width: usize, height: usize) -> Result<Prepared, UpscaleError> {
        let graphs = graphs(self.settings, width, height)?;
        let target = match self.device {
            Device::Cpu(cpu) => Target::Cpu {
                threads: cpu.threads,
            },
            Device::Gpu(adapter) => Target::gpu(adapter, self.precision),
        };
        Ok(target.prepare(&graphs, &PrepareOptions::default())?)
    }

    /// Refuses a program that does not fit, and names the largest image of its
    /// shape that does.
    pub fn check(
        &self,
        prepared: &Prepared,
        width: usize,
        height: usize,
    ) -> Result<(), UpscaleError> {
        match self.shortage(prepared) {
            Some(shortage) => Err(self.too_large(shortage, width, height, u64::MAX)),
            None => Ok(()),
        }
    }

    /// The error when the device refused memory for a program of `needed` bytes
    /// that passed the check.
    pub fn refused(&self, needed: u64, width: usize, height: usize) -> UpscaleError {
        self.too_large(Shortage::Refused { needed }, width, height, needed / 2)
    }

    fn shortage(&self, prepared: &Prepared) -> Option<Shortage> {
        let needed = prepared.memory().total_bytes();
        if needed > self.bytes {
            return Some(Shortage::Memory {
                needed,
                available: self.bytes,
            });
        }
        let Device::Gpu(adapter) = self.device else {
            return None;
        };
        match check_limits(adapter, prepared.lowered()?) {
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
            // Loading reports any other error.
            _ => None,
        }
    }

    /// The error that offers the largest image that fits in `bytes`.
    fn too_large(
        &self,
        shortage: Shortage,
        width: usize,
        height: usize,
        bytes: u64,
    ) -> UpscaleError {
        let fits = |(width, height)| {
            self.prepare(width, height).is_ok_and(|prepared| {
                prepared.memory().total_bytes() <= bytes && self.shortage(&prepared).is_none()
            })
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

/// The phases for an image of `width` x `height`, padded to what the model needs.
pub(super) fn graphs(
    settings: &Settings,
    width: usize,
    height: usize,
) -> Result<Vec<Graph>, GraphError> {
    let options = PhaseOptions {
        batch: 1,
        height: settings.padded_lr_side(height),
        width: settings.padded_lr_side(width),
        noise: NoiseSource::Generated,
        sr_head: false,
    };
    phases::build(settings, &options)
}

/// The largest size with the shape of `width` x `height` that fits: a binary
/// search for the longer side.
fn largest(
    width: usize,
    height: usize,
    fits: &dyn Fn((usize, usize)) -> bool,
) -> Option<(usize, usize)> {
    let long = width.max(height);
    let size = |side: usize| {
        let scaled = |length: usize| {
            // 128 bits, in which the product of two sides cannot overflow.
            let rounded = (length as u128 * side as u128 + long as u128 / 2) / long as u128;
            (rounded as usize).max(1)
        };
        (scaled(width), scaled(height))
    };
    // `small` fits and `large` does not.
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
    use crate::upscale::CpuSummary;

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

    /// A budget without limits in memory.
    fn budget<'a>(model: &'a Model, device: &'a Device) -> Budget<'a> {
        Budget {
            settings: model.settings(),
            device,
            precision: Precision::F32,
            bytes: u64::MAX,
        }
    }

    #[test]
    fn after_a_refusal_half_the_memory_is_offered() {
        let device = Device::Cpu(CpuSummary {
            name: "Test".to_owned(),
            threads: 1,
        });
        let model = Model::starter();
        let budget = budget(&model, &device);
        let needed = |width, height| {
            let prepared = budget.prepare(width, height).unwrap();
            prepared.memory().total_bytes()
        };
        let all = needed(300, 200);
        let UpscaleError::TooLarge(error) = budget.refused(all, 300, 200) else {
            panic!("not too large");
        };
        let (width, height) = error.largest.unwrap();
        let share = needed(width, height) as f64 / all as f64;
        assert!((0.4..=0.5).contains(&share), "{share}");
        let offer = format!("try {width}x{height}, which needs half as much");
        assert!(error.to_string().contains(&offer), "{error}");
    }

    /// However far the image is beyond what kernels can count.
    #[test]
    fn the_largest_image_within_an_adapters_limits_is_offered() {
        let device = Device::Gpu(AdapterSummary {
            kind: AdapterKind::Discrete,
            ..AdapterSummary::baseline()
        });
        let model = Model::starter();
        let budget = budget(&model, &device);
        let check = |width, height| {
            let prepared = budget.prepare(width, height).unwrap();
            budget.check(&prepared, width, height)
        };
        for (width, height) in [(400, 300), (16384, 12288)] {
            let Err(UpscaleError::TooLarge(error)) = check(width, height) else {
                panic!("{width}x{height} in 128 MiB per array");
            };
            let Shortage::Limit { limit, .. } = error.shortage else {
                panic!("{error}");
            };
            assert_eq!(limit, 128 << 20, "{error}");
            let (width, height) = error.largest.unwrap();
            assert!((200..400).contains(&width) && width > height, "{error}");
            assert!(check(width, height).is_ok(), "{error}");
        }
    }
}
