//! Slots and views of them.

use crate::exec::ExecError;
use crate::graph::{PlannedValue, Program, Shape};
use bytemuck::{Pod, Zeroable};

/// A cache line; slots are made of whole ones.
#[repr(C, align(64))]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Line([f32; 16]);

/// The memory of a program. It is allocated once and never moves, so views
/// stay valid as long as it lives.
pub(super) struct Slots {
    slots: Vec<Vec<Line>>,
}

impl Slots {
    /// Allocates every slot of a program, filled with zeros.
    pub fn new(program: &Program) -> Result<Self, ExecError> {
        let slots = program
            .slots
            .iter()
            .map(|slot| {
                let lines = (slot.bytes as usize).div_ceil(size_of::<Line>());
                let mut memory = Vec::new();
                memory
                    .try_reserve_exact(lines)
                    .map_err(|_| ExecError::OutOfMemory {
                        device: "the CPU".to_owned(),
                        needed_mib: program.slot_bytes() >> 20,
                        hint: String::new(),
                    })?;
                memory.resize(lines, Line::zeroed());
                Ok(memory)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { slots })
    }

    /// The view of a value that is no weight.
    pub fn view(&mut self, value: &PlannedValue) -> View {
        let (slot, channel_offset, pitch) = value.place();
        let memory = &mut self.slots[slot];
        let elements = memory.len() * 16;
        let shape = value.shape;
        assert!(
            channel_offset + shape.c <= pitch && shape.n * shape.pixels() * pitch <= elements,
            "value '{}' {shape} exceeds its slot",
            value.name
        );
        View {
            // SAFETY: the offset lies inside the slot, by the assertion.
            base: unsafe { memory.as_mut_ptr().cast::<f32>().add(channel_offset) },
            shape,
            pitch,
        }
    }
}

/// A value in its slot: pixel `p` of sample `n` has its `shape.c` channels at
/// `base + (n * pixels + p) * pitch`.
///
/// Views of one slot may overlap; the plan sees to it that no step writes
/// what another operand of that step reads, and every kernel that no two of
/// its threads write one element.
#[derive(Clone, Copy)]
pub(super) struct View {
    base: *mut f32,
    /// Logical shape.
    pub shape: Shape,
    /// Distance of pixels, in elements.
    pub pitch: usize,
}

// SAFETY: a view is an address; what may be done with it, and when, is said
// at the methods that follow it.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl View {
    /// Address of the first channel of a pixel, counted through all samples.
    pub fn address(&self, pixel: usize) -> *mut f32 {
        debug_assert!(pixel < self.shape.n * self.shape.pixels());
        // SAFETY: `Slots::view` has checked that every pixel lies in the slot.
        unsafe { self.base.add(pixel * self.pitch) }
    }

    /// Channels of a pixel, counted through all samples.
    ///
    /// # Safety
    /// The slot is alive, and nobody writes these channels meanwhile.
    #[inline(always)]
    pub unsafe fn pixel<'a>(&self, pixel: usize) -> &'a [f32] {
        // SAFETY: in the slot; the rest is the caller's.
        unsafe { std::slice::from_raw_parts(self.address(pixel), self.shape.c) }
    }

    /// Channels of a pixel, to be written.
    ///
    /// # Safety
    /// The slot is alive, and nobody else reads or writes these channels meanwhile.
    #[inline(always)]
    pub unsafe fn pixel_mut<'a>(&self, pixel: usize) -> &'a mut [f32] {
        // SAFETY: in the slot; the rest is the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.address(pixel), self.shape.c) }
    }

    /// Whether pixels follow one another without a gap.
    pub fn is_contiguous(&self) -> bool {
        self.pitch == self.shape.c
    }
}
