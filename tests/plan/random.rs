//! Random graphs: whatever the order of operations, live values never share.

use super::errors::{copy, mish};
use super::lives::lower_bound;
use super::models::{Setup, setups};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use srdiff::graph::{Element, Graph, GraphBuilder, Role, Shape, ValueId};
use srdiff::ops::{
    Conv2d, Epilogue, GroupNorm, NoiseSource, Op, Padding, Pointwise, SamplerUpdate,
    UpsampleNearest,
};
use srdiff::plan::{Interval, Precision, assign_slots, largest_live_set};

const GRAPHS: u64 = 300;

/// Appends one random operation on values that hold data.
fn append(b: &mut GraphBuilder, rng: &mut SmallRng, ready: &mut Vec<ValueId>, name: String) {
    let x = *ready.choose(rng).expect("never empty");
    let shape = b.shape(x);
    let result = match rng.random_range(0..8) {
        0 => b.push(&name, mish(), &[x]),
        1 => b.push(&name, copy(), &[x]),
        2 if shape.h < 16 => {
            let op = Op::UpsampleNearest(UpsampleNearest { factor: 2 });
            b.push(&name, op, &[x])
        }
        3 => {
            let vector = Shape::vector(shape.c);
            let weight = b.parameter(&format!("g{}", shape.c), vector).unwrap();
            let op = Op::GroupNorm(GroupNorm {
                groups: 1,
                epsilon: 1e-5,
                epilogue: Epilogue::none(),
            });
            b.push(&name, op, &[x, weight, weight])
        }
        4 => {
            // A concatenation of the value and what is computed from it.
            let channels = [shape.c, 4 * rng.random_range(1..3), shape.c];
            let whole = shape.with_channels(channels.iter().sum());
            let array = b.concat(&name, whole, Role::Temporary, &channels).unwrap();
            let parts: Vec<ValueId> = (0..3)
                .map(|k| b.segments(&format!("{name}.{k}"), array, k, 1).unwrap())
                .collect();
            b.push_into(&[parts[0]], copy(), &[x]).unwrap();
            convolve(b, parts[0], parts[1]);
            b.push_into(&[parts[2]], mish(), &[parts[0]]).unwrap();
            ready.extend(parts);
            Ok(array)
        }
        5 => {
            let add = Op::Pointwise(Pointwise::add(0.5, 2.0));
            let other = ready.iter().rev().find(|&&y| b.shape(y) == shape);
            b.push(&name, add, &[x, *other.expect("x at least")])
        }
        6 => {
            // States of the phase that are updated in place.
            let states = ["a", "b"].map(|state| {
                let name = format!("{name}.{state}");
                b.value(&name, shape, Role::State, Element::F32).unwrap()
            });
            let update = Op::SamplerUpdate(SamplerUpdate {
                noise: NoiseSource::Generated,
            });
            b.push_into(&states, update, &[states[0], x, states[1]])
                .unwrap();
            ready.extend(states);
            Ok(states[0])
        }
        _ => {
            let channels = 4 * rng.random_range(1..6);
            let wide = shape.with_channels(channels);
            let y = b.value(&name, wide, Role::Temporary, Element::Float);
            y.inspect(|&y| convolve(b, x, y))
        }
    };
    ready.push(result.expect("the shapes fit"));
}

fn convolve(b: &mut GraphBuilder, x: ValueId, y: ValueId) {
    let (inp, out) = (b.shape(x).c, b.shape(y).c);
    let weight = b.parameter(&format!("w{out}x{inp}"), Shape::new(out, inp, 3, 3));
    let op = Op::Conv2d(Conv2d {
        kernel: 3,
        stride: 1,
        padding: Padding::Zero,
        bias: false,
        backward: false,
        epilogue: Epilogue::none(),
    });
    b.push_into(&[y], op, &[x, weight.unwrap()]).unwrap();
}

