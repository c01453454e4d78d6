//! Who seems down to whom, in a simulated network that is cut, flaps and falls silent: the product's own judge
//! (`ring::liveness`) on every node, and connections that behave as those of the real transport.
//!
//! What must hold: a member that can't be reached, or does not hear this node, is down within two seconds; one that is
//! there stays up; a link that flaps makes no view flap; and all is up again after the mend. Each of these is shown to
//! notice a judge that breaks it.

use quorate_model::{Instant, NodeId, Span};
use quorate_ring::liveness::{Detector, Limits, Signs, Standing};
use quorate_tests::random::{For, Random};
use std::collections::BTreeMap;

const NODES: u64 = 4;
/// How often each node judges, in milliseconds.
const JUDGE: u64 = 100;
/// How often each node says that it is there.
const ALIVE: u64 = 250;
/// A connection ends after so long a silence.
const SILENCE: u64 = 3_000;
/// In which time a member that is gone must be down.
const NOTICED: u64 = 2_000;
/// In which time all must be up again: the longest time of steadiness, a new connection, and the noticing.
const BACK: u64 = 12_000;
/// Most changes of one member in one view within a minute of flapping.
const CHANGES_MAX: usize = 18;

/// What is done to a link, or a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing is amiss but delays of up to 400 ms.
    None,
    /// Nothing goes from the first to the second.
    OneWay,
    /// The second is killed: its connections are reset.
    Killed,
    /// The second has lost its power: no node is told.
    PowerLost,
    /// The link is cut and mended again and again, in one direction or in both.
    Flapping,
}

/// One direction between two nodes.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    /// When the receiver heard the sender last.
    heard: Option<u64>,
    /// What the sender said last of how long it had not heard the receiver.
    unheard: Option<u64>,
    /// Signs on their way: when they arrive, and what they say.
    sent: Option<(u64, Option<u64>)>,
    cut: bool,
}

struct World {
    now: u64,
    random: Random,
    delay_max: u64,
    ways: BTreeMap<(u64, u64), Way>,
    /// Whether the connection that a node made to another one is up.
    connected: BTreeMap<(u64, u64), bool>,
    gone: Option<(u64, bool)>,
    detectors: BTreeMap<u64, Detector>,
}

impl World {
    fn new(seed: u64, limits: Limits) -> Self {
        let pairs = (1..=NODES)
            .flat_map(|from| (1..=NODES).map(move |to| (from, to)))
            .filter(|(from, to)| from != to);
        let mut random = Random::new(seed, For::Clocks, [7, 7]);
        Self {
            now: 10_000,
            delay_max: *random.pick(&[2, 50, 400]),
            random,
            ways: pairs.clone().map(|pair| (pair, Way::default())).collect(),
            connected: pairs.map(|pair| (pair, true)).collect(),
            gone: None,
            detectors: (1..=NODES).map(|node| (node, Detector::new(limits))).collect(),
        }
    }

    fn is_gone(&self, node: u64) -> bool {
        self.gone.is_some_and(|(gone, _)| gone == node)
    }

    /// One step of 10 ms.
    fn step(&mut self) {
        self.now += 10;
        let now = self.now;
        for pair in self.ways.keys().copied().collect::<Vec<_>>() {
            let (from, to) = pair;
            let back = self.ways[&(to, from)].heard;
            let is_gone = self.is_gone(from) || self.is_gone(to);
            let delay = self.random.between(1, self.delay_max);
            let way = self.ways.get_mut(&pair).expect("a pair");
            if let Some((_, said)) = way.sent.filter(|(at, _)| *at <= now) {
                way.sent = None;
                if !way.cut && !is_gone {
                    (way.heard, way.unheard) = (Some(now), said);
                }
            }
            // Each node has a phase of its own.
            if (now + from * 37 + to * 53) % ALIVE < 10 && way.sent.is_none() && !is_gone {
                way.sent = Some((now + delay, back.map(|back| now - back)));
            }
        }
        for (from, to) in self.connected.keys().copied().collect::<Vec<_>>() {
            let (there, back) = (self.ways[&(from, to)], self.ways[&(to, from)]);
            let reset = self.gone.is_some_and(|(gone, is_reset)| is_reset && gone == to);
            let silent = back.heard.is_some_and(|heard| now - heard >= SILENCE);
            let is_up = self.connected.get_mut(&(from, to)).expect("a pair");
            // A new connection needs both ways.
            *is_up = if *is_up { !reset && !silent } else { !there.cut && !back.cut && self.gone.is_none() };
        }
        if now.is_multiple_of(JUDGE) {
            self.judge();
        }
    }

    fn judge(&mut self) {
        for node in 1..=NODES {
            let signs = (1..=NODES).filter(|other| *other != node).map(|other| {
                let way = self.ways[&(other, node)];
                let connected = self.connected[&(node, other)];
                let unheard = way.unheard.map(Span::from_millis);
                let heard = way.heard.map(|millis| Instant(millis * 1_000));
                (NodeId(other), Signs { heard, connected, unheard, unanswered: 0 })
            });
            let signs: Vec<_> = signs.collect();
            let detector = self.detectors.get_mut(&node).expect("each node has one");
            detector.judge(Instant(self.now * 1_000), signs);
        }
    }

