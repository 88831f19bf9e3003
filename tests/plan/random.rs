//! Random graphs: whatever the order of operations, live values never share.

use super::checker::{check, lower_bound};
use super::models::plan_options;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use srdiff::graph::{
    Element, Graph, GraphBuilder, Interval, Role, Shape, ValueId, assign_slots, largest_live_set,
    plan,
};
use srdiff::ops::{Conv2d, Copy, Epilogue, GroupNorm, Mish, Op, Padding, UpsampleNearest};

const GRAPHS: u64 = 300;

/// Appends one random operation on values that hold data.
fn append(b: &mut GraphBuilder, rng: &mut SmallRng, ready: &mut Vec<ValueId>, index: usize) {
    let name = format!("v{index}");
    let x = *ready.choose(rng).expect("never empty");
    let shape = b.shape(x);
    let result = match rng.random_range(0..6) {
        0 => b.push(&name, Op::Mish(Mish {}), &[x]),
        1 => b.push(&name, Op::Copy(Copy {}), &[x]),
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
            let channels = [shape.c, rng.random_range(1..9), shape.c];
            let whole = shape.with_channels(channels.iter().sum());
            let array = b.concat(&name, whole, &channels).unwrap();
            let parts: Vec<ValueId> = (0..3)
                .map(|k| b.segments(&format!("{name}.{k}"), array, k, 1).unwrap())
                .collect();
            b.push_into(&[parts[0]], Op::Copy(Copy {}), &[x]).unwrap();
            convolve(b, parts[0], parts[1]);
            b.push_into(&[parts[2]], Op::Mish(Mish {}), &[parts[0]])
                .unwrap();
            ready.extend(parts);
            Ok(array)
        }
        _ => {
            let channels = rng.random_range(1..20);
            let wide = shape.with_channels(channels);
            let y = b.value(&name, wide, Role::Temporary, Element::Real);
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
        epilogue: Epilogue::none(),
    });
    b.push_into(&[y], op, &[x, weight.unwrap()]).unwrap();
}

fn random_graph(rng: &mut SmallRng, name: &str) -> Graph {
    let mut b = GraphBuilder::new(name);
    let shape = Shape::new(rng.random_range(1..3), rng.random_range(1..10), 4, 4);
    let input = b.value(&format!("{name}.x"), shape, Role::Input, Element::Full);
    let mut ready = vec![input.unwrap()];
    for index in 0..rng.random_range(1..40) {
        append(&mut b, rng, &mut ready, index);
        // Forgetting values ends their lives early; those left live long.
        if ready.len() > 4 && rng.random_bool(0.6) {
            let at = rng.random_range(0..ready.len());
            ready.swap_remove(at);
        }
    }
    let last = *ready.last().expect("never empty");
    let shape = b.shape(last);
    let output = b.value(&format!("{name}.y"), shape, Role::Output, Element::Full);
    b.push_into(&[output.unwrap()], Op::Copy(Copy {}), &[last])
        .unwrap();
    b.build()
}

#[test]
fn live_values_of_random_graphs_never_share() {
    let mut shared = 0;
    for seed in 0..GRAPHS {
        let mut rng = SmallRng::seed_from_u64(seed);
        let graphs: Vec<Graph> = (0..rng.random_range(1..4))
            .map(|phase| random_graph(&mut rng, &format!("phase{phase}")))
            .collect();
        for options in plan_options() {
            let program = plan(&graphs, options).expect("phases go together");
            let faults = check(&graphs, &program, &[]);
            assert!(faults.is_empty(), "seed {seed}, {options:?}: {faults:#?}");
            let memory = program.memory;
            assert!(lower_bound(&graphs, &program) <= memory.temporary_bytes);
            assert!(memory.largest_live_set <= memory.temporary_bytes);
            assert!(memory.temporary_bytes <= memory.unshared_bytes);
            shared += u64::from(memory.temporary_bytes < memory.unshared_bytes);
        }
    }
    assert!(shared > GRAPHS, "only {shared} plans share any memory");
}

#[test]
fn the_checker_catches_random_slots() {
    // Two temporaries that exchange slots are a fault most of the time; a
    // checker that sees none is blind.
    let mut caught = 0;
    for seed in 0..100 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let graphs = [random_graph(&mut rng, "phase")];
        let mut program = plan(&graphs, plan_options()[0]).unwrap();
        let slots = program.slots.len();
        for value in &mut program.phases[0].values {
            if value.role == Role::Temporary
                && let srdiff::graph::Storage::Slot { slot, .. } = &mut value.storage
            {
                *slot = rng.random_range(0..slots);
            }
        }
        caught += u32::from(!check(&graphs, &program, &[]).is_empty());
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
