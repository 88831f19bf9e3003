//! Lifetimes and memory slots.

use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// Sizes of slots are multiples of this: a cache line of the CPU, whole vec4 on
/// a GPU.
pub const SLOT_ALIGNMENT: u64 = 64;

/// The nodes during which an array must keep its memory, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Node that first writes it.
    pub first: usize,
    /// Node that last reads (or writes) it.
    pub last: usize,
    pub bytes: u64,
}

impl Interval {
    /// Whether both are alive at some node.
    pub fn overlaps(&self, other: &Interval) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// What an executor will allocate for a program, to the byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// Inputs, states and outputs, which share no memory.
    pub persistent_bytes: u64,
    /// Packed weights, which programs of one model share.
    pub weight_bytes: u64,
    pub temporary_bytes: u64,
    pub thread_bytes: u64,
    /// What the executor allocates besides slots: uniforms, step records, what
    /// results are read through.
    pub executor_bytes: u64,
    /// What the host holds while it reads the largest output.
    pub host_bytes: u64,
    /// Lower bound for `temporary_bytes`: the largest set of temporaries
    /// alive at one node.
    pub largest_live_set: u64,
    /// Temporaries if none shared a slot.
    pub unshared_bytes: u64,
}

impl MemoryReport {
    pub fn total_bytes(&self) -> u64 {
        self.device_bytes() + self.host_bytes
    }

    /// What the executor itself allocates.
    pub fn device_bytes(&self) -> u64 {
        let slots = self.persistent_bytes + self.weight_bytes + self.temporary_bytes;
        slots + self.thread_bytes + self.executor_bytes
    }
}

/// Gives each interval a slot such that no two in one slot overlap. Returns
/// the slot of each interval and the size of each slot.
///
/// A slot holds one value at a time and is not divided, so that each can be a
/// buffer of its own; the sum of sizes can therefore stay above
/// [`largest_live_set`]. Finding the least sum is a hard problem, so two greedy
/// orders are tried, largest first and earliest first, and the better is taken.
pub fn assign_slots(intervals: &[Interval]) -> (Vec<usize>, Vec<u64>) {
    let mut by_start: Vec<usize> = (0..intervals.len()).collect();
    by_start.sort_by_key(|&i| intervals[i].first);
    let mut by_size = by_start.clone();
    by_size.sort_by_key(|&i| Reverse(intervals[i].bytes));
    [by_size, by_start]
        .iter()
        .map(|order| best_fit(intervals, order))
        .min_by_key(|(_, sizes)| sizes.iter().sum::<u64>())
        .expect("there are two orders")
}

/// Gives each interval, in this order, the free slot that has to grow least
/// and then wastes least, or a new one.
fn best_fit(intervals: &[Interval], order: &[usize]) -> (Vec<usize>, Vec<u64>) {
    let mut assignment = vec![usize::MAX; intervals.len()];
    let mut occupants: Vec<Vec<usize>> = Vec::new();
    let mut sizes: Vec<u64> = Vec::new();
    for &i in order {
        let bytes = intervals[i].bytes;
        let free = (0..occupants.len())
            .filter(|&slot| {
                let mut others = occupants[slot].iter();
                others.all(|&other| !intervals[other].overlaps(&intervals[i]))
            })
            .min_by_key(|&slot| {
                let size = sizes[slot];
                (bytes.saturating_sub(size), size.saturating_sub(bytes))
            });
        let slot = free.unwrap_or_else(|| {
            occupants.push(Vec::new());
            sizes.push(0);
            occupants.len() - 1
        });
        sizes[slot] = sizes[slot].max(bytes);
        occupants[slot].push(i);
        assignment[i] = slot;
    }
    (assignment, sizes)
}

/// The most bytes alive at one node: no assignment can need less.
///
/// Only where a life begins can more be alive than just before, so no other
/// nodes are looked at.
pub fn largest_live_set(intervals: &[Interval]) -> u64 {
    let live_at = |node: usize| {
        let live = intervals
            .iter()
            .filter(|i| i.first <= node && node <= i.last);
        live.map(|interval| interval.bytes).sum()
    };
    let starts = intervals.iter().map(|interval| interval.first);
    starts.map(live_at).max().unwrap_or(0)
}
