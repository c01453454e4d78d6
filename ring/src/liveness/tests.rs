use super::*;
use quorate_model::{Instant, Span};

const STEP: u64 = 100;

/// One judge that hears one member, step by step of 100 ms.
struct Watch {
    detector: Detector,
    now: u64,
    signs: Signs,
}

impl Watch {
    fn new() -> Self {
        let signs = Signs { connected: true, ..Signs::default() };
        Self { detector: Detector::new(Limits::default()), now: 1_000, signs }
    }

    /// Lets so many milliseconds pass; a sign comes each 250 ms if `hears`. The last judgement.
    fn pass(&mut self, millis: u64, hears: bool) -> Verdict {
        let until = self.now + millis;
        while self.now < until {
            self.now += STEP;
            if hears {
                self.signs.heard = Some(at(self.now / 250 * 250));
            }
            self.detector.judge(at(self.now), [(NodeId(2), self.signs)]);
        }
        self.detector.verdicts()[&NodeId(2)]
    }

    /// Lets time pass until the member counts as that; how long it took, in milliseconds.
    fn until(&mut self, standing: Standing, hears: bool) -> u64 {
        let begun = self.now;
        while self.pass(STEP, hears).standing != standing {
            assert!(self.now < begun + 60_000, "it never comes to that: {:?}", self.detector.verdicts());
        }
        self.now - begun
    }
}

fn at(millis: u64) -> Instant {
    Instant(millis * 1_000)
}

#[test]
fn a_member_that_is_there_is_alive_at_once_and_stays_so() {
    let mut watch = Watch::new();
    assert_eq!(watch.pass(STEP, true).standing, Standing::Alive);
    for _ in 0..600 {
        let verdict = watch.pass(STEP, true);
        assert_eq!((verdict.standing, verdict.why), (Standing::Alive, None));
        assert!(verdict.phi < 1.0 && verdict.phi.is_sign_positive(), "{verdict:?}");
    }
}

#[test]
fn silence_makes_it_suspect_then_down_within_two_seconds() {
    let mut watch = Watch::new();
    watch.pass(20_000, true);
    let late = watch.until(Standing::Late, false);
    let down = late + watch.until(Standing::Down, false);
    assert!((900..=1_400).contains(&late), "{late} ms");
    assert!((1_100..=2_000).contains(&down), "{down} ms");
    let verdict = watch.pass(60_000, false);
    assert_eq!((verdict.why, verdict.phi, verdict.falls), (Some(Why::Silent), 99.0, 1));
}

#[test]
fn one_that_can_not_be_connected_is_asked_last_at_once_and_down_after_300_ms() {
    let mut watch = Watch::new();
    watch.pass(5_000, true);
    watch.signs.connected = false;
    let verdict = watch.pass(STEP, false);
    assert_eq!((verdict.standing, verdict.why), (Standing::Late, Some(Why::NotConnected)));
    assert!(watch.until(Standing::Down, false) <= 300);
    // One that was never there did not fall.
    let mut never = Watch::new();
    never.signs.connected = false;
    assert_eq!(never.pass(STEP, false).standing, Standing::Down, "one that was never met is down at once");
    never.signs.connected = true;
    let verdict = never.pass(STEP, true);
    assert_eq!((verdict.standing, verdict.falls), (Standing::Alive, 0));
}

#[test]
fn what_counts_intervals_grows_with_them() {
    assert_eq!(Limits::every(Span::from_millis(250)), Limits::default());
    let rare = Limits::every(Span::from_millis(2_000));
    assert_eq!((rare.unheard, rare.steady_min), (Span::from_millis(12_000), Span::from_millis(6_000)));
    assert!(rare.steady_max >= rare.steady_min);
}

#[test]
fn one_that_does_not_hear_this_node_is_down_however_well_it_is_heard() {
    let mut watch = Watch::new();
    watch.pass(5_000, true);
    watch.signs.unheard = Some(Span::from_millis(1_400));
    assert_eq!(watch.pass(2_000, true).standing, Standing::Alive);
    watch.signs.unheard = Some(Span::from_millis(1_500));
    let verdict = watch.pass(STEP, true);
    assert_eq!((verdict.standing, verdict.why), (Standing::Down, Some(Why::Unheard)));
}

#[test]
fn calls_that_stay_unanswered_make_it_suspect_for_a_second() {
    let mut watch = Watch::new();
    watch.pass(5_000, true);
    watch.signs.unanswered = 2;
    assert_eq!(watch.pass(STEP, true).standing, Standing::Alive);
    watch.signs.unanswered = 3;
    let verdict = watch.pass(STEP, true);
    assert_eq!((verdict.standing, verdict.why), (Standing::Late, Some(Why::Unanswered)));
    assert_eq!(watch.pass(900, true).standing, Standing::Late);
    assert_eq!(
        watch.pass(STEP, true).standing,
        Standing::Alive,
        "it is tried again, although nothing was answered"
    );
    watch.signs.unanswered = 4;
    assert_eq!(watch.pass(STEP, true).standing, Standing::Late, "another call");
    watch.signs.unanswered = 0;
    assert_eq!(watch.pass(1_000, true).standing, Standing::Alive);
}

#[test]
fn each_fall_within_a_minute_doubles_how_long_it_must_be_steady() {
    let mut watch = Watch::new();
    watch.pass(5_000, true);
    let mut asked = Vec::new();
    for _ in 0..6 {
        watch.signs.connected = false;
        watch.until(Standing::Down, false);
        watch.signs.connected = true;
        asked.push(watch.until(Standing::Alive, true));
    }
    let most = [900, 1_700, 3_200, 6_200, 10_200, 10_200];
    let least = [750, 1_500, 3_000, 6_000, 10_000, 10_000];
    for (index, asked) in asked.iter().enumerate() {
        assert!((least[index]..=most[index]).contains(asked), "{asked} ms after fall {}", index + 1);
    }
    watch.pass(61_000, true);
    watch.signs.connected = false;
    watch.until(Standing::Down, false);
    watch.signs.connected = true;
    assert!(watch.until(Standing::Alive, true) <= 900, "falls are forgotten after a minute");
}

#[test]
fn a_judge_that_stood_still_blames_no_member() {
    let mut watch = Watch::new();
    watch.pass(5_000, true);
    watch.now += 8_000;
    assert_eq!(watch.pass(STEP, false).standing, Standing::Alive);
    assert!(watch.until(Standing::Down, false) <= 2_000, "silence counts again from now on");
}

#[test]
fn one_that_is_rare_by_habit_is_given_more_time() {
    let (mut watch, mut silence) = (Watch::new(), 0);
    for round in 0..64 {
        // A sign each second.
        let heard = at(1_000 + round * 1_000);
        for step in 0..10 {
            watch.now = 1_000 + round * 1_000 + step * STEP;
            watch.signs.heard = Some(heard);
            watch.detector.judge(at(watch.now), [(NodeId(2), watch.signs)]);
        }
    }
    assert_eq!(watch.detector.verdicts()[&NodeId(2)].standing, Standing::Alive);
    silence += watch.until(Standing::Down, false);
    assert!((1_000..=3_500).contains(&silence), "{silence} ms");
}

#[test]
fn who_is_late_is_no_less_an_owner_and_is_asked_after_the_others() {
    let liveness = Liveness::with_down([NodeId(3)]).and_late([NodeId(1)]);
    assert!(liveness.is_alive(NodeId(1)) && liveness.is_late(NodeId(1)));
    assert!(!liveness.is_alive(NodeId(3)) && !liveness.is_late(NodeId(3)));
    assert_eq!(liveness.down(), [NodeId(3)]);
}
