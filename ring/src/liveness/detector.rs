//! The judge of one node over all other members.

use super::Liveness;
use quorate_model::{Instant, NodeId, Span};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// Intervals between signs that are remembered of a member.
const INTERVALS: usize = 64;

/// Phi of a silence that no number stands for.
const PHI_MAX: f64 = 99.0;

/// A judge that was not called for so long stood still itself: that time is no silence of others.
const STANDSTILL: Span = Span::from_millis(500);

/// When a member is late, when it is down, and when it is alive again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// How often members say that they are there: what is expected before intervals were seen. Default 250 ms.
    pub every: Span,
    /// Least standard deviation of the intervals: a member that was regular for a while may be late. Default 150 ms.
    pub deviation_min: Span,
    /// Silence beyond the usual interval that means nothing: a pause of the member's memory or disk. Default 300 ms.
    pub pause: Span,
    /// Phi from which on a member is asked last. Default 5.
    pub late_phi: f64,
    /// Phi from which on a member is down. Default 8.
    pub down_phi: f64,
    /// For so long a member may be without a connection before it is down. Default 300 ms.
    pub unconnected: Span,
    /// A member that has not heard this node for so long is down for it. Default 1.5 s: six intervals.
    pub unheard: Span,
    /// So many calls in a row that stay unanswered make a member late. Default 3.
    pub unanswered: u32,
    /// For so long. Default 1 s.
    pub distrust: Span,
    /// How long a member must be steady after its first fall before it is alive again: three signs. Default 750 ms.
    pub steady_min: Span,
    /// The longest time that falls may add up to. Default 10 s.
    pub steady_max: Span,
    /// For so long a fall counts. Default 1 min.
    pub fall_counts: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            every: Span::from_millis(250),
            deviation_min: Span::from_millis(150),
            pause: Span::from_millis(300),
            late_phi: 5.0,
            down_phi: 8.0,
            unconnected: Span::from_millis(300),
            unheard: Span::from_millis(1_500),
            unanswered: 3,
            distrust: Span::from_millis(1_000),
            steady_min: Span::from_millis(750),
            steady_max: Span::from_millis(10_000),
            fall_counts: Span::from_millis(60_000),
        }
    }
}

impl Limits {
    /// Where members say so often that they are there. What counts intervals grows with them.
    pub fn every(every: Span) -> Self {
        let limits = Self::default();
        let intervals = |count: u64| Span(every.0.saturating_mul(count));
        let (unheard, steady_min) = (limits.unheard.max(intervals(6)), limits.steady_min.max(intervals(3)));
        Self { every, unheard, steady_min, steady_max: limits.steady_max.max(steady_min), ..limits }
    }
}

/// What the connections to one member show at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// When a frame of it came last; `None`: never.
    pub heard: Option<Instant>,
    /// Whether key traffic can reach it.
    pub connected: bool,
    /// For how long it had not heard this node, as it said last; `None`: it did not say.
    pub unheard: Option<Span>,
    /// Calls to it, in a row up to the last, that have stayed unanswered for longer than the hedge time.
    pub unanswered: u32,
}

/// What a member counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is asked in ring order.
    Alive,
    /// It is asked after those that are alive.
    Late,
    /// It is skipped where there are enough others.
    Down,
}

/// Why a member is not simply alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no connection to it.
    NotConnected,
    /// It is silent.
    Silent,
    /// It does not hear this node.
    Unheard,
    /// It does not answer calls.
    Unanswered,
    /// It is heard again, and not for long enough yet.
    Unsteady,
}

/// The judgement of one member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// What it counts as.
    pub standing: Standing,
    /// Why, unless it is alive.
    pub why: Option<Why>,
    /// How surprising its silence is: the expected frequency of such a one is 10^-phi. From 0 to 99.
    pub phi: f64,
    /// How long ago it was heard last; `None`: never.
    pub silent: Option<Span>,
    /// How often it went down after it had been alive.
    pub falls: u64,
}

