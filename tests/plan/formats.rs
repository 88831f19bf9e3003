//! A chooser that wants other formats of every operand: conversions are put
//! where they are needed, and nowhere else.

use super::checker::Planned;
use super::errors::{copy, mish};
use super::random::random_graphs;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use srdiff::graph::{Element, GraphBuilder, Role, Shape, ValueId};
use srdiff::ops::{Axis, ChannelMap, Coordinate, NoiseSource, Op, Packing, SamplerUpdate};
use srdiff::plan::{
    Choice, Chooser, Format, Layout, NodeOperands, Operand, Precision, ScratchRequest, Variant,
    Wanted,
};
use std::cell::RefCell;

/// Draws formats, packings and scratch memory by lot.
struct RandomChooser {
    rng: RefCell<SmallRng>,
    /// Of values that live on.
    kept: [Format; 2],
    threads: usize,
}

fn random_format(rng: &mut SmallRng) -> Format {
    let layout = match rng.random_range(0..3) {
        0 => Layout::ChannelsLast,
        1 => Layout::ChannelsFirst,
        _ => Layout::ChannelBlocks4,
    };
    Format::new(layout, random_precision(rng))
}

fn random_precision(rng: &mut SmallRng) -> Precision {
    match rng.random_bool(0.5) {
        true => Precision::F32,
        false => Precision::F16,
    }
}

fn random_packing(rng: &mut SmallRng, plain: Shape) -> Packing {
    let rows = rng.random_range(1..5);
    Packing {
        plain,
        winograd: None,
        turned: false,
        axes: vec![
            Axis::new(plain.n.div_ceil(rows), Coordinate::N, rows),
            Axis::new(plain.c.next_multiple_of(4), Coordinate::C, 1),
            Axis::new(plain.h, Coordinate::H, 1),
            Axis::new(plain.w, Coordinate::W, 1),
            Axis::new(rows, Coordinate::N, 1),
        ],
        channels: Some(ChannelMap {
            coordinate: Coordinate::C,
            segments: vec![plain.c],
            alignment: 4,
        }),
        precision: random_precision(rng),
    }
}

impl RandomChooser {
    fn new(mut rng: SmallRng) -> Self {
        Self {
            kept: [random_format(&mut rng), random_format(&mut rng)],
            threads: rng.random_range(1..9),
            rng: RefCell::new(rng),
        }
    }

    /// As it is there, or any other way.
    fn value(&self, operand: &Operand) -> Format {
        let mut rng = self.rng.borrow_mut();
        let known = operand.format.filter(|_| rng.random_bool(0.3));
        known.unwrap_or_else(|| random_format(&mut rng))
    }
}

impl Chooser for RandomChooser {
    fn format(&self, element: Element) -> Format {
        match element {
            Element::F32 => self.kept[0],
            Element::Float => self.kept[1],
            Element::Tensor => Format::TENSOR,
        }
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        let there = |operand: &Operand| operand.format.expect("it is there");
        let mut choice = Choice {
            variant: Variant::Only,
            inputs: Vec::new(),
            outputs: Vec::new(),
            scratch: Vec::new(),
            thread_bytes: 0,
        };
        match node.op {
            Op::Convert(_) => {
                choice.inputs = vec![Wanted::Value(there(&node.inputs[0]))];
                choice.outputs = vec![there(&node.outputs[0])];
                return Ok(choice);
            }
            Op::Pack(op) => {
                choice.inputs = vec![Wanted::Value(Format::TENSOR)];
                choice.outputs = vec![Format::new(Layout::ChannelsLast, op.packing.precision)];
                return Ok(choice);
            }
            _ => {}
        }
        for operand in &node.inputs {
            choice.inputs.push(match operand.is_parameter() {
                true => {
                    let packing = random_packing(&mut self.rng.borrow_mut(), operand.shape());
                    Wanted::Weight(packing)
                }
                false => Wanted::Value(self.value(operand)),
            });
        }
        choice.outputs = node.outputs.iter().map(|o| self.value(o)).collect();
        // What is updated in place has one format.
        for &(result, operand) in node.op.in_place() {
            choice.inputs[operand] = Wanted::Value(choice.outputs[result]);
        }
        let mut rng = self.rng.borrow_mut();
        for index in 0..rng.random_range(0..3) {
            choice.scratch.push(ScratchRequest {
                name: format!("scratch{index}"),
                bytes: 4 * rng.random_range(1..200),
            });
        }
        choice.thread_bytes = 4 * rng.random_range(0..100);
        Ok(choice)
    }

    fn threads(&self) -> usize {
        self.threads
    }
}

fn conversions(planned: &Planned) -> usize {
    let nodes = planned.program.phases.iter().flat_map(|phase| &phase.nodes);
    nodes
        .filter(|node| matches!(node.op, Op::Convert(_)))
        .count()
}

#[test]
fn every_kernel_gets_the_format_it_asked_for() {
    let mut converted = 0;
    for seed in 0..600 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (graphs, states) = random_graphs(&mut rng);
        let states: Vec<&str> = states.iter().map(String::as_str).collect();
        let trainable = seed % 3 == 0;
        let planned = Planned::new(graphs, &RandomChooser::new(rng), trainable);
        let planned = planned.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let faults = planned.faults(&planned.twice(), &states);
        assert!(faults.is_empty(), "seed {seed}: {faults:#?}");
        planned.program.check().expect("as it was planned");
        converted += conversions(&planned);
    }
    assert!(converted > 10_000, "only {converted} conversions");
}

/// Wants what it is told, in order; the values that live on are channels-last.
struct Told(RefCell<Vec<(Vec<Format>, Vec<Format>)>>);

