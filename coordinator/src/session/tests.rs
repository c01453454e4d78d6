//! Sessions of a machine that writes down what it is told, with a catalog that each test advances.

use super::*;
use crate::story::plan_of_sets;
use quorate_model::Interval;

/// A catalog at an epoch, in which the key's shard is of another.
struct Known {
    catalog: Epoch,
    shard: Epoch,
}

impl Plans for Known {
    fn epoch(&self) -> Epoch {
        self.catalog
    }

    fn plan(&self, _: TableId, _: &SortKey) -> Option<Plan> {
        let mut plan = plan_of_sets(&[&[2]]);
        plan.place.epoch = self.shard;
        Some(plan)
    }

    fn plan_of_range(&self, table: TableId, range: &Interval, _: bool) -> Option<Plan> {
        self.plan(table, &range.start)
    }

    fn plan_by(&self, _: TableId, _: &SortKey, now: &ShardNow) -> Option<Plan> {
        let mut plan = plan_of_sets(&[&[2]]);
        plan.place.epoch = now.epoch;
        Some(plan)
    }

    fn is_dropped(&self, _: TableId) -> bool {
        false
    }
}

/// Sends one call at its start and notes what it hears; done when it is told to be.
#[derive(Default)]
struct Probe {
    heard: Vec<String>,
    wake_at: Option<Instant>,
    ends: bool,
}

impl Machine for Probe {
    type Request = Request;
    type Answer = ();

