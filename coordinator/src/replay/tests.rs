//! One owner's replay, told step by step what its actions came to.

use super::*;
use crate::context::Timing;
use crate::story::{plan_of_sets, record_of};
use quorate_model::{Epoch, Held, Interval, Request, Rules, SortKey, TableId, WallTime};
use quorate_ring::Plan;

/// Every key's owners are these; one of them may seem down, or the table be gone.
#[derive(Default)]
struct Known {
    down: Option<NodeId>,
    dropped: bool,
    /// Whether the shard has moved: the node that the hints are for owns nothing of it any more.
    moved: bool,
}

impl Plans for Known {
    fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    fn plan(&self, _: TableId, sort_key: &SortKey) -> Option<Plan> {
        let mut plan = plan_of_sets(if self.moved { &[&[1, 3, 4]] } else { &[&[1, 2, 3]] });
        plan.place.sort_key = sort_key.clone();
        for candidate in &mut plan.candidates {
            candidate.alive = Some(candidate.node) != self.down;
        }
        (!self.dropped).then_some(plan)
    }

    fn plan_of_range(&self, table: TableId, range: &Interval, _: bool) -> Option<Plan> {
        self.plan(table, &range.start)
    }

    fn plan_by(&self, _: TableId, _: &SortKey, _: &quorate_model::ShardNow) -> Option<Plan> {
        None
    }

    fn is_dropped(&self, _: TableId) -> bool {
        self.dropped
    }
}

const OWNER: NodeId = NodeId(2);
const AT: Now = Now { instant: Instant(7), wall: WallTime(0) };

fn hint(key: u8, seq: u64) -> Hint {
    Hint { table: TableId(1), sort_key: SortKey::new(vec![key]), record: record_of(seq, "x") }
}

fn written(held: Held) -> Reply {
    Reply::Written { held }
}

/// A replay whose first page of these hints has been read.
struct Told(Replay, Known, Vec<Action>);

impl Told {
    fn a_page_of(hints: &[Hint], known: Known) -> Self {
        let mut told = Self::new(known);
        let looked = told.step(Input::Look(Look::of(vec![OWNER])));
        assert!(matches!(looked[..], [Action::Page { owner: OWNER, after: None, .. }]), "{looked:?}");
        told.2 = told.step(Input::Page(OWNER, Ok(hints.to_vec())));
        told
    }

    /// The same on a node that is to leave, with these members as keepers; the owner is away.
    fn a_page_of_one_away(hints: &[Hint], keepers: &[u64], known: Known) -> Self {
        let mut told = Self::new(known);
        let looked = told.step(Input::Look(leaving(keepers)));
        assert!(matches!(looked[..], [Action::Page { owner: OWNER, after: None, .. }]), "{looked:?}");
        told.2 = told.step(Input::Page(OWNER, Ok(hints.to_vec())));
        told
    }

    fn new(known: Known) -> Self {
        let context = Context { local: NodeId(1), rules: Rules::INTACT, timing: Timing::default() };
        let limits = ReplayLimits { repairs_running_max: 1, ..ReplayLimits::default() };
        Self(Replay::new(context, limits), known, Vec::new())
    }

    fn step(&mut self, input: Input) -> Vec<Action> {
        self.step_at(AT, input)
    }

    fn step_at(&mut self, now: Now, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        self.0.step(now, input, &self.1, &mut actions);
        actions
    }

    fn replied(&mut self, replies: Vec<Reply>) -> Vec<Action> {
        assert!(matches!(self.2[..], [Action::Send { owner: OWNER, .. }]), "{:?}", self.2);
        self.step(Input::Replies(OWNER, Some(replies)))
    }

    fn answered(&mut self, number: u32, acks: u8) -> Vec<Action> {
        let guarantee = quorate_model::Guarantee::Linearizable;
        let (required, n, repaired) = (3, 3, 0);
        let (record, sealed, lowered, replicas) = (None, None, None, Vec::new());
        let answer =
            crate::GetAnswer { record, sealed, guarantee, lowered, acks, required, n, repaired, replicas };
        self.step(Input::Read(OWNER, number, Some(Ok(answer))))
    }
}