/// The judge of one node. Called every 100 ms or so with the signs of all members.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    limits: Limits,
    members: BTreeMap<NodeId, Member>,
    judged: Option<Instant>,
}

/// What is remembered of one member.
#[derive(Clone, Debug)]
struct Member {
    /// When it was heard last; later by what this node itself stood still.
    heard: Option<Instant>,
    /// The sign that was taken last, as it was given.
    sign: Option<Instant>,
    intervals: VecDeque<Span>,
    /// Since when there has been no connection.
    unconnected: Option<Instant>,
    /// Whether it was ever alive.
    known: bool,
    /// Calls to it that were unanswered when it was judged last.
    unanswered: u32,
    /// Until when it is late because of its calls.
    distrusted: Option<Instant>,
    /// Since when nothing speaks against it; only of one that is down.
    steady: Option<Instant>,
    /// Falls within the last minute.
    fallen: VecDeque<Instant>,
    verdict: Verdict,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::NotConnected => "no connection",
            Why::Silent => "silent",
            Why::Unheard => "it does not hear this node",
            Why::Unanswered => "it leaves calls unanswered",
            Why::Unsteady => "back, and not steady yet",
        })
    }
}

impl Detector {
    /// Nothing is known of any member.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Other limits hold from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Judges these members, and forgets all others.
    pub fn judge(&mut self, now: Instant, signs: impl IntoIterator<Item = (NodeId, Signs)>) -> Liveness {
        let stood_still = self.judged.map(|judged| now - judged).filter(|gap| *gap > STANDSTILL);
        self.judged = Some(now);
        let mut members = BTreeMap::new();
        for (node, signs) in signs {
            let mut member = self.members.remove(&node).unwrap_or_else(|| Member::new(now));
            if let Some(gap) = stood_still {
                member.excuse(gap, now);
            }
            member.judge(now, signs, &self.limits);
            members.insert(node, member);
        }
        self.members = members;
        let of = |standing| {
            let those = self.members.iter().filter(move |(_, member)| member.verdict.standing == standing);
            those.map(|(node, _)| *node)
        };
        Liveness::with_down(of(Standing::Down)).and_late(of(Standing::Late))
    }

    /// The last judgement of each member.
    pub fn verdicts(&self) -> BTreeMap<NodeId, Verdict> {
        self.members.iter().map(|(node, member)| (*node, member.verdict)).collect()
    }
}

impl Member {
    fn new(now: Instant) -> Self {
        let verdict = Verdict {
            standing: Standing::Late,
            why: Some(Why::NotConnected),
            phi: 0.0,
            silent: None,
            falls: 0,
        };
        Self {
            heard: None,
            sign: None,
            intervals: VecDeque::new(),
            unconnected: Some(now),
            known: false,
            unanswered: 0,
            distrusted: None,
            steady: None,
            fallen: VecDeque::new(),
            verdict,
        }
    }

    /// This node stood still for so long: what happened meanwhile it could not hear.
    fn excuse(&mut self, gap: Span, now: Instant) {
        let later = |at: Instant| (at + gap).min(now);
        self.heard = self.heard.map(later);
        self.unconnected = self.unconnected.map(later);
    }

    fn judge(&mut self, now: Instant, signs: Signs, limits: &Limits) {
        self.hear(signs.heard, limits);
        self.unconnected = if signs.connected { None } else { self.unconnected.or(Some(now)) };
        // Once for each further call: one that is asked no more could never answer.
        if signs.unanswered >= limits.unanswered && signs.unanswered > self.unanswered {
            self.distrusted = Some(now + limits.distrust);
        }
        self.unanswered = signs.unanswered;
        self.fallen.retain(|at| now - *at <= limits.fall_counts);
        let phi = self.phi(now, limits);
        let down = self.is_down(now, &signs, phi, limits);
        let (standing, why) = match down {
            Some(why) => {
                if self.known && self.verdict.standing != Standing::Down {
                    self.fallen.push_back(now);
                    self.verdict.falls += 1;
                }
                self.steady = None;
                (Standing::Down, Some(why))
            }
            None if self.is_unsteady(now, limits) => (Standing::Down, Some(Why::Unsteady)),
            None => {
                let why = self.is_late(now, phi, limits);
                self.known |= signs.connected;
                (why.map_or(Standing::Alive, |_| Standing::Late), why)
            }
        };
        let silent = self.sign.map(|at| now - at);
        self.verdict = Verdict { standing, why, phi, silent, falls: self.verdict.falls };
    }

