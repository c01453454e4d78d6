//! One named history for each thing that must, or must not, be possible.

use super::{operation as op, saw, saw_nothing, swapped, wrote};
use crate::linearizable::{Limits, Verdict, check_key};
use crate::operation::Status::{Fail, Mismatch, Ok, Unknown};
use crate::operation::{Kind, Operation};

#[track_caller]
fn is_linearizable(operations: &[Operation]) {
    assert_eq!(check_key(operations, Limits::default()), Verdict::Linearizable);
}

/// Must have no order, and is shown by these operations, named by the time of their call.
#[track_caller]
fn is_violated_by(operations: &[Operation], calls: &[u64]) {
    match check_key(operations, Limits::default()) {
        Verdict::Violation { operations: few } => {
            let few: Vec<u64> = few.iter().map(|operation| operation.call).collect();
            assert_eq!(few, calls);
        }
        verdict @ (Verdict::Linearizable | Verdict::Undecided) => panic!("{verdict:?}"),
    }
}

#[test]
fn nothing_happened() {
    is_linearizable(&[]);
}

#[test]
fn one_after_the_other() {
    is_linearizable(&[
        op(1, 0, 1, saw_nothing(), Ok),
        op(1, 2, 3, wrote("a"), Ok),
        op(2, 4, 5, saw("a"), Ok),
        op(1, 6, 7, Kind::Delete, Ok),
        op(2, 8, 9, saw_nothing(), Ok),
        op(1, 10, 11, wrote("b"), Ok),
        op(2, 12, 13, saw("b"), Ok),
    ]);
}

#[test]
fn a_read_during_a_write_may_see_either() {
    is_linearizable(&[
        op(1, 0, 1, wrote("a"), Ok),
        op(1, 2, 20, wrote("b"), Ok),
        op(2, 3, 5, saw("a"), Ok),
        op(2, 6, 8, saw("b"), Ok),
        op(3, 4, 9, saw("a"), Ok),
    ]);
}

#[test]
fn touching_intervals_are_concurrent() {
    is_linearizable(&[op(1, 0, 5, wrote("a"), Ok), op(2, 5, 6, saw_nothing(), Ok)]);
}

#[test]
fn concurrent_writes_may_be_done_in_the_other_order() {
    is_linearizable(&[
        op(1, 0, 10, wrote("a"), Ok),
        op(2, 1, 9, wrote("b"), Ok),
        op(3, 11, 12, saw("a"), Ok),
        op(3, 13, 14, saw("a"), Ok),
    ]);
}

#[test]
fn an_unknown_write_may_surface_long_after_it_was_given_up() {
    is_linearizable(&[
        op(1, 0, 1, wrote("a"), Ok),
        op(2, 2, 3, wrote("b"), Unknown),
        op(1, 10, 11, saw("a"), Ok),
        op(1, 12, 13, wrote("c"), Ok),
        op(1, 14, 15, saw("c"), Ok),
        op(1, 16, 17, saw("b"), Ok),
    ]);
}

#[test]
fn an_unknown_write_may_never_surface() {
    is_linearizable(&[
        op(1, 0, 1, wrote("a"), Ok),
        op(2, 2, 3, wrote("b"), Unknown),
        op(1, 4, 5, saw("a"), Ok),
        op(1, 6, 7, saw("a"), Ok),
    ]);
}

#[test]
fn an_unknown_delete_explains_an_absence() {
    is_linearizable(&[
        op(1, 0, 1, wrote("a"), Ok),
        op(2, 2, 3, Kind::Delete, Unknown),
        op(1, 4, 5, saw("a"), Ok),
        op(1, 6, 7, saw_nothing(), Ok),
        op(1, 8, 9, wrote("b"), Ok),
        op(1, 10, 11, saw("b"), Ok),
    ]);
}

#[test]
fn two_unknown_deletes_explain_two_absences() {
    is_linearizable(&[
        op(2, 0, 1, Kind::Delete, Unknown),
        op(3, 0, 1, Kind::Delete, Unknown),
        op(1, 2, 3, wrote("a"), Ok),
        op(1, 4, 5, saw_nothing(), Ok),
        op(1, 6, 7, wrote("b"), Ok),
        op(1, 8, 9, saw_nothing(), Ok),
    ]);
}

#[test]
fn a_failed_write_that_no_read_sees() {
    is_linearizable(&[op(1, 0, 1, wrote("a"), Fail), op(1, 2, 3, saw_nothing(), Ok)]);
}

#[test]
fn reads_that_failed_say_nothing() {
    is_linearizable(&[
        op(1, 0, 1, wrote("a"), Ok),
        op(2, 2, 3, saw_nothing(), Unknown),
        op(3, 2, 3, saw_nothing(), Fail),
        op(2, 4, 5, saw("a"), Ok),
    ]);
}

#[test]
fn the_same_value_twice() {
    is_linearizable(&[
        op(1, 0, 1, wrote("a"), Ok),
        op(1, 2, 3, wrote("b"), Ok),
        op(1, 4, 5, wrote("a"), Ok),
        op(1, 6, 7, saw("a"), Ok),
    ]);
}

#[test]
fn a_chain_of_swaps() {
    is_linearizable(&[
        op(1, 0, 1, Kind::Cas { expect: None, value: "a".into() }, Ok),
        op(2, 2, 9, swapped("b", "c"), Ok),
        op(3, 2, 9, swapped("a", "b"), Ok),
        op(1, 10, 11, saw("c"), Ok),
        op(1, 12, 13, swapped("a", "d"), Mismatch),
    ]);
}

