//! Does the majority side go on serving? Of what is asked there after detection, 99 % must succeed.
//!
//! ```text
//!   strike |-- detection --|======== counted ========| heal
//!   n1     cut off, killed or stopped
//!   n2 n3  asked, for reads and writes at a quorum or below
//! ```
//!
//! Only strikes count that leave every key a quorum of its owners on one side, which the event says, and that are alone:
//! no other fault is in force from the strike to the heal. A request belongs to the moment of its call. One for more
//! owners than a quorum is not counted: an owner is missing, and it must fail.
//!
//! Known limit: a segment whose faults overlap all the time, or are healed before they are detected, counts nothing; the
//! figures say how many requests they rest on.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::outcome::{COPIES, TOO_OLD};
use crate::record::{EventKind, EventRecord};
use quorate_checkers::history::History;
use quorate_checkers::operation::{Operation, Status};

/// How long a node that has fallen silent may hold up others: peers give it up after 3 s of silence (`peers.silence`),
/// and a peer may have heard its last beat up to 1 s late (`peers.keepalive`).
pub const DETECTION: Duration = Duration::from_secs(4);

/// The same for a process that was killed. The kernel closes its connections, which its peers see at once; what is left
/// is the time of requests that it was answering.
pub const DETECTION_OF_A_KILL: Duration = Duration::from_secs(1);

/// Of a hundred requests so many must succeed.
pub const PERCENT_MIN: f64 = 99.0;

/// Of fewer requests a share says nothing: one that fails may be more than a hundredth.
pub const REQUESTS_MIN: u64 = 200;

/// What the majority side did under one fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// The fault.
    pub fault: String,
    /// How many strikes were long enough, and alone.
    pub strikes: u32,
    /// Requests that were made of the majority side meanwhile.
    pub requests: u64,
    /// How many of them succeeded.
    pub succeeded: u64,
}

impl Served {
    /// The share that succeeded, in percent; of nothing, all of it.
    pub fn percent(&self) -> f64 {
        if self.requests == 0 { 100.0 } else { 100.0 * self.succeeded as f64 / self.requests as f64 }
    }

    /// What is wrong, in a sentence, if enough was asked to say it.
    pub fn misdeed(&self) -> Option<String> {
        let is_too_little = self.requests >= REQUESTS_MIN && self.percent() < PERCENT_MIN;
        is_too_little.then(|| {
            format!(
                "under {} the majority side served {:.2} % of {} requests after detection, below {PERCENT_MIN} %",
                self.fault,
                self.percent(),
                self.requests
            )
        })
    }
}

/// What the majority side did under each fault that left one, in the order of their names. The events are in the order
/// of their times.
pub fn judge(history: &History, events: &[EventRecord]) -> Vec<Served> {
    let mut all: Vec<Served> = Vec::new();
    for (at, strike) in events.iter().enumerate() {
        let Some((from, to)) = counted(events, at) else { continue };
        let place = all.binary_search_by(|served| served.fault.cmp(&strike.fault)).unwrap_or_else(|place| {
            all.insert(place, Served { fault: strike.fault.clone(), ..Served::default() });
            place
        });
        let served = &mut all[place];
        served.strikes += 1;
        let mut seen = BTreeSet::new();
        for operation in &history.operations {
            let is_counted = (from..to).contains(&operation.call) && belongs(operation, &strike.majority);
            // Many keys that were asked for in one request are one.
            if is_counted && seen.insert((operation.client, operation.call)) {
                served.requests += 1;
                served.succeeded += u64::from(is_served(operation));
            }
        }
    }
    all
}

/// From when to when a strike counts, if this event is one that does.
fn counted(events: &[EventRecord], at: usize) -> Option<(u64, u64)> {
    let strike = &events[at];
    if strike.kind != EventKind::Strike || strike.majority.is_empty() {
        return None;
    }
    let is_heal = |event: &&EventRecord| event.kind == EventKind::Heal && event.fault == strike.fault;
    let heal = events[at..].iter().find(is_heal)?;
    let detection = if strike.fault.starts_with("kill") { DETECTION_OF_A_KILL } else { DETECTION };
    let from = strike.at + u64::try_from(detection.as_nanos()).expect("seconds fit");
    let is_alone = others_in_force(&events[..at], &strike.fault).is_empty()
        && !events[at..].iter().any(|event| event.at < heal.at && event.fault != strike.fault);
    (is_alone && from < heal.at).then_some((from, heal.at))
}

/// Other faults that have struck, or may have, and have not recovered after all that.
fn others_in_force<'a>(before: &'a [EventRecord], fault: &str) -> BTreeSet<&'a str> {
    let mut in_force = BTreeSet::new();
    for event in before.iter().filter(|event| event.fault != fault) {
        match event.kind {
            EventKind::Strike | EventKind::Trouble => in_force.insert(event.fault.as_str()),
            EventKind::Heal | EventKind::Whole => false,
            EventKind::Recovered => in_force.remove(event.fault.as_str()),
        };
    }
    in_force
}

