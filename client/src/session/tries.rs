//! The attempts of one call, until its deadline.
//!
//! A *round* asks each endpoint at most once; a pause comes before the next round. An attempt may take half of what is
//! left, so that silence leaves time for another. Nothing here waits or looks at a clock: time and chance are arguments.

use super::failed::Failed;
use super::judge::{Judgement, after_unknown};
use crate::call::Call;
use crate::client::{GRACE, millis};
use crate::endpoint::Endpoint;
use crate::error::{Attempt, Error};
use crate::outcome::{Effect, Outcome};
use quorate_api::query::Parameter;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The longest first pause, and the longest of all that no server asked for.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Less time than that is not divided any more.
const SHARE_MIN: Duration = Duration::from_millis(100);

/// The last attempts that an error names.
const ATTEMPTS_SHOWN: usize = 16;

/// What became of a call so far.
#[derive(Debug)]
pub(crate) struct Tries {
    deadline: Instant,
    /// A write that can't be repeated: its one attempt gets all the time.
    is_single: bool,
    round: u32,
    /// What the endpoints of this round asked to wait.
    waits: Vec<Duration>,
    /// Whether every endpoint of this round would say the same again.
    is_hopeless: bool,
    worst: Option<Error>,
    attempts: VecDeque<Attempt>,
    is_retry: bool,
    tried: Vec<Endpoint>,
}

impl Tries {
    /// None so far.
    pub fn new(call: &Call, has_ids: bool, deadline: Instant) -> Self {
        Self {
            deadline,
            is_single: call.effect == Effect::Write && !has_ids,
            round: 0,
            waits: Vec::new(),
            is_hopeless: true,
            worst: None,
            attempts: VecDeque::new(),
            is_retry: call.is_retry(),
            tried: Vec::new(),
        }
    }

    /// The endpoints of this round that were asked.
    pub fn tried(&self) -> &[Endpoint] {
        &self.tried
    }

    /// This endpoint is asked now.
    pub fn ask(&mut self, endpoint: &Endpoint) {
        self.tried.push(endpoint.clone());
    }

    /// The time until the deadline.
    pub fn left(&self, now: Instant) -> Duration {
        self.deadline.saturating_duration_since(now)
    }

    /// How long the next attempt may take.
    pub fn share(&self, now: Instant) -> Duration {
        let left = self.left(now);
        if self.is_single { left } else { (left / 2).max(SHARE_MIN.min(left)) }
    }

    /// The call as an attempt that may take so long.
    pub fn attempt(&self, call: &Call, share: Duration) -> Call {
        let mut attempt = call.clone();
        attempt.timeout = share;
        // The server's own timeout says more than silence does.
        let told = share.saturating_sub(GRACE.min(share / 5));
        for (_, time) in attempt.query.iter_mut().filter(|(name, _)| *name == Parameter::Timeout) {
            *time = millis(told.max(Duration::from_millis(1)));
        }
        if self.is_retry && !call.is_retry() {
            attempt.query.push((Parameter::Retry, "true".to_owned()));
        }
        attempt
    }

    /// An attempt was in vain, and another one may do better.
    pub fn failed(&mut self, endpoint: &Endpoint, error: Error, judgement: Judgement) {
        self.note(endpoint, &error);
        self.is_retry |= error.outcome() == Outcome::Unknown;
        self.waits.push(judgement.wait);
        self.is_hopeless &= judgement.is_lasting;
        // What a server said tells more than silence.
        let is_better =
            error.problem().is_some() || self.worst.as_ref().is_none_or(|worst| worst.problem().is_none());
        if is_better {
            self.worst = Some(error);
        }
    }

    /// How long to wait before the next round; `None`: it would come too late, or be in vain. `chance`: from 0 to 1.
    pub fn pause(&mut self, now: Instant, chance: f64) -> Option<Duration> {
        if self.is_hopeless {
            return None;
        }
        let most = PAUSE_MAX.min(PAUSE_MIN * 2u32.pow(self.round.min(10)));
        // Where every endpoint has said when to come back, it is not before that.
        let asked_for = self.waits.iter().min().copied().unwrap_or_default();
        let pause = most.mul_f64(0.25 + 0.75 * chance).max(asked_for.mul_f64(1.0 + chance / 4.0));
        (pause < self.left(now)).then_some(pause)
    }

    /// Every endpoint is asked again.
    pub fn begin_round(&mut self) {
        self.round += 1;
        self.waits.clear();
        self.is_hopeless = true;
        self.tried.clear();
    }

    /// The end, by an error after which nothing better can come.
    pub fn ended(&mut self, endpoint: &Endpoint, error: Error) -> Failed {
        self.note(endpoint, &error);
        self.told(error)
    }

    /// The end, since the time is over.
    pub fn over(&mut self) -> Failed {
        let outcome = if self.is_retry { Outcome::Unknown } else { Outcome::NotApplied };
        let silence = Error::Unreachable { tried: self.attempts.iter().cloned().collect(), outcome };
        let worst = match self.worst.take() {
            // Of many that can't be reached each is named.
            None | Some(Error::Unreachable { .. }) => silence,
            Some(worst) => worst,
        };
        self.told(worst)
    }