const LAST: Format = Format::new(Layout::ChannelsLast, Precision::F32);
const FIRST: Format = Format::new(Layout::ChannelsFirst, Precision::F32);
const HALF: Format = Format::new(Layout::ChannelBlocks4, Precision::F16);

impl Chooser for Told {
    fn format(&self, _: Element) -> Format {
        LAST
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        let format = |operand: &Operand| operand.format.expect("it is there");
        let (inputs, outputs) = match node.op {
            Op::Convert(_) => (
                node.inputs.iter().map(format).collect(),
                node.outputs.iter().map(format).collect(),
            ),
            _ => self.0.borrow_mut().remove(0),
        };
        Ok(Choice {
            variant: Variant::Only,
            inputs: inputs.into_iter().map(Wanted::Value).collect(),
            outputs,
            scratch: Vec::new(),
            thread_bytes: 0,
        })
    }
}

/// Names of what each node reads and writes, `in, in -> out`.
fn flow(planned: &Planned) -> Vec<String> {
    let phase = &planned.program.phases[1];
    let names = |ids: &[usize]| {
        let names: Vec<&str> = ids.iter().map(|&id| &*phase.values[id].name).collect();
        names.join(", ")
    };
    let nodes = phase.nodes.iter();
    nodes
        .map(|node| format!("{} -> {}", names(&node.inputs), names(&node.outputs)))
        .collect()
}

fn told(
    build: impl FnOnce(&mut GraphBuilder),
    wanted: &[(&[Format], &[Format])],
) -> (Vec<String>, Vec<String>) {
    let mut b = GraphBuilder::new("phase");
    build(&mut b);
    let wanted = wanted.iter().map(|(i, o)| (i.to_vec(), o.to_vec()));
    let chooser = Told(RefCell::new(wanted.collect()));
    let planned = Planned::new(vec![b.build()], &chooser, false).unwrap();
    assert!(chooser.0.borrow().is_empty(), "every node is chosen");
    let faults = planned.faults(&planned.twice(), &["x", "previous"]);
    (flow(&planned), faults)
}

fn value(b: &mut GraphBuilder, name: &str, role: Role) -> ValueId {
    b.value(name, Shape::new(1, 8, 2, 2), role, Element::F32)
        .unwrap()
}

#[test]
fn a_value_is_converted_once_for_each_format() {
    let (flow, faults) = told(
        |b| {
            let x = value(b, "x", Role::Input);
            for (at, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
                let op = if at % 2 == 0 { mish() } else { copy() };
                b.push(name, op, &[x]).unwrap();
            }
        },
        &[
            (&[HALF], &[HALF]),
            (&[HALF], &[LAST]),
            (&[FIRST], &[LAST]),
            (&[HALF], &[LAST]),
        ],
    );
    assert_eq!(
        flow,
        [
            "x -> x.converted",
            "x.converted -> a",
            "x.converted -> b",
            "x -> x.converted.2",
            "x.converted.2 -> c",
            "x.converted -> d",
        ]
    );
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_is_written_again_is_converted_again() {
    let (flow, faults) = told(
        |b| {
            let x = value(b, "x", Role::State);
            let input = value(b, "in", Role::Input);
            b.push("a", copy(), &[x]).unwrap();
            b.push_into(&[x], copy(), &[input]).unwrap();
            b.push("b", copy(), &[x]).unwrap();
        },
        &[(&[HALF], &[HALF]), (&[LAST], &[FIRST]), (&[HALF], &[HALF])],
    );
    assert_eq!(
        flow,
        [
            "x -> x.converted",
            "x.converted -> a",
            "in -> x.unconverted",
            "x.unconverted -> x",
            "x -> x.converted.2",
            "x.converted.2 -> b",
        ]
    );
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn another_group_of_an_array_does_not_outdate_a_conversion() {
    let (flow, faults) = told(
        |b| {
            let input = value(b, "in", Role::Input);
            let array = b
                .concat("array", Shape::new(1, 16, 2, 2), Role::Temporary, &[8, 8])
                .unwrap();
            let left = b.segments("left", array, 0, 1).unwrap();
            let right = b.segments("right", array, 1, 1).unwrap();
            b.push_into(&[left], copy(), &[input]).unwrap();
            b.push_into(&[right], mish(), &[left]).unwrap();
            b.push("a", copy(), &[left]).unwrap();
            b.push("b", copy(), &[right]).unwrap();
        },
        &[
            (&[LAST], &[LAST]),
            (&[HALF], &[LAST]),
            (&[HALF], &[LAST]),
            (&[LAST], &[LAST]),
        ],
    );
    assert_eq!(
        flow,
        [
            "in -> left",
            "left -> left.converted",
            "left.converted -> right",
            "left.converted -> a",
            "right -> b",
        ]
    );
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_is_updated_in_place_stays_in_place_when_it_is_converted() {
    let (flow, faults) = told(
        |b| {
            let x = value(b, "x", Role::State);
            let previous = value(b, "previous", Role::State);
            let x0 = value(b, "x0", Role::Input);
            let update = Op::SamplerUpdate(SamplerUpdate {
                noise: NoiseSource::Generated,
            });
            b.push_into(&[x, previous], update, &[x, x0, previous])
                .unwrap();
            b.push("a", copy(), &[x]).unwrap();
        },
        &[(&[FIRST, LAST, LAST], &[FIRST, LAST]), (&[FIRST], &[LAST])],
    );
    assert_eq!(
        flow,
        [
            "x -> x.converted",
            "x.converted, x0, previous -> x.converted, previous",
            "x.converted -> x",
            "x -> x.converted.2",
            "x.converted.2 -> a",
        ]
    );
    assert!(faults.is_empty(), "{faults:#?}");
}