/// What a node sees that is to leave, while the owner is away.
fn leaving(keepers: &[u64]) -> Look {
    let keepers = keepers.iter().copied().map(NodeId).collect();
    Look { reachable: Vec::new(), away: vec![OWNER], keepers }
}

/// Who is asked to keep how many hints for the owner.
fn kept_by(actions: &[Action]) -> (u64, usize) {
    let [Action::Send { owner: OWNER, to, requests, .. }] = actions else { panic!("{actions:?}") };
    let is_hint = |request: &Request| matches!(request, Request::Hint { owner: OWNER, .. });
    assert!(requests.iter().all(is_hint), "{requests:?}");
    (to.0, requests.len())
}

fn erased(actions: &[Action]) -> &[Hint] {
    let [Action::Erase { hints, .. }] = actions else { panic!("{actions:?}") };
    hints
}

fn ended(actions: &[Action]) -> Option<&Pause> {
    let [Action::Ended { pause, .. }] = actions else { panic!("{actions:?}") };
    pause.as_ref()
}

#[test]
fn what_the_owner_acknowledged_is_erased_and_the_next_page_follows() {
    let (a, b) = (hint(1, 1), hint(2, 5));
    let mut told = Told::a_page_of(&[a.clone(), b.clone()], Known::default());
    let full = Reply::Refused(Refusal::DiskFull);
    assert_eq!(erased(&told.replied(vec![written(a.record.held()), full])), std::slice::from_ref(&a));
    let next = told.step(Input::Erased(OWNER, Ok(1)));
    let [Action::Page { after, .. }] = &next[..] else { panic!("{next:?}") };
    assert_eq!(*after, Some((b.table, b.sort_key)), "behind the last of the page, erased or not");
    let ended = told.step(Input::Page(OWNER, Ok(Vec::new())));
    assert!(matches!(ended[..], [Action::Ended { handed_over: 1, pause: None, .. }]), "{ended:?}");
}

#[test]
fn an_owner_that_takes_nothing_is_left_alone() {
    let refusal = Reply::Refused(Refusal::Overloaded);
    let mut told = Told::a_page_of(&[hint(1, 1)], Known::default());
    assert_eq!(ended(&told.replied(vec![refusal.clone()])), Some(&Pause::Refused(Box::new(refusal))));
    let mut told = Told::a_page_of(&[hint(1, 1)], Known::default());
    assert_eq!(ended(&told.step(Input::Replies(OWNER, None))), Some(&Pause::Away));
    let mut told = Told::a_page_of(&[hint(1, 1)], Known::default());
    assert_eq!(ended(&told.replied(Vec::new())), Some(&Pause::Away), "an answer to another batch");
    let mut told = Told::a_page_of(&[hint(1, 1)], Known::default());
    assert_eq!(ended(&told.step(Input::Failed(OWNER))), Some(&Pause::Away));
    assert!(
        matches!(told.step(Input::Look(Look::of(vec![OWNER])))[..], [Action::Page { .. }]),
        "until the next look"
    );
}

#[test]
fn an_owner_at_work_is_not_begun_again() {
    let mut told = Told::a_page_of(&[hint(1, 1)], Known::default());
    assert_eq!(told.0.wake_at(), AT.instant + LOOK_EVERY);
    assert!(told.step(Input::Look(Look::of(vec![OWNER]))).is_empty());
}

#[test]
fn an_overtaken_hint_is_erased_once_a_read_saw_all_owners_agree() {
    let later = record_of(9, "later").held();
    for (acks, is_done) in [(3, true), (2, false)] {
        let (a, b) = (hint(1, 1), hint(2, 1));
        let mut told = Told::a_page_of(&[a.clone(), b.clone()], Known::default());
        let reads = told.replied(vec![written(a.record.held()), written(later)]);
        let [Action::Read { number, plan, .. }] = &reads[..] else { panic!("{reads:?}") };
        assert_eq!(plan.place.sort_key, b.sort_key);
        let erased_then = if is_done { vec![a, b] } else { vec![a] };
        assert_eq!(erased(&told.answered(*number, acks)), erased_then);
    }
}

