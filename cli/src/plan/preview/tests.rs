//! The screen as an operator sees it.

use super::*;
use crate::output::WIDTH;

fn node(number: u64, copies: (u64, u64), gibibytes: (u64, u64), why_unchanged: Option<&str>) -> PlanNode {
    PlanNode {
        node: format!("n{number}"),
        name: format!("n{number}"),
        zone: format!("z{}", number % 3),
        copies_now: copies.0,
        copies_after: copies.1,
        bytes_now: gibibytes.0 << 30,
        bytes_after: gibibytes.1 << 30,
        free_bytes: Some(90 << 30),
        why_unchanged: why_unchanged.map(str::to_owned),
    }
}

/// A fourth node gets its share.
fn growth() -> Plan {
    Plan {
        id: "p-n1-3".to_owned(),
        kind: "add".into(),
        base_epoch: 7,
        made_at: "2026-11-29T11:00:00Z".to_owned(),
        kept_until: "2026-11-29T12:00:00Z".to_owned(),
        shards: 48,
        moves: 48,
        minimum_moves: 48,
        bytes: 48 << 30,
        minimum_bytes: 48 << 30,
        seconds: 768,
        nodes: vec![
            node(1, (64, 48), (64, 48), None),
            node(2, (64, 48), (64, 48), None),
            node(3, (48, 48), (48, 48), Some("it is drained: it keeps what it has and gets nothing")),
            node(4, (0, 48), (0, 48), None),
        ],
        available: "every shard stays readable and writable at its table's levels".to_owned(),
        warnings: vec![
            "table orders has w = all: a shard of it arrives only once 3 of its 3 owners have heard"
                .to_owned(),
        ],
    }
}

#[test]
fn the_preview_says_what_moves_what_it_takes_and_what_to_know() {
    let expected = "\
plan p-n1-3  add: 48 copies of 48 shards move, 48.0 GiB

NODE  ZONE  COPIES  AFTER      DATA     AFTER     NEEDS      FREE
n1    z1        64     48  64.0 GiB  48.0 GiB         -  90.0 GiB
n2    z2        64     48  64.0 GiB  48.0 GiB         -  90.0 GiB
n3    z0        48     48  48.0 GiB  48.0 GiB         -  90.0 GiB
n4    z1         0     48       0 B  48.0 GiB  52.8 GiB  90.0 GiB

moves        48 copies, 48.0 GiB: as few as this can be done with
takes        about 12 m 48 s, at the rate at which a node takes copies in today (64 MiB/s)
space        n4 needs 52.8 GiB and has 90.0 GiB free
meanwhile    every shard stays readable and writable at its table's levels
unchanged    n3: it is drained: it keeps what it has and gets nothing
! know       table orders has w = all: a shard of it arrives only once 3 of its 3 owners have heard";
    assert_eq!(text(&Output::piped(false), &growth()), expected);
}

#[test]
fn more_than_the_fewest_moves_are_said() {
    let plan = Plan { minimum_moves: 40, minimum_bytes: 40 << 30, ..growth() };
    let said = text(&Output::piped(false), &plan);
    assert!(said.contains("48 copies, 48.0 GiB; the fewest possible are 40 copies, 40.0 GiB"), "{said}");
}

#[test]
fn what_is_not_known_is_not_claimed() {
    let mut plan = Plan { bytes: 0, seconds: 0, ..growth() };
    plan.nodes[3].free_bytes = None;
    let said = text(&Output::piped(false), &plan);
    assert!(said.contains("how much is free on n4 is not known"), "{said}");
    assert!(said.contains("its shards are empty, or not counted yet"), "{said}");
}

#[test]
fn a_plan_that_moves_nothing_says_so() {
    let nodes = vec![node(1, (64, 64), (1, 1), Some("what it has is its share already"))];
    let plan = Plan { moves: 0, shards: 0, bytes: 0, nodes, warnings: Vec::new(), ..growth() };
    let said = text(&Output::piped(false), &plan);
    assert!(said.starts_with("plan p-n1-3  add: nothing moves\n"), "{said}");
    assert!(!said.contains("takes") && said.contains("no node needs more"), "{said}");
}

#[test]
fn a_reason_is_said_once() {
    let nodes = (1..=3).map(|number| node(number, (64, 64), (1, 1), Some("it has its share"))).collect();
    let said = text(&Output::piped(false), &Plan { nodes, ..growth() });
    assert!(said.contains("unchanged    n1, n2 and n3: it has its share"), "{said}");
}

/// Longer names and larger numbers than anything should have; and none of it commands the terminal.
#[test]
fn no_line_is_wider_than_the_terminal() {
    let long = "rel-production-eu-west-1-orders-service-quorate-db-0\u{1b}[31m";
    let mut plan = growth();
    for (at, node) in plan.nodes.iter_mut().enumerate() {
        (node.name, node.zone) = (format!("{long}-{at}"), long.to_owned());
        (node.copies_now, node.copies_after) = (3_932_160 + at as u64, 3_932_160);
        (node.bytes_now, node.bytes_after) = (u64::MAX / 2, u64::MAX / 2);
    }
    plan.warnings = vec![format!("{long} ").repeat(9)];
    let said = text(&Output::piped(false), &plan);
    for line in said.lines() {
        assert!(line.chars().count() <= WIDTH, "{} is too wide:\n{said}", line.chars().count());
    }
    assert!(!said.contains('\u{1b}'), "{said}");
}
