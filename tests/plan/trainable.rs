//! Parameters that may change keep memory of their own, and can be packed
//! again.

use super::models::{Case, ORDER, UNWRITTEN, cases, setups};
use srdiff::exec::{Backend, PrepareOptions};
use srdiff::graph::{Element, Graph, GraphBuilder, ParameterError, Parameters, Role, Shape, fuse};
use srdiff::ops::{Linear, Op};
use srdiff::plan::{Format, Owner, PACK, Precision, Program};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

fn parameters(case: &Case) -> BTreeSet<String> {
    let graphs = case.graphs();
    let values = graphs.iter().flat_map(|graph| &graph.values);
    let parameters = values.filter(|value| value.role == Role::Parameter);
    parameters.map(|value| value.name.clone()).collect()
}

/// Names of the tensors that the host can write.
fn tensors(program: &Program) -> BTreeSet<String> {
    let pack = program.phase(PACK).expect("there is always one");
    let states = pack.values.iter().filter(|v| v.role == Role::State);
    let found = states.filter(|v| program.find_persistent(&v.name) == Some(v));
    found.map(|value| value.name.clone()).collect()
}

#[test]
fn parameters_are_states_that_are_packed_again() {
    // Weights are packed, used, and after a step of training packed again.
    let order: Vec<&str> = ORDER.iter().copied().chain(ORDER.iter().copied()).collect();
    for case in cases() {
        for setup in setups() {
            let planned = setup.plan(case.graphs(), true).expect(case.name);
            let faults = planned.faults(&order, UNWRITTEN);
            assert!(faults.is_empty(), "{}, {setup:?}: {faults:#?}", case.name);
            let program = &planned.program;
            assert_eq!(tensors(program), parameters(&case), "{}", case.name);
            let pack = program.phase(PACK).unwrap();
            for value in pack.values.iter().filter(|v| v.role == Role::State) {
                assert_eq!(value.format, Format::TENSOR);
                let owner = &program.slots[value.slot].owner;
                assert_eq!(*owner, Owner::Value(value.name.clone()));
            }
            let fixed = setup.plan(case.graphs(), false).expect(case.name);
            assert!(tensors(&fixed.program).is_empty());
            assert_eq!(fixed.program.phases[1..].len(), program.phases[1..].len());
            let bytes = |program: &Program| program.memory.persistent_bytes;
            assert!(bytes(&fixed.program) < bytes(program));
        }
    }
}

#[test]
fn lowering_says_whether_tensors_may_change() {
    for setup in setups() {
        for trainable in [false, true] {
            let options = PrepareOptions {
                fuse: setup.fuse,
                trainable,
            };
            let prepared = setup.target.prepare(&cases()[3].graphs(), &options);
            let prepared = prepared.unwrap();
            if let Some(lowered) = prepared.lowered() {
                assert_eq!(lowered.trainable, trainable);
                let pack = prepared.program().phase(PACK).unwrap();
                assert_eq!(lowered.weights.len(), pack.nodes.len());
            }
        }
    }
}

/// Weights 1, 2, 3 and a bias of 10.
struct Fixed;

impl Parameters for Fixed {
    fn parameter(&self, name: &str, _: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        Ok(Cow::Borrowed(match name {
            "w" => &[1.0, 2.0, 3.0],
            _ => &[10.0],
        }))
    }
}

/// y = w x + b.
fn linear() -> Graph {
    let mut b = GraphBuilder::new("phase");
    let x = b.value("x", Shape::matrix(1, 3), Role::Input, Element::F32);
    let y = b.value("y", Shape::matrix(1, 1), Role::Output, Element::F32);
    let weight = b.parameter("w", Shape::matrix(1, 3)).unwrap();
    let bias = b.parameter("b", Shape::vector(1)).unwrap();
    let op = Op::Linear(Linear {});
    b.push_into(&[y.unwrap()], op, &[x.unwrap(), weight, bias])
        .unwrap();
    fuse(&b.build())
}

#[test]
fn tensors_can_be_read_written_and_packed_again_on_the_cpu() {
    let backend = Backend::cpu(Precision::F32, Arc::new(Fixed));
    let load = |trainable| {
        let options = PrepareOptions {
            fuse: true,
            trainable,
        };
        backend.load(&[linear()], &options).unwrap()
    };
    let mut trained = load(true);
    assert_eq!(trained.read("w").unwrap(), [1.0, 2.0, 3.0]);
    trained.write("x", &[1.0, 10.0, 100.0]).unwrap();
    trained.run("phase", 0).unwrap();
    assert_eq!(trained.read("y").unwrap(), [331.0]);
    trained.write("w", &[4.0, 5.0, 6.0]).unwrap();
    trained.run("phase", 0).unwrap();
    assert_eq!(trained.read("y").unwrap(), [331.0], "not packed yet");
    trained.run(PACK, 0).unwrap();
    trained.run("phase", 0).unwrap();
    assert_eq!(trained.read("y").unwrap(), [664.0]);

    // Others of the same model keep the weights of the file.
    let mut fixed = load(false);
    fixed.write("x", &[1.0, 10.0, 100.0]).unwrap();
    fixed.run("phase", 0).unwrap();
    assert_eq!(fixed.read("y").unwrap(), [331.0]);
    fixed
        .read("w")
        .map(|_| ())
        .expect_err("it is kept packed alone");
    fixed.run(PACK, 0).expect_err("its weights are shared");
}