#[test]
fn reads_have_a_limit_and_wait_for_owners_that_are_down() {
    let later = || written(record_of(9, "later").held());
    let mut told = Told::a_page_of(&[hint(1, 1), hint(2, 1)], Known::default());
    let first = told.replied(vec![later(), later()]);
    assert!(matches!(first[..], [Action::Read { number: 0, .. }]), "one at a time: {first:?}");
    let second = told.answered(0, 2);
    assert!(matches!(second[..], [Action::Read { number: 1, .. }]), "{second:?}");
    assert!(told.answered(0, 3).is_empty(), "it was answered before");
    let down = Known { down: Some(NodeId(3)), ..Known::default() };
    let mut told = Told::a_page_of(&[hint(1, 1)], down);
    let next = told.replied(vec![later()]);
    assert!(matches!(next[..], [Action::Page { after: Some(_), .. }]), "the hint stays: {next:?}");
}

#[test]
fn hints_of_a_table_that_is_gone_are_erased_unsent() {
    let told = Told::a_page_of(&[hint(1, 1)], Known { dropped: true, ..Known::default() });
    assert_eq!(erased(&told.2), [hint(1, 1)]);
}

#[test]
fn a_hint_for_a_former_owner_goes_to_a_present_one_and_stays_until_all_of_them_hold_it() {
    let moved = |down| Known { down, moved: true, ..Known::default() };
    let (a, b) = (hint(1, 1), hint(2, 5));
    let mut told = Told::a_page_of(&[a.clone(), b.clone()], moved(None));
    let [Action::Send { owner: OWNER, to: NodeId(1), requests, .. }] = &told.2[..] else {
        panic!("{:?}", told.2)
    };
    assert_eq!(requests.len(), 2);
    // One of them is refused, and stays.
    let refused = Reply::Refused(Refusal::Overloaded);
    let reads = told.replied(vec![written(a.record.held()), refused]);
    let [Action::Read { number, plan, .. }] = &reads[..] else { panic!("{reads:?}") };
    assert_eq!(plan.place.sort_key, a.sort_key);
    assert_eq!(erased(&told.answered(*number, 3)), std::slice::from_ref(&a));

    let mut told = Told::a_page_of(std::slice::from_ref(&a), moved(None));
    let reads = told.replied(vec![written(a.record.held())]);
    assert!(matches!(reads[..], [Action::Read { .. }]), "{reads:?}");
    let next = told.answered(0, 2);
    assert!(
        matches!(next[..], [Action::Page { after: Some(_), .. }]),
        "one does not hold it: it stays: {next:?}"
    );

    let mut told = Told::a_page_of(std::slice::from_ref(&a), moved(None));
    let next = told.step(Input::Replies(OWNER, None));
    assert!(matches!(next[..], [Action::Page { after: Some(_), .. }]), "no answer: it stays: {next:?}");

    let told = Told::a_page_of(std::slice::from_ref(&a), moved(Some(NodeId(1))));
    assert!(matches!(told.2[..], [Action::Send { to: NodeId(3), .. }]), "one that is up: {:?}", told.2);
}

#[test]
fn a_disk_that_fails_here_ends_it() {
    let mut told = Told::a_page_of(&[hint(1, 1)], Known::default());
    told.replied(vec![written(hint(1, 1).record.held())]);
    let failed = told.step(Input::Erased(OWNER, Err(Refusal::Doubtful)));
    assert_eq!(ended(&failed), Some(&Pause::Here(Refusal::Doubtful)));
}

