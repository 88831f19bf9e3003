//! Slots and views of them.

use super::number::Number;
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::host_memory;
use crate::plan::{Format, Layout, PlannedValue};
use bytemuck::{Zeroable, allocation::try_zeroed_slice_box};
use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of a cache line, which slots are aligned to.
const LINE: usize = 64;

/// Aligned as every allocation is. Of what asks for more, the standard library
/// writes the zeros itself, and thereby takes memory that may never be used.
#[derive(Clone, Copy, Zeroable)]
#[repr(C, align(16))]
struct Piece([u8; 16]);

/// Zeros that never move, so that kernels can hold addresses in them.
struct Block(Box<[UnsafeCell<Piece>]>);

// SAFETY: it is only bytes; who may touch which of them, and when, is said at
// the methods of the views.
unsafe impl Sync for Block {}

impl Block {
    /// So many cache lines, and the piece that the first of them begins with.
    fn zeroed(bytes: usize) -> Option<(Self, usize)> {
        let spare = LINE / size_of::<Piece>() - 1;
        let pieces = (bytes / size_of::<Piece>()).checked_add(spare)?;
        let pieces: Box<[UnsafeCell<Piece>]> = try_zeroed_slice_box(pieces).ok()?;
        prefer_large_pages(&pieces);
        let first = pieces.as_ptr().align_offset(LINE);
        host_memory::has_spare().then_some((Self(pieces), first))
    }
}

/// One slot: a part of a block, of whole cache lines.
pub(super) struct Memory {
    block: Arc<Block>,
    /// The piece that it begins with.
    first: usize,
    bytes: usize,
}

impl Memory {
    /// `bytes` zeros, or nothing where there is no memory for them.
    pub fn zeroed(bytes: u64) -> Option<Self> {
        Self::all_zeroed(&[bytes])?.pop()
    }

    /// Several slots in one block, which lives as long as one of them. Many small
    /// ones share large pages that way.
    pub fn all_zeroed(sizes: &[u64]) -> Option<Vec<Self>> {
        #[cfg(test)]
        if sizes
            .iter()
            .any(|&bytes| host_memory::refusal::refuses(bytes))
        {
            return None;
        }
        let whole_lines =
            |&bytes: &u64| usize::try_from(bytes).ok()?.checked_next_multiple_of(LINE);
        let sizes: Vec<usize> = sizes.iter().map(whole_lines).collect::<Option<_>>()?;
        let total = sizes
            .iter()
            .try_fold(0usize, |sum, &bytes| sum.checked_add(bytes))?;
        let (block, mut first) = Block::zeroed(total)?;
        let block = Arc::new(block);
        let slot = |bytes| {
            let slot = Self {
                block: block.clone(),
                first,
                bytes,
            };
            first += bytes / size_of::<Piece>();
            slot
        };
        Some(sizes.into_iter().map(slot).collect())
    }

    pub fn len(&self) -> usize {
        self.bytes
    }

    /// All of it.
    ///
    /// # Safety
    /// Nobody writes it meanwhile.
    pub unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: these bytes; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.address().cast(), self.len()) }
    }

    /// All of it, to be written.
    ///
    /// # Safety
    /// Nobody else touches it meanwhile.
    #[allow(clippy::mut_from_ref)] // the caller's promise stands for the borrow
    pub unsafe fn bytes_mut(&self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.address().cast(), self.len()) }
    }

    fn address(&self) -> *mut f32 {
        UnsafeCell::raw_get(self.block.0[self.first..].as_ptr()).cast()
    }
}

/// Asks for pages of 2 MiB where there are any. The first use of memory then
/// interrupts kernels less often, and addresses are found faster.
fn prefer_large_pages(pieces: &[UnsafeCell<Piece>]) {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        const LARGE_PAGE: usize = 2 << 20;
        // Pages of most systems.
        const PAGE: usize = 4096;
        let start = pieces.as_ptr().align_offset(PAGE);
        let Some(whole) = pieces
            .get(start..)
            .filter(|whole| size_of_val(*whole) >= LARGE_PAGE)
        else {
            return;
        };
        // SAFETY: it is memory of the caller, and what it holds stays as it is. A
        // system that has no such pages, or larger ones than assumed, refuses.
        unsafe {
            let address = whole.as_ptr().cast_mut().cast();
            libc::madvise(address, size_of_val(whole), libc::MADV_HUGEPAGE);
        }
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    let _ = pieces;
}

pub(super) fn failure(reason: String) -> ExecError {
    ExecError::Device {
        device: "the CPU".to_owned(),
        reason,
    }
}

/// The error of a kernel that cannot read an operand.
pub(super) fn wrong_operand(value: &PlannedValue, reason: &str) -> ExecError {
    failure(format!("value '{}' {} {reason}", value.name, value.shape))
}