pub fn random_graph(rng: &mut SmallRng, name: &str) -> Graph {
    let mut b = GraphBuilder::new(name);
    let shape = Shape::new(rng.random_range(1..3), 4 * rng.random_range(1..4), 4, 4);
    let input = b.value(&format!("{name}.x"), shape, Role::Input, Element::F32);
    let mut ready = vec![input.unwrap()];
    for index in 0..rng.random_range(1..40) {
        append(&mut b, rng, &mut ready, format!("{name}.v{index}"));
        // Forgetting values ends their lives early; those left live long.
        if ready.len() > 4 && rng.random_bool(0.6) {
            let at = rng.random_range(0..ready.len());
            ready.swap_remove(at);
        }
    }
    let last = *ready.last().expect("never empty");
    let shape = b.shape(last);
    let output = b.value(&format!("{name}.y"), shape, Role::Output, Element::F32);
    b.push_into(&[output.unwrap()], copy(), &[last]).unwrap();
    b.build()
}

/// Up to three phases, and the states that they read before writing them.
pub fn random_graphs(rng: &mut SmallRng) -> (Vec<Graph>, Vec<String>) {
    let graphs: Vec<Graph> = (0..rng.random_range(1..4))
        .map(|phase| random_graph(rng, &format!("phase{phase}")))
        .collect();
    let values = graphs.iter().flat_map(|graph| &graph.values);
    let states = values.filter(|value| value.role == Role::State);
    let states = states.map(|value| value.name.clone()).collect();
    (graphs, states)
}

#[test]
fn live_values_of_random_graphs_never_share() {
    let mut shared = 0;
    for seed in 0..GRAPHS {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (graphs, states) = random_graphs(&mut rng);
        let states: Vec<&str> = states.iter().map(String::as_str).collect();
        let trainable = seed % 4 == 0;
        for setup in setups() {
            let planned = setup.plan(graphs.clone(), trainable);
            let planned = planned.expect("phases go together");
            let faults = planned.faults(&planned.twice(), &states);
            assert!(faults.is_empty(), "seed {seed}, {setup:?}: {faults:#?}");
            planned.program.check().expect("as it was planned");
            let memory = planned.program.memory;
            let bound = lower_bound(&planned);
            assert_eq!(bound, memory.largest_live_set, "seed {seed}, {setup:?}");
            assert!(bound <= memory.temporary_bytes);
            assert!(memory.temporary_bytes <= memory.unshared_bytes);
            shared += u64::from(memory.temporary_bytes < memory.unshared_bytes);
        }
    }
    assert!(shared > GRAPHS, "only {shared} plans share any memory");
}

#[test]
fn the_checker_catches_random_slots() {
    // Temporaries in slots drawn by lot are a fault most of the time; a
    // checker that sees none is blind.
    let setup = Setup::gpu(Precision::F32, false);
    let mut caught = 0;
    for seed in 0..100 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let graphs = vec![random_graph(&mut rng, "phase")];
        let mut planned = setup.plan(graphs, false).unwrap();
        let slots = planned.program.slots.len();
        for value in &mut planned.program.phases[1].values {
            if value.role == Role::Temporary {
                value.slot = rng.random_range(0..slots);
            }
        }
        caught += u32::from(!planned.faults(&planned.twice(), &[]).is_empty());
    }
    assert!(caught > 90, "caught {caught} of 100");
}

#[test]
fn slots_of_random_intervals_do_not_overlap() {
    for seed in 0..GRAPHS {
        let mut rng = SmallRng::seed_from_u64(seed);
        let intervals: Vec<Interval> = (0..rng.random_range(0..60))
            .map(|_| {
                let first = rng.random_range(0..50);
                Interval {
                    first,
                    last: first + rng.random_range(0..12),
                    bytes: 1 << rng.random_range(0..12),
                }
            })
            .collect();
        let (assignment, sizes) = assign_slots(&intervals);
        for (i, a) in intervals.iter().enumerate() {
            assert!(a.bytes <= sizes[assignment[i]], "seed {seed}");
            for (j, b) in intervals.iter().enumerate().skip(i + 1) {
                let apart = a.last < b.first || b.last < a.first;
                assert!(apart || assignment[i] != assignment[j], "seed {seed}");
            }
        }
        let fullest = (0..70)
            .map(|step| {
                let alive = intervals
                    .iter()
                    .filter(|i| (i.first..=i.last).contains(&step));
                alive.map(|i| i.bytes).sum::<u64>()
            })
            .max();
        assert_eq!(Some(largest_live_set(&intervals)), fullest, "seed {seed}");
        assert!(sizes.iter().sum::<u64>() >= largest_live_set(&intervals));
    }
}
