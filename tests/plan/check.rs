//! Plans that the planner did not make are noticed.

use srdiff::graph::{
    Element, GraphBuilder, Layout, PlanOptions, Precision, Program, Role, Shape, Storage, plan,
};
use srdiff::ops::{Mish, Op};

/// y = mish(x).
fn program() -> Program {
    let mut b = GraphBuilder::new("phase");
    let shape = Shape::new(1, 4, 3, 2);
    let x = b.value("x", shape, Role::Input, Element::Full).unwrap();
    let y = b.value("y", shape, Role::Output, Element::Full).unwrap();
    b.push_into(&[y], Op::Mish(Mish {}), &[x]).unwrap();
    let options = PlanOptions {
        layout: Layout::ChannelsLast,
        precision: Precision::F32,
    };
    plan(&[b.build()], options).unwrap()
}

fn problem(change: impl FnOnce(&mut Program)) -> String {
    let mut program = program();
    change(&mut program);
    let result = program.phases[0].check();
    result.map_or_else(|error| error.to_string(), |()| "none".to_owned())
}

#[test]
fn what_the_planner_did_not_make_is_noticed() {
    assert_eq!(problem(|_| ()), "none");
    let over = problem(|p| p.phases[0].values[1].storage = p.phases[0].values[0].storage);
    assert_eq!(over, "phase 'phase': mish writes 'y' over 'x'");
    let shape = problem(|p| p.phases[0].values[1].shape.h = 7);
    assert!(shape.contains("mish gives"), "{shape}");
    let missing = problem(|p| p.phases[0].steps[0].inputs[0] = 9);
    assert!(missing.contains("mish has no value 9"), "{missing}");
    let weight = problem(|p| p.phases[0].values[1].storage = Storage::Parameter);
    assert!(weight.contains("mish writes the weight 'y'"), "{weight}");
}