    fn step(&mut self, _: Now, input: Input, effects: &mut Vec<Effect<()>>) {
        match input {
            Input::Start => {
                let request = Request::Ask { at: plan_of_sets(&[&[2]]).place };
                effects.push(Effect::Send { call: Call(1), to: NodeId(2), request });
            }
            Input::Reply { call, reply } => self.heard.push(format!("{} {reply:?}", call.0)),
            Input::Failed { call, failure, newer } => {
                let newer = newer.map(|plan| plan.place.epoch.0);
                self.heard.push(format!("{} {failure:?} newer={newer:?}", call.0));
            }
            Input::Tick => self.heard.push("tick".to_owned()),
        }
        if self.ends {
            effects.push(Effect::Done);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.wake_at
    }
}

fn at(micros: u64) -> Now {
    Now { instant: Instant(micros), wall: quorate_model::WallTime(0) }
}

/// A session whose machine has made its one call, under epoch 1, when its client waits until `deadline`.
fn begun(deadline: u64) -> (Session<Probe>, Vec<Action<()>>) {
    let place = plan_of_sets(&[&[2]]).place;
    let subject =
        Subject { table: place.table, at: Position::Key(place.sort_key), deadline: Instant(deadline) };
    let mut session = Session::new(Probe::default(), subject, Rules::INTACT);
    let mut actions = Vec::new();
    session.start(at(0), &mut actions);
    (session, actions)
}

fn stale(current: u64) -> Reply {
    Reply::Refused(Refusal::Stale { current: Epoch(current) })
}

const OLD: Known = Known { catalog: Epoch(1), shard: Epoch(1) };
const LATER: Known = Known { catalog: Epoch(3), shard: Epoch(1) };
const NEWER: Known = Known { catalog: Epoch(3), shard: Epoch(3) };

fn heard(session: &mut Session<Probe>) -> Vec<String> {
    std::mem::take(&mut session.machine_mut().heard)
}

#[test]
fn a_call_may_outlive_the_client() {
    for (deadline, expected) in [(10, CALL_TIMEOUT_MIN.0), (9_000_000, 9_000_000)] {
        let (_, actions) = begun(deadline);
        let [Action::Send { deadline, .. }] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!(*deadline, Instant(expected));
    }
}

#[test]
fn a_call_ends_once() {
    let (mut session, mut actions) = begun(10);
    session.ended(at(1), Call(1), Ok(Reply::Hinted.into()), &OLD, &mut actions);
    session.ended(at(2), Call(1), Err(Failure::Lost), &OLD, &mut actions);
    session.ended(at(2), Call(7), Ok(Reply::Hinted.into()), &OLD, &mut actions);
    assert_eq!(heard(&mut session), ["1 Hinted"]);
}

#[test]
fn a_broken_disk_is_a_lost_call_and_a_refusal_is_a_refusal() {
    let (mut session, mut actions) = begun(10);
    session.ended(at(1), Call(1), Ok(Reply::Broken.into()), &NEWER, &mut actions);
    assert_eq!(heard(&mut session), ["1 Lost newer=None"]);
    let (mut session, mut actions) = begun(10);
    session.ended(at(1), Call(1), Ok(Reply::Refused(Refusal::DiskFull).into()), &NEWER, &mut actions);
    assert_eq!(heard(&mut session), ["1 Refused(DiskFull) newer=None"]);
}

#[test]
fn a_refusal_because_of_the_catalog_brings_the_newest_plan_if_it_differs() {
    let (mut session, mut actions) = begun(10);
    session.ended(at(1), Call(1), Ok(stale(3).into()), &NEWER, &mut actions);
    assert_eq!(heard(&mut session), ["1 Refused(Stale { current: Epoch(3) }) newer=Some(3)"]);
    for (known, newer) in [(&LATER, "None"), (&NEWER, "Some(3)")] {
        let (mut session, mut actions) = begun(10);
        session.ended(at(1), Call(1), Ok(Reply::Refused(Refusal::NotOwner).into()), known, &mut actions);
        assert_eq!(heard(&mut session), [format!("1 Refused(NotOwner) newer={newer}")]);
    }
}

#[test]
fn a_refusal_that_says_what_is_in_force_waits_for_no_catalog() {
    let said = |refusal, epoch| {
        let owner = quorate_model::Owner::unnamed(NodeId(2));
        let interval = quorate_model::Interval::everything();
        let newer =
            ShardNow { index: 0, interval, epoch: Epoch(epoch), sets: vec![vec![owner]], has_losses: None };
        Ok(Said { reply: Reply::Refused(refusal), newer: Some(newer) })
    };
    let stale = Refusal::Stale { current: Epoch(5) };
    for (refusal, known, epoch, expected) in [
        (stale, &OLD, 5, "Some(5)"),
        (Refusal::NotOwner, &OLD, 5, "Some(5)"),
        (stale, &NEWER, 5, "Some(5)"),
        (Refusal::NotOwner, &OLD, 1, "None"),
        (stale, &NEWER, 2, "Some(3)"),
    ] {
        let (mut session, mut actions) = begun(10);
        session.ended(at(1), Call(1), said(refusal, epoch), known, &mut actions);
        let heard = heard(&mut session);
        assert!(heard.len() == 1 && heard[0].ends_with(&format!("newer={expected}")), "{heard:?}");
        assert_eq!(session.awaits(), None);
    }
}

#[test]
fn a_refusal_waits_for_the_catalog_that_its_owner_knows() {
    let (mut session, mut actions) = begun(10);
    session.ended(at(1), Call(1), Ok(stale(3).into()), &OLD, &mut actions);
    session.ended(at(2), Call(1), Err(Failure::Lost), &OLD, &mut actions);
    assert_eq!((heard(&mut session).len(), session.awaits()), (0, Some(Epoch(3))), "it has its answer");
    session.caught_up(at(3), &OLD, &mut actions);
    assert!(heard(&mut session).is_empty(), "another catalog, and not that one");
    session.caught_up(at(4), &NEWER, &mut actions);
    assert_eq!(heard(&mut session), ["1 Refused(Stale { current: Epoch(3) }) newer=Some(3)"]);
    assert_eq!((session.awaits(), session.wake_at()), (None, None));
}

#[test]
fn a_refusal_does_not_wait_for_ever() {
    let (mut session, mut actions) = begun(10);
    session.ended(at(1), Call(1), Ok(stale(3).into()), &OLD, &mut actions);
    assert_eq!(session.wake_at(), Some(Instant(1 + CATALOG_WAIT.0)));
    session.tick(at(CATALOG_WAIT.0), &OLD, &mut actions);
    assert!(heard(&mut session).is_empty(), "neither its time nor the machine's");
    session.tick(at(1 + CATALOG_WAIT.0), &OLD, &mut actions);
    assert_eq!(heard(&mut session), ["1 Refused(Stale { current: Epoch(3) }) newer=None"]);
}

#[test]
fn the_machine_is_woken_when_it_wants_to_be() {
    let (mut session, mut actions) = begun(10);
    session.machine_mut().wake_at = Some(Instant(700_000));
    session.ended(at(1), Call(1), Ok(stale(3).into()), &OLD, &mut actions);
    assert_eq!(session.wake_at(), Some(Instant(1 + CATALOG_WAIT.0)));
    session.tick(at(700_000), &OLD, &mut actions);
    assert_eq!(heard(&mut session), ["1 Refused(Stale { current: Epoch(3) }) newer=None", "tick"]);
}

#[test]
fn nothing_reaches_a_machine_that_is_done() {
    let (mut session, mut actions) = begun(10);
    session.machine_mut().wake_at = Some(Instant(5));
    session.ended(at(1), Call(1), Ok(stale(3).into()), &OLD, &mut actions);
    session.machine_mut().ends = true;
    session.tick(at(6), &OLD, &mut actions);
    assert!(matches!(actions.last(), Some(Action::Done)));
    session.caught_up(at(7), &NEWER, &mut actions);
    session.tick(at(8), &NEWER, &mut actions);
    assert_eq!(
        (heard(&mut session), session.wake_at(), session.awaits()),
        (vec!["tick".to_owned()], None, None)
    );
}

#[test]
fn a_walk_goes_by_what_is_said_of_the_shard_that_it_begins_in() {
    let key = |text: &str| SortKey::new(text.as_bytes().to_vec());
    let between = |start: &str, end: Option<&str>| Interval { start: key(start), end: end.map(key) };
    let found = |reverse: bool, range: Interval, shard: Interval| {
        let now = ShardNow { index: 0, interval: shard, epoch: Epoch(3), sets: Vec::new(), has_losses: None };
        Position::Range { range, reverse }.within(&now)
    };
    let (wide, left, right) = (between("b", Some("y")), between("a", Some("m")), between("m", None));
    assert_eq!(
        found(false, wide.clone(), left.clone()),
        Some(key("b")),
        "whose shard it is, is looked at later"
    );
    assert_eq!(found(true, wide.clone(), right.clone()), Some(key("m")));
    assert_eq!(found(true, wide, left.clone()), None, "it begins in the other");
    assert_eq!(found(true, between("b", Some("m")), right.clone()), None, "the end is behind the range");
    assert_eq!(found(true, between("b", Some("m")), left.clone()), Some(key("a")));
    assert_eq!(
        (found(true, between("b", None), left), found(true, between("b", None), right)),
        (None, Some(key("m")))
    );
}