#[test]
fn what_a_leaver_can_not_hand_over_is_erased_once_another_member_keeps_it() {
    let (a, b) = (hint(1, 1), hint(2, 5));
    let mut told = Told::a_page_of_one_away(&[a.clone(), b.clone()], &[4, 3], Known::default());
    assert_eq!(kept_by(&told.2), (3, 2), "an owner of the keys first, and nothing is erased yet");
    let full = Reply::Refused(Refusal::Overloaded);
    let next = told.step(Input::Replies(OWNER, Some(vec![Reply::Hinted, full])));
    assert_eq!(kept_by(&next), (4, 1), "the next for what the first had no room for");
    assert_eq!(erased(&told.step(Input::Replies(OWNER, Some(vec![Reply::Hinted])))), [a.clone(), b]);
    let next = told.step(Input::Erased(OWNER, Ok(2)));
    assert!(matches!(next[..], [Action::Page { after: Some(_), .. }]), "{next:?}");
    told.2 = told.step(Input::Page(OWNER, Ok(vec![hint(3, 1)])));
    assert_eq!(kept_by(&told.2), (4, 1), "who has refused is asked for nothing more");
    told.step(Input::Replies(OWNER, Some(vec![Reply::Hinted])));
    told.step(Input::Erased(OWNER, Ok(1)));
    let ended = told.step(Input::Page(OWNER, Ok(Vec::new())));
    assert!(matches!(ended[..], [Action::Ended { handed_over: 3, pause: None, .. }]), "{ended:?}");

    let known = Known { down: Some(NodeId(3)), ..Known::default() };
    let mut told = Told::a_page_of_one_away(std::slice::from_ref(&a), &[4, 3], known);
    assert_eq!(kept_by(&told.2), (4, 1), "an owner that seems down is one of many");
    assert_eq!(kept_by(&told.step(Input::Replies(OWNER, None))), (3, 1), "no answer: the hint is still here");
    assert_eq!(erased(&told.step(Input::Replies(OWNER, Some(vec![Reply::Hinted])))), [a]);
}

#[test]
fn where_no_member_has_room_the_hints_stay_and_they_are_asked_again_later() {
    let full = Reply::Refused(Refusal::Overloaded);
    let mut told = Told::a_page_of_one_away(&[hint(1, 1)], &[3], Known::default());
    let stays = told.step(Input::Replies(OWNER, Some(vec![full.clone()])));
    assert_eq!(ended(&stays), Some(&Pause::Unkept(Some(Box::new(full)))));
    assert!(told.step(Input::Look(leaving(&[3]))).is_empty(), "not at once");
    let later = Now { instant: AT.instant + KEEP_AGAIN, ..AT };
    assert!(matches!(told.step_at(later, Input::Look(leaving(&[3])))[..], [Action::Page { .. }]));
    let mut told = Told::a_page_of_one_away(&[hint(1, 1)], &[3], Known::default());
    assert_eq!(ended(&told.step(Input::Replies(OWNER, None))), Some(&Pause::Unkept(None)));
    let mut stays = Told::new(Known::default());
    assert!(stays.step(Input::Look(leaving(&[]))).is_empty(), "one that stays asks none");
}

/// The owner is there and holds something higher, which another owner that is away may lack.
#[test]
fn a_leaver_waits_for_no_owner_that_a_read_would_need() {
    let known = Known { down: Some(NodeId(3)), ..Known::default() };
    let mut told = Told::new(known);
    told.step(Input::Look(Look {
        reachable: vec![OWNER],
        away: Vec::new(),
        keepers: vec![NodeId(2), NodeId(4)],
    }));
    told.2 = told.step(Input::Page(OWNER, Ok(vec![hint(1, 1)])));
    let next = told.replied(vec![written(record_of(9, "later").held())]);
    assert_eq!(kept_by(&next), (4, 1), "not the owner itself");
    assert_eq!(erased(&told.step(Input::Replies(OWNER, Some(vec![Reply::Hinted])))), [hint(1, 1)]);
}