/// Whether it was answered. That an operation id is too old is an answer, and the right one to a retry of long ago.
fn is_served(operation: &Operation) -> bool {
    match operation.status {
        Status::Ok | Status::Mismatch => true,
        Status::Fail | Status::Unknown => operation.detail.refusal.as_deref() == Some(TOO_OLD),
    }
}

/// Whether an operation was asked of one of these nodes, of no more owners than a quorum, while clients worked.
fn belongs(operation: &Operation, majority: &[String]) -> bool {
    let is_there = operation.detail.node.is_some_and(|node| majority.contains(&format!("n{node}")));
    let owners = operation.detail.level.map_or(0, |level| level.owners(COPIES));
    is_there && !operation.closing && owners <= COPIES / 2 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_checkers::level::Level;
    use quorate_checkers::operation::{Detail, Kind};

    const SECOND: u64 = 1_000_000_000;

    fn event(at: u64, kind: EventKind, fault: &str) -> EventRecord {
        let is_strike = kind == EventKind::Strike;
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        EventRecord {
            at: at * SECOND,
            kind,
            fault: fault.into(),
            nodes: Vec::new(),
            majority: if is_strike { names(&["n1", "n2"]) } else { Vec::new() },
            what: String::new(),
        }
    }

    fn operation(call: u64, node: u16, level: Level, status: Status) -> Operation {
        Operation {
            detail: Detail { node: Some(node), level: Some(level), ..Detail::default() },
            ..Operation::new(1, "k", Kind::Delete, call, Some(call + 1), status)
        }
    }

    /// A hundred requests a second for twenty seconds; so many of a hundred fail from the sixth second on.
    fn history(failing: u64, node: u16, level: Level) -> History {
        let status = |number| {
            let fails = number >= 600 && number % 100 < failing;
            if fails { Status::Fail } else { Status::Ok }
        };
        let all = (0..2_000).map(|number| operation(number * SECOND / 100, node, level, status(number)));
        History { operations: all.collect() }
    }

    fn alone(fault: &str) -> Vec<EventRecord> {
        use EventKind::{Heal, Recovered, Strike};
        vec![event(4, Strike, fault), event(12, Heal, fault), event(13, Recovered, fault)]
    }

    #[test]
    fn a_majority_that_serves_is_as_expected() {
        let served = judge(&history(1, 1, Level::Quorum), &alone("partition-one"));
        assert_eq!((served[0].strikes, served[0].requests, served[0].succeeded), (1, 400, 396));
        assert_eq!(served[0].misdeed(), None);
    }

    #[test]
    fn a_majority_that_does_not_serve_is_told() {
        let served = judge(&history(2, 1, Level::Quorum), &alone("partition-one"));
        let said = served[0].misdeed().expect("98 % are too few");
        assert!(said.contains("partition-one") && said.contains("98.00 % of 400"), "{said}");
    }

    #[test]
    fn an_operation_id_that_is_too_old_is_answered() {
        let mut history = history(50, 1, Level::Quorum);
        for operation in history.operations.iter_mut().filter(|one| one.status == Status::Fail) {
            operation.detail.refusal = Some(TOO_OLD.to_owned());
        }
        assert_eq!(judge(&history, &alone("partition-one"))[0].misdeed(), None);
    }

    #[test]
    fn a_kill_is_detected_sooner() {
        assert_eq!(judge(&history(0, 1, Level::One), &alone("kill"))[0].requests, 700);
    }

    #[test]
    fn what_is_asked_elsewhere_or_of_all_owners_does_not_count() {
        for history in [history(50, 3, Level::Quorum), history(50, 1, Level::All)] {
            let served = judge(&history, &alone("pause"));
            assert_eq!((served[0].requests, served[0].misdeed()), (0, None));
        }
    }

    #[test]
    fn a_strike_beside_another_does_not_count() {
        let meanwhile = event(6, EventKind::Strike, "loss");
        let before = event(2, EventKind::Strike, "loss");
        let over = event(3, EventKind::Recovered, "loss");
        let with = |more: &[EventRecord]| {
            let mut events = [more, &alone("pause")].concat();
            events.sort_by_key(|event| event.at);
            judge(&history(50, 1, Level::Quorum), &events)
        };
        assert!(with(&[meanwhile]).iter().all(|served| served.fault != "pause"));
        assert!(with(std::slice::from_ref(&before)).iter().all(|served| served.fault != "pause"));
        assert!(with(&[before, over]).iter().any(|served| served.misdeed().is_some()));
    }

    #[test]
    fn a_strike_without_a_majority_or_a_heal_does_not_count() {
        let mut events = alone("kill");
        events[0].majority.clear();
        assert!(judge(&history(50, 1, Level::Quorum), &events).is_empty());
        assert!(judge(&history(50, 1, Level::Quorum), &alone("kill")[..1]).is_empty());
    }
}