    fn told(&mut self, error: Error) -> Failed {
        let error = if self.is_retry { after_unknown(error) } else { error };
        Failed { error, operation: None, attempts: std::mem::take(&mut self.attempts).into() }
    }

    fn note(&mut self, endpoint: &Endpoint, error: &Error) {
        if self.attempts.len() == ATTEMPTS_SHOWN {
            self.attempts.pop_front();
        }
        self.attempts.push_back(Attempt { endpoint: endpoint.clone(), cause: error.cause() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;

    fn call(effect: Effect, timeout: Duration) -> Call {
        Call {
            method: Method::PUT,
            path: "/".to_owned(),
            query: vec![(Parameter::Timeout, millis(timeout))],
            headers: Vec::new(),
            body: None,
            effect,
            timeout,
            patience: None,
        }
    }

    fn tries(effect: Effect, has_ids: bool, seconds: u64) -> (Tries, Call, Instant) {
        let (now, time) = (Instant::now(), Duration::from_secs(seconds));
        let call = call(effect, time);
        (Tries::new(&call, has_ids, now + time), call, now)
    }

    fn lost(outcome: Outcome) -> Error {
        Error::Lost { endpoint: Endpoint::new("a", 1), cause: "it broke".to_owned(), outcome }
    }

    fn said(attempt: &Call, name: Parameter) -> Option<&str> {
        attempt.query.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn an_attempt_gets_half_of_the_time_and_the_server_hears_of_less() {
        let (tries, call, now) = tries(Effect::Write, true, 4);
        assert_eq!(tries.share(now), Duration::from_secs(2));
        let attempt = tries.attempt(&call, Duration::from_secs(2));
        assert_eq!(
            (attempt.timeout, said(&attempt, Parameter::Timeout)),
            (Duration::from_secs(2), Some("1600ms"))
        );
        let late = now + Duration::from_millis(3_950);
        assert_eq!(tries.share(late), Duration::from_millis(50));
        let (single, _, now) = self::tries(Effect::Write, false, 4);
        assert_eq!(single.share(now), Duration::from_secs(4));
    }

    #[test]
    fn behind_an_unknown_outcome_every_attempt_is_a_retry() {
        let (mut tries, call, _) = tries(Effect::Write, true, 4);
        let endpoint = Endpoint::new("a", 1);
        assert_eq!(said(&tries.attempt(&call, Duration::from_secs(1)), Parameter::Retry), None);
        tries.failed(&endpoint, lost(Outcome::Unknown), Judgement::default());
        assert_eq!(said(&tries.attempt(&call, Duration::from_secs(1)), Parameter::Retry), Some("true"));
        let refused = Error::Unreachable { tried: Vec::new(), outcome: Outcome::NotApplied };
        let failed = tries.ended(&endpoint, refused);
        assert_eq!((failed.outcome(), failed.attempts.len()), (Outcome::Unknown, 2));
    }

    #[test]
    fn pauses_grow_are_drawn_and_keep_to_what_was_asked_for() {
        let (mut tries, _, now) = tries(Effect::Read, false, 60);
        let endpoint = Endpoint::new("a", 1);
        assert_eq!(tries.pause(now, 0.5), None, "no endpoint was asked");
        let mut pauses = Vec::new();
        for chance in [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0] {
            tries.failed(&endpoint, lost(Outcome::NotApplied), Judgement::default());
            pauses.extend(tries.pause(now, chance).map(|pause| pause.as_millis()));
            tries.begin_round();
        }
        assert_eq!(pauses, [12, 100, 50, 400, 200, 1_600, 500, 2_000]);
        for wait in [Duration::from_secs(5), Duration::from_secs(9)] {
            tries.failed(&endpoint, lost(Outcome::NotApplied), Judgement { wait, ..Judgement::default() });
        }
        assert_eq!(tries.pause(now, 0.0), Some(Duration::from_secs(5)));
        assert_eq!(tries.pause(now + Duration::from_secs(56), 0.0), None, "it would come too late");
    }

    #[test]
    fn what_a_server_said_is_told_rather_than_silence() {
        let (mut tries, _, _) = tries(Effect::Read, false, 4);
        let endpoint = Endpoint::new("a", 1);
        let problem = quorate_api::document::Problem { code: "draining".into(), ..Default::default() };
        let outcome = Outcome::NotApplied;
        let (problem, meta) = (Box::new(problem), Box::default());
        let refused = Error::Problem { endpoint: endpoint.clone(), problem, meta, outcome };
        tries.failed(&endpoint, refused, Judgement::default());
        tries.failed(&endpoint, lost(outcome), Judgement::default());
        assert_eq!(tries.over().error.code(), "draining");
        tries.failed(&endpoint, Error::Unreachable { tried: Vec::new(), outcome }, Judgement::default());
        let Error::Unreachable { tried, .. } = tries.over().error else { panic!("no server said a word") };
        assert_eq!(tried.len(), 1);
    }
}