/// A channels-last value in its slot: pixel `p` of sample `n` has its
/// `shape.c` channels at `base + (n * pixels + p) * pitch`.
///
/// A packed weight and a scratch array are views, too: of one pixel, or of rows.
///
/// Views of one slot may overlap; the program sees to it that no node writes
/// what another operand of that node reads, and every kernel that no two of
/// its threads write one element.
#[derive(Clone, Copy)]
pub(super) struct View<T = f32> {
    base: *mut T,
    pub shape: Shape,
    /// Distance of pixels, in elements.
    pub pitch: usize,
}

// SAFETY: a view is an address; what may be done with it, and when, is said
// at the methods that follow it.
unsafe impl<T: Number> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Number> Sync for View<T> {}

impl<T: Number> View<T> {
    pub fn new(value: &PlannedValue, slot: &Memory) -> Result<Self, ExecError> {
        let wanted = Format::new(Layout::ChannelsLast, T::PRECISION);
        if value.format != wanted || value.packing.is_some() {
            let reason = format!("is not channels-last in {}", T::PRECISION);
            return Err(wrong_operand(value, &reason));
        }
        let (first, pitch, shape) = (value.channel_offset, value.channel_stride, value.shape);
        if first + shape.c > pitch || value.array_bytes() > slot.len() as u64 {
            return Err(wrong_operand(value, "exceeds its slot"));
        }
        // SAFETY: the offset lies inside the slot, as just checked.
        let base = unsafe { slot.address().cast::<T>().add(first) };
        Ok(Self { base, shape, pitch })
    }

    /// Arrays of `len` elements, one after the other from the start of a slot.
    pub fn arrays(
        value: &PlannedValue,
        [count, len]: [usize; 2],
        slot: &Memory,
    ) -> Result<Self, ExecError> {
        let fits = count * len <= slot.len() / size_of::<T>();
        if value.format.precision != T::PRECISION || !fits {
            return Err(wrong_operand(value, "exceeds its slot"));
        }
        Ok(Self {
            base: slot.address().cast(),
            shape: Shape::matrix(count, len),
            pitch: len,
        })
    }

    /// Address of the first channel of a pixel, counted through all samples.
    pub fn address(&self, pixel: usize) -> *mut T {
        debug_assert!(pixel < self.shape.n * self.shape.pixels());
        // SAFETY: `new` has checked that every pixel lies in the slot.
        unsafe { self.base.add(pixel * self.pitch) }
    }

    /// Channels of a pixel, counted through all samples.
    ///
    /// # Safety
    /// The slot is alive, and nobody writes these channels meanwhile.
    #[inline(always)]
    pub unsafe fn pixel<'a>(&self, pixel: usize) -> &'a [T] {
        // SAFETY: in the slot; the rest is the caller's.
        unsafe { std::slice::from_raw_parts(self.address(pixel), self.shape.c) }
    }

    /// Channels of a pixel, to be written.
    ///
    /// # Safety
    /// The slot is alive, and nobody else reads or writes these channels meanwhile.
    #[inline(always)]
    pub unsafe fn pixel_mut<'a>(&self, pixel: usize) -> &'a mut [T] {
        // SAFETY: in the slot; the rest is the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.address(pixel), self.shape.c) }
    }

    pub fn is_contiguous(&self) -> bool {
        self.pitch == self.shape.c
    }
}

/// Scratch memory of the threads, each its own part of one slot.
pub(super) struct Threads {
    memory: Option<Arc<Memory>>,
    elements: usize,
    busy: Vec<AtomicBool>,
}

impl Threads {
    /// `threads` equal parts of a slot.
    pub fn new(memory: Option<Arc<Memory>>, threads: usize) -> Self {
        let bytes = memory.as_ref().map_or(0, |memory| memory.len());
        Self {
            memory,
            elements: bytes / threads.max(1) / size_of::<f32>(),
            busy: (0..threads).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    pub fn count(&self) -> usize {
        self.busy.len()
    }

    /// Gives `work` two arrays of the calling thread's own, of unspecified
    /// contents. `work` must not use rayon.
    pub fn scratch(&self, [first, second]: [usize; 2], work: impl FnOnce(&mut [f32], &mut [f32])) {
        let thread = rayon::current_thread_index();
        let mine = thread.and_then(|thread| Some((thread, self.busy.get(thread)?)));
        let (Some(memory), Some((thread, busy))) = (&self.memory, mine) else {
            // Called from outside the pool that the program was planned for.
            return work(&mut vec![0.0; first], &mut vec![0.0; second]);
        };
        assert!(first + second <= self.elements, "scratch of a thread");
        assert!(!busy.swap(true, Ordering::Acquire), "scratch is in use");
        // SAFETY: the part of this thread, which `busy` keeps for this call.
        let part = unsafe {
            let start = memory.address().add(thread * self.elements);
            std::slice::from_raw_parts_mut(start, first + second)
        };
        let (first, second) = part.split_at_mut(first);
        work(first, second);
        busy.store(false, Ordering::Release);
    }
}