#[test]
fn an_unknown_swap_is_proved_by_what_follows() {
    is_linearizable(&[
        op(1, 0, 1, wrote("a"), Unknown),
        op(1, 2, 3, swapped("a", "b"), Unknown),
        op(2, 4, 5, saw("b"), Ok),
    ]);
}

#[test]
fn a_mismatch_may_be_due_to_an_unknown_write() {
    is_linearizable(&[
        op(1, 0, 1, wrote("a"), Ok),
        op(2, 2, 3, wrote("no read looks for this"), Unknown),
        op(1, 4, 5, swapped("a", "c"), Mismatch),
    ]);
}

#[test]
fn stale_read_after_an_acknowledged_write() {
    is_violated_by(
        &[
            op(1, 0, 1, wrote("a"), Ok),
            op(3, 2, 3, saw("a"), Ok),
            op(1, 4, 5, wrote("b"), Ok),
            op(2, 6, 7, saw("a"), Ok),
            op(3, 8, 9, saw("b"), Ok),
        ],
        &[0, 4, 6],
    );
}

#[test]
fn the_new_value_then_the_old_one() {
    is_violated_by(
        &[
            op(1, 0, 1, wrote("a"), Ok),
            op(1, 2, 30, wrote("b"), Ok),
            op(2, 3, 5, saw("b"), Ok),
            op(3, 6, 8, saw("a"), Ok),
        ],
        &[0, 2, 3, 6],
    );
}

#[test]
fn an_acknowledged_write_was_lost() {
    is_violated_by(&[op(1, 0, 1, wrote("a"), Ok), op(2, 2, 3, saw_nothing(), Ok)], &[0, 2]);
}

#[test]
fn a_lost_write_is_shown_without_the_deletes_that_cannot_have_done_it() {
    let mut operations = Vec::new();
    for round in 0..50 {
        let call = round * 4;
        operations.push(op(1, call, call + 1, wrote(&format!("v{round}")), Ok));
        operations.push(op(2, call + 2, call + 3, Kind::Delete, Ok));
    }
    operations.push(op(1, 200, 201, wrote("lost"), Ok));
    operations.push(op(2, 202, 203, saw_nothing(), Ok));
    operations.push(op(2, 204, 205, Kind::Delete, Ok));
    is_violated_by(&operations, &[200, 202]);
    // A delete of unknown outcome may be the reason, and then nothing is wrong.
    operations.push(op(3, 100, 101, Kind::Delete, Unknown));
    is_linearizable(&operations);
}

#[test]
fn a_failed_write_was_seen() {
    is_violated_by(
        &[op(1, 0, 1, wrote("a"), Fail), op(2, 2, 3, saw_nothing(), Ok), op(2, 4, 5, saw("a"), Ok)],
        &[0, 4],
    );
}

#[test]
fn a_value_that_no_client_wrote() {
    is_violated_by(&[op(1, 0, 1, wrote("a"), Ok), op(2, 2, 3, saw("b"), Ok)], &[2]);
}

#[test]
fn a_value_from_the_future() {
    is_violated_by(&[op(2, 0, 1, saw("a"), Ok), op(1, 2, 3, wrote("a"), Ok)], &[0]);
}

#[test]
fn an_unknown_write_flickers() {
    is_violated_by(
        &[
            op(1, 0, 1, wrote("a"), Ok),
            op(2, 2, 3, wrote("b"), Unknown),
            op(1, 4, 5, saw("b"), Ok),
            op(1, 6, 7, saw("a"), Ok),
        ],
        &[0, 2, 4, 6],
    );
}

#[test]
fn an_unknown_write_surfaces_twice() {
    is_violated_by(
        &[
            op(2, 0, 1, wrote("a"), Unknown),
            op(1, 2, 3, wrote("b"), Ok),
            op(1, 4, 5, saw("a"), Ok),
            op(1, 6, 7, wrote("c"), Ok),
            op(1, 8, 9, saw("a"), Ok),
        ],
        &[0, 4, 6, 8],
    );
}

#[test]
fn one_unknown_delete_cannot_explain_two_absences() {
    is_violated_by(
        &[
            op(2, 0, 1, Kind::Delete, Unknown),
            op(1, 2, 3, wrote("a"), Ok),
            op(1, 4, 5, saw_nothing(), Ok),
            op(1, 6, 7, wrote("b"), Ok),
            op(1, 8, 9, saw_nothing(), Ok),
        ],
        &[0, 2, 4, 6, 8],
    );
}

#[test]
fn a_deleted_value_comes_back() {
    is_violated_by(
        &[op(1, 0, 1, wrote("a"), Ok), op(1, 2, 3, Kind::Delete, Ok), op(2, 4, 5, saw("a"), Ok)],
        &[0, 2, 4],
    );
}

#[test]
fn two_swaps_won_the_same_value() {
    is_violated_by(
        &[
            op(1, 0, 1, wrote("a"), Ok),
            op(2, 2, 9, swapped("a", "b"), Ok),
            op(3, 2, 9, swapped("a", "c"), Ok),
        ],
        &[0, 2, 2],
    );
}

#[test]
fn a_mismatch_with_what_was_there() {
    is_violated_by(&[op(1, 0, 1, wrote("a"), Ok), op(2, 2, 3, swapped("a", "b"), Mismatch)], &[0, 2]);
}

#[test]
fn too_few_steps_are_undecided() {
    let mut operations: Vec<Operation> =
        (0..8).map(|client| op(client, 0, 9, wrote(&client.to_string()), Ok)).collect();
    operations.push(op(8, 10, 11, saw("0"), Ok));
    is_linearizable(&operations);
    assert_eq!(check_key(&operations, Limits { steps_max: 1 }), Verdict::Undecided);
}