    /// Takes a sign. An interval in which the member was down is none that is usual.
    fn hear(&mut self, heard: Option<Instant>, limits: &Limits) {
        let Some(at) = heard.filter(|at| self.sign.is_none_or(|last| *at > last)) else { return };
        if let Some(last) = self.heard.filter(|_| self.verdict.standing != Standing::Down) {
            if self.intervals.len() == INTERVALS {
                self.intervals.pop_front();
            }
            // Longer ones would teach it to wait for ever.
            self.intervals.push_back((at - last).min(Span(limits.every.0.saturating_mul(8))));
        }
        (self.sign, self.heard) = (Some(at), Some(at));
    }

    /// What speaks for it being down.
    fn is_down(&self, now: Instant, signs: &Signs, phi: f64, limits: &Limits) -> Option<Why> {
        // One that was never met may be anywhere.
        if self.unconnected.is_some_and(|since| !self.known || now - since >= limits.unconnected) {
            Some(Why::NotConnected)
        } else if phi >= limits.down_phi {
            Some(Why::Silent)
        } else if signs.unheard.is_some_and(|unheard| unheard >= limits.unheard) {
            Some(Why::Unheard)
        } else {
            None
        }
    }

    /// Whether it is down still, although nothing speaks for that any more.
    fn is_unsteady(&mut self, now: Instant, limits: &Limits) -> bool {
        if self.verdict.standing != Standing::Down || !self.known {
            return false;
        }
        if self.unconnected.is_some() {
            self.steady = None;
            return true;
        }
        let doublings = u32::try_from(self.fallen.len().saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let asked = Span(limits.steady_min.0 << doublings).min(limits.steady_max);
        now - *self.steady.get_or_insert(now) < asked
    }

    fn is_late(&self, now: Instant, phi: f64, limits: &Limits) -> Option<Why> {
        if self.unconnected.is_some() {
            Some(Why::NotConnected)
        } else if phi >= limits.late_phi {
            Some(Why::Silent)
        } else if self.distrusted.is_some_and(|until| now < until) {
            Some(Why::Unanswered)
        } else {
            None
        }
    }

    /// -log10 of how probable a silence of this length, or a longer one, is after normally distributed intervals. The
    /// normal distribution by a logistic approximation, whose error is below 0.0002.
    fn phi(&self, now: Instant, limits: &Limits) -> f64 {
        let Some(heard) = self.heard else { return 0.0 };
        let seconds = |span: Span| span.0 as f64 / 1e6;
        let count = self.intervals.len().max(1) as f64;
        let mean = if self.intervals.is_empty() {
            seconds(limits.every)
        } else {
            self.intervals.iter().map(|interval| seconds(*interval)).sum::<f64>() / count
        };
        let variance =
            self.intervals.iter().map(|interval| (seconds(*interval) - mean).powi(2)).sum::<f64>() / count;
        let deviation = variance.sqrt().max(seconds(limits.deviation_min)).max(1e-6);
        let late = (seconds(now - heard) - mean - seconds(limits.pause)) / deviation;
        let e = (-late * (1.5976 + 0.070_566 * late * late)).exp();
        let later = if late > 0.0 { e / (1.0 + e) } else { 1.0 - 1.0 / (1.0 + e.min(1e300)) };
        let phi = -later.max(1e-99).log10();
        // Not minus zero.
        phi.clamp(0.0, PHI_MAX) + 0.0
    }
}