    fn is_down(&self, to: u64, member: u64) -> bool {
        self.detectors[&to].verdicts()[&NodeId(member)].standing == Standing::Down
    }

    fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 10 {
            self.step();
        }
    }

    /// Who is down to whom, among those that run.
    fn downs(&self) -> Vec<(u64, u64)> {
        let pairs = self.ways.keys().copied().filter(|(by, _)| !self.is_gone(*by));
        pairs.filter(|(by, member)| self.is_down(*by, *member)).collect()
    }

    fn cut(&mut self, from: u64, to: u64, cut: bool) {
        self.ways.get_mut(&(from, to)).expect("a pair").cut = cut;
    }
}

/// One history; what it broke.
fn history(seed: u64, limits: Limits) -> Result<(), String> {
    let mut world = World::new(seed, limits);
    let fault =
        *world.random.pick(&[Fault::None, Fault::OneWay, Fault::Killed, Fault::PowerLost, Fault::Flapping]);
    world.pass(10_000);
    expect(world.downs().is_empty(), || format!("down without a cause: {:?}", world.downs()))?;
    match fault {
        Fault::None => {
            for _ in 0..600 {
                world.pass(JUDGE);
                expect(world.downs().is_empty(), || format!("down without a cause: {:?}", world.downs()))?;
            }
        }
        Fault::OneWay => {
            world.cut(1, 2, true);
            world.pass(NOTICED + world.delay_max);
            for _ in 0..100 {
                expect(world.downs() == [(1, 2), (2, 1)], || format!("one way cut: {:?}", world.downs()))?;
                world.pass(JUDGE);
            }
        }
        Fault::Killed | Fault::PowerLost => {
            world.gone = Some((2, fault == Fault::Killed));
            world.pass(NOTICED);
            expect(world.downs() == [(1, 2), (3, 2), (4, 2)], || format!("{fault:?}: {:?}", world.downs()))?;
        }
        Fault::Flapping => flap(&mut world)?,
    }
    world.cut(1, 2, false);
    world.cut(2, 1, false);
    world.gone = None;
    world.pass(BACK);
    expect(world.downs().is_empty(), || format!("down after the mend: {:?}", world.downs()))
}

/// A minute of cuts and mends, in which no view may change often.
fn flap(world: &mut World) -> Result<(), String> {
    let (shortest, both) = (*world.random.pick(&[100, 1_000, 2_000]), world.random.chance(500));
    let (mut changes, mut cut, mut next) = (0, false, 0);
    let mut before = world.downs();
    let end = world.now + 60_000;
    while world.now < end {
        if world.now >= next {
            cut = !cut;
            world.cut(1, 2, cut);
            if both {
                world.cut(2, 1, cut);
            }
            next = world.now + world.random.between(shortest, shortest * 3);
        }
        world.pass(JUDGE);
        let downs = world.downs();
        let others = downs.iter().find(|pair| !matches!(pair, (1, 2) | (2, 1)));
        expect(others.is_none(), || format!("a link that flaps is none of theirs: {downs:?}"))?;
        changes += usize::from(downs.contains(&(1, 2)) != before.contains(&(1, 2)));
        before = downs;
    }
    expect(changes <= CHANGES_MAX, || format!("{changes} changes in a minute"))
}

fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// The first seed at which a judge of these limits breaks something, and what.
fn caught(limits: Limits) -> Option<(u64, String)> {
    (0..200).find_map(|seed| history(seed, limits).err().map(|what| (seed, what)))
}

#[test]
fn the_gone_are_down_in_two_seconds_and_no_view_flaps() {
    for seed in 0..400 {
        if let Err(what) = history(seed, Limits::default()) {
            panic!("seed {seed}: {what}");
        }
    }
}

#[test]
fn a_judge_that_ignores_what_members_do_not_hear_is_caught() {
    let caught = caught(Limits { unheard: Span(u64::MAX), ..Limits::default() });
    assert!(caught.as_ref().is_some_and(|(_, what)| what.contains("one way cut")), "{caught:?}");
}

#[test]
fn a_judge_that_forgets_falls_at_once_is_caught() {
    let caught = caught(Limits { fall_counts: Span(0), ..Limits::default() });
    assert!(caught.as_ref().is_some_and(|(_, what)| what.contains("changes in a minute")), "{caught:?}");
}

#[test]
fn a_judge_without_patience_and_one_with_too_much_are_caught() {
    let nervous = Limits { pause: Span(0), deviation_min: Span::from_millis(10), ..Limits::default() };
    let caught_nervous = caught(nervous);
    assert!(
        caught_nervous.as_ref().is_some_and(|(_, what)| what.contains("without a cause")),
        "{caught_nervous:?}"
    );
    let slow = caught(Limits { down_phi: 60.0, ..Limits::default() });
    let is_late = |what: &str| what.contains("PowerLost") || what.contains("one way cut");
    assert!(slow.as_ref().is_some_and(|(_, what)| is_late(what)), "{slow:?}");
}
