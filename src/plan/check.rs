//! Programs that come from elsewhere (a file, a hand): could the planner have
//! made them?

use super::{
    Owner, PACK, Phase, PlanError, PlannedNode, PlannedValue, Precision, Program, SLOT_ALIGNMENT,
    Slot,
};
use crate::graph::{Role, Shape, find_clash};
use crate::ops::{Axis, Op, Packing, ensure};
use std::collections::HashSet;

/// More threads than any machine has.
const MAX_THREADS: usize = 1 << 16;

impl Program {
    /// Checks everything that executors take for granted: every value inside a
    /// slot of its own kind, every node by the rules of its operation, no result
    /// or scratch over what its node reads, conversions from slot to slot, thread
    /// memory where a node needs it, weights written by packing alone, each once
    /// and from parameters.
    ///
    /// # Errors
    /// Names the first value or node that breaks a rule.
    pub fn check(&self) -> Result<(), PlanError> {
        if !(1..=MAX_THREADS).contains(&self.threads) {
            return Err(PlanError::Threads(self.threads));
        }
        let mut bytes = self.slots.iter().map(|slot| slot.bytes);
        if bytes.try_fold(0u64, u64::checked_add).is_none() {
            return Err(PlanError::TooLarge);
        }
        for phase in &self.phases {
            for value in &phase.values {
                self.check_value(value).map_err(|reason| {
                    let what = format!("value '{}'", value.name);
                    PlanError::invalid(&phase.name, what, reason)
                })?;
            }
            let mut packed = HashSet::new();
            for node in &phase.nodes {
                let wrong = |reason| PlanError::invalid(&phase.name, node.op.name(), reason);
                self.check_node(phase, node).map_err(wrong)?;
                if phase.name == PACK {
                    // Weights are packed at once.
                    let mut outputs = node.outputs.iter().map(|&id| &phase.values[id]);
                    if let Some(twice) = outputs.find(|value| !packed.insert(value.slot)) {
                        return Err(wrong(format!("writes the weight '{}' again", twice.name)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Bytes of scratch memory that each thread has.
    pub fn thread_bytes(&self) -> u64 {
        let slot = self.slots.iter().find(|slot| slot.owner == Owner::Threads);
        slot.map_or(0, |slot| slot.bytes / self.threads.max(1) as u64)
    }

    fn check_value(&self, value: &PlannedValue) -> Result<(), String> {
        let slot = self.slots.get(value.slot);
        let slot = slot.ok_or_else(|| format!("is in slot {}, which is not there", value.slot))?;
        let too_large = || format!("of {} is larger than any memory", value.shape);
        let (shape, segments) = (value.shape, &value.segments);
        ensure!(
            stored(segments, 1) == Some(shape.c),
            "of {shape} is not made of channel groups {segments:?}"
        );
        let alignment = value.format.layout.channel_alignment();
        let stored = stored(segments, alignment).ok_or_else(too_large)?;
        let (first, stride) = (value.channel_offset, value.channel_stride);
        let end = first.checked_add(stored);
        ensure!(
            end.is_some_and(|end| end <= stride)
                && first.is_multiple_of(alignment)
                && stride.is_multiple_of(alignment),
            "has channels {first}.. of {stride}, but needs {stored}"
        );
        check_slot(value, slot)?;
        if let Some(packing) = &value.packing {
            return check_packed(value, packing, slot.bytes);
        }
        let precision = value.format.precision;
        let sizes = [shape.n, stride, shape.h, shape.w];
        let has_elements = shape.c > 0 && !sizes.contains(&0);
        ensure!(has_elements, "has no elements: it is {shape}");
        let bytes = bytes_of(&sizes, precision).ok_or_else(too_large)?;
        let there = slot.bytes;
        ensure!(bytes <= there, "takes {bytes} bytes of a slot of {there}");
        Ok(())
    }

    fn check_node<'a>(&self, phase: &'a Phase, node: &PlannedNode) -> Result<(), String> {
        let find = |ids: &[usize]| -> Result<Vec<&'a PlannedValue>, String> {
            let value = |&id: &usize| {
                let value = phase.values.get(id);
                value.ok_or_else(|| format!("has no value {id}"))
            };
            ids.iter().map(value).collect()
        };
        let (inputs, outputs) = (find(&node.inputs)?, find(&node.outputs)?);
        let scratch = find(&node.scratch)?;
        let expected = node.op.infer(&phase.shapes(&node.inputs))?;
        let shapes = phase.shapes(&node.outputs);
        ensure!(expected == shapes, "gives {expected:?}, not {shapes:?}");
        let packs = matches!(node.op, Op::Pack(_));
        let name = &phase.name;
        ensure!(packs == (name == PACK), "is not for phase '{name}'");
        if let Some(value) = outputs.iter().find(|v| (v.role == Role::Packed) != packs) {
            return Err(match packs {
                true => format!("writes '{}', which is no weight", value.name),
                false => format!("writes the weight '{}'", value.name),
            });
        }
        let is_parameter =
            |value: &PlannedValue| matches!(value.role, Role::Parameter | Role::State);
        if let Some(value) = inputs.iter().find(|value| packs && !is_parameter(value)) {
            return Err(format!("packs '{}', which is no parameter", value.name));
        }
        if let (Op::Convert(_), [x], [y]) = (&node.op, &inputs[..], &outputs[..]) {
            let (x, y, apart) = (&x.name, &y.name, x.slot != y.slot);
            ensure!(apart, "converts '{x}' to '{y}' within one slot");
        }
        for &(result, operand) in node.op.in_place() {
            let (new, old) = (outputs[result], inputs[operand]);
            ensure!(
                new.is_same_place(old),
                "must write '{}' in the place of '{}'",
                new.name,
                old.name
            );
        }
        let same = |a: &&PlannedValue, b: &&PlannedValue| a.is_same_place(b);
        let clash = find_clash(&node.op, &inputs, &outputs, same, |a, b| a.overlaps(b));
        if let Some((result, other)) = clash {
            let (result, other) = (&result.name, &other.name);
            return Err(format!("writes '{result}' over '{other}'"));
        }
        for (at, value) in scratch.iter().enumerate() {
            let name = &value.name;
            let is_kept = value.role != Role::Temporary;
            ensure!(!is_kept, "works in '{name}', which is kept");
            let mut others = inputs.iter().chain(&outputs).chain(&scratch[..at]);
            if let Some(other) = others.find(|other| value.slot == other.slot) {
                let other = &other.name;
                return Err(format!("works in '{name}', which lies over '{other}'"));
            }
        }
        let (needed, there) = (node.thread_bytes, self.thread_bytes());
        ensure!(
            needed <= there,
            "needs {needed} bytes for each thread, which has {there}"
        );
        Ok(())
    }
}

/// Channels of groups of these sizes, each padded, unless they are too many.
fn stored(segments: &[usize], alignment: usize) -> Option<usize> {
    segments.iter().try_fold(0usize, |sum, &channels| {
        sum.checked_add(channels.checked_next_multiple_of(alignment)?)
    })
}

/// Bytes of an array of these sizes, unless they are too many.
fn bytes_of(sizes: &[usize], precision: Precision) -> Option<u64> {
    let mut sizes = sizes.iter();
    let bytes = sizes.try_fold(precision.bytes(), |product, &size| {
        product.checked_mul(size)
    });
    bytes.map(|bytes| bytes as u64)
}

/// Values that live on, weights and temporaries each have slots of their own,
/// and the threads have one.
fn check_slot(value: &PlannedValue, slot: &Slot) -> Result<(), String> {
    let (bytes, owner) = (slot.bytes, slot.owner.name());
    ensure!(
        bytes.is_multiple_of(SLOT_ALIGNMENT),
        "is in a slot of {bytes} bytes, which is no multiple of {SLOT_ALIGNMENT}"
    );
    let fits = match (&slot.owner, value.role) {
        (Owner::Temporaries, Role::Temporary | Role::Parameter) => true,
        (Owner::Value(_), Role::Input | Role::State | Role::Output) => true,
        (Owner::Packed(name), Role::Packed) => *name == value.name,
        _ => false,
    };
    let role = value.role;
    let fits = fits && (role == Role::Packed) == value.packing.is_some();
    ensure!(fits, "is {role:?}, but in the slot of {owner}");
    Ok(())
}

fn check_packed(value: &PlannedValue, packing: &Packing, there: u64) -> Result<(), String> {
    let sizes: Vec<usize> = packing.axes.iter().map(|axis| axis.size).collect();
    let fits = bytes_of(&sizes, packing.precision).is_some_and(|bytes| bytes <= there);
    // Coordinates add up over the axes.
    let end = |end: usize, axis: &Axis| end.checked_add(axis.step.checked_mul(axis.size)?);
    let is_finite = packing.axes.iter().try_fold(0, end).is_some();
    let has_elements = packing.axes.iter().all(|axis| axis.size > 0);
    let channels_fit = packing.channels.as_ref().is_none_or(|map| {
        let Shape { n, c, h, w } = packing.plain;
        let channels = stored(&map.segments, 1);
        let is_finite = map.alignment > 0 && stored(&map.segments, map.alignment).is_some();
        // Or it is packed nowhere, and packing makes room for it all the same.
        let holds_padding = || {
            let groups = map.groups();
            let [start, first, _] = groups.last().copied().unwrap_or_default();
            fits && start - first <= packing.elements()
        };
        is_finite && holds_padding() && channels == Some([n, c, h, w][map.coordinate as usize])
    });
    let alike = packing.plain == value.shape && packing.precision == value.format.precision;
    let transforms = packing.winograd.is_none() || (packing.plain.h, packing.plain.w) == (3, 3);
    ensure!(
        fits && is_finite && has_elements && channels_fit && alike && transforms,
        "is packed as {packing:?}, not in {there} bytes"
    );
    Ok(())
}
