//! How values share slots.

use srdiff::plan::{Interval, assign_slots, largest_live_set};

fn interval(first: usize, last: usize, bytes: u64) -> Interval {
    Interval { first, last, bytes }
}

#[test]
fn chain_needs_two_slots() {
    let chain: Vec<_> = (0..10).map(|i| interval(i, i + 1, 100)).collect();
    let (assignment, sizes) = assign_slots(&chain);
    assert_eq!(sizes, [100, 100]);
    for pair in assignment.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
    assert_eq!(largest_live_set(&chain), 200);
}

#[test]
fn touching_lives_do_not_share() {
    // A node reads its operand while it writes its result.
    let (assignment, _) = assign_slots(&[interval(0, 3, 8), interval(3, 4, 8)]);
    assert_ne!(assignment[0], assignment[1]);
    let (assignment, _) = assign_slots(&[interval(0, 3, 8), interval(4, 4, 8)]);
    assert_eq!(assignment[0], assignment[1]);
}

#[test]
fn small_values_take_the_tightest_free_slot() {
    let lives = [interval(0, 0, 100), interval(0, 0, 10), interval(1, 1, 9)];
    let (assignment, sizes) = assign_slots(&lives);
    assert_eq!(sizes, [100, 10]);
    assert_eq!(assignment[2], assignment[1]);
}
