//! Which endpoint to ask next.
//!
//! One that failed is *set aside* for a while: others are asked before it. It is never given up, since it may be the only
//! one. The while grows from a quarter of a second to ten, by how often it failed in a row; then one request tries it,
//! and the others follow once that one was answered.

use crate::endpoint::Endpoint;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long an endpoint is set aside after its first failure.
const ASIDE_MIN: Duration = Duration::from_millis(250);

/// How long at most, unless it asked for more.
const ASIDE_MAX: Duration = Duration::from_secs(10);

/// How long others stay away from an endpoint that one request tries again.
const TRIAL: Duration = Duration::from_secs(2);

/// An endpoint that lost so many races in a row, and answered nothing meanwhile, is set aside.
const LOST_RACES_MAX: u32 = 3;

/// The endpoints of one session.
#[derive(Debug)]
pub(crate) struct Endpoints {
    /// Those of the client.
    given: Vec<Endpoint>,
    /// Those that the cluster named.
    named: Vec<Endpoint>,
    health: HashMap<Endpoint, Health>,
    /// Equal ones have their turns.
    turn: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    failures: u32,
    aside_until: Option<Instant>,
    lost_races: u32,
}

impl Endpoints {
    /// Those that were given; `turn`: which is the first.
    pub fn new(given: Vec<Endpoint>, turn: usize) -> Self {
        Self { given, named: Vec::new(), health: HashMap::new(), turn }
    }

    /// Takes over where the cluster says that its members are now.
    pub fn name(&mut self, mut named: Vec<Endpoint>) {
        named.sort();
        named.dedup();
        let (given, health) = (&self.given, &mut self.health);
        health.retain(|endpoint, _| given.contains(endpoint) || named.contains(endpoint));
        self.named = named;
    }

    /// The one to ask now: one that is set aside after the others, and among these an owner first. `None`: all were
    /// tried.
    pub fn pick(&mut self, owners: &[Endpoint], tried: &[Endpoint], now: Instant) -> Option<Endpoint> {
        self.turn = self.turn.wrapping_add(1);
        let chosen = self.other(owners, tried, now)?;
        if let Some(health) = self.health.get_mut(&chosen).filter(|health| health.failures > 0) {
            health.aside_until = health.aside_until.max(Some(now + TRIAL));
        }
        Some(chosen)
    }

    /// The one that would be asked next.
    pub fn other(&self, owners: &[Endpoint], tried: &[Endpoint], now: Instant) -> Option<Endpoint> {
        let ordered = [owners, self.given.as_slice(), self.named.as_slice()]
            .into_iter()
            .flat_map(|all| self.rotated(all));
        let left = ordered.filter(|endpoint| !tried.contains(endpoint));
        // The first of equal ones: owners stay before the others.
        left.min_by_key(|endpoint| self.aside_for(endpoint, now)).cloned()
    }

    /// Whether others are asked before it.
    pub fn is_aside(&self, endpoint: &Endpoint, now: Instant) -> bool {
        !self.aside_for(endpoint, now).is_zero()
    }

    /// It does its work.
    pub fn answered(&mut self, endpoint: &Endpoint) {
        self.health.remove(endpoint);
    }

    /// It did not answer, or said that it can't; it asked to be left alone for `wait`. `chance`: from 0 to 1.
    pub fn failed(&mut self, endpoint: &Endpoint, now: Instant, wait: Duration, chance: f64) {
        let health = self.health.entry(endpoint.clone()).or_default();
        let aside = ASIDE_MAX.min(ASIDE_MIN * 2u32.pow(health.failures.min(10)));
        health.failures += 1;
        health.aside_until = Some(now + wait.max(aside.mul_f64(0.75 + chance / 2.0)));
    }

    /// Another one answered before it did; one that loses all the time is set aside.
    pub fn lost_race(&mut self, endpoint: &Endpoint, now: Instant, chance: f64) {
        let health = self.health.entry(endpoint.clone()).or_default();
        health.lost_races += 1;
        if health.lost_races >= LOST_RACES_MAX {
            self.failed(endpoint, now, Duration::ZERO, chance);
        }
    }

    fn aside_for(&self, endpoint: &Endpoint, now: Instant) -> Duration {
        let until = self.health.get(endpoint).and_then(|health| health.aside_until);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn rotated<'a>(&self, all: &'a [Endpoint]) -> impl Iterator<Item = &'a Endpoint> + use<'a> {
        let (before, behind) = all.split_at(self.turn.checked_rem(all.len()).unwrap_or(0));
        behind.iter().chain(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<Endpoint> {
        ["a", "b", "c"].map(|host| Endpoint::new(host, 1)).to_vec()
    }

    fn hosts(endpoints: &mut Endpoints, owners: &[Endpoint], now: Instant, count: usize) -> String {
        let host = |endpoint: Endpoint| endpoint.host().to_owned();
        (0..count).filter_map(|_| endpoints.pick(owners, &[], now).map(host)).collect()
    }

    #[test]
    fn endpoints_have_their_turns_and_owners_come_first() {
        let (all, now) = (three(), Instant::now());
        let mut endpoints = Endpoints::new(all.clone(), 2);
        assert_eq!(hosts(&mut endpoints, &[], now, 6), "abcabc");
        let owner = Endpoint::new("o", 1);
        assert_eq!(hosts(&mut endpoints, std::slice::from_ref(&owner), now, 3), "ooo");
        assert_eq!(endpoints.pick(&[], &all, now), None);
        endpoints.name(vec![owner.clone()]);
        assert_eq!(endpoints.pick(&[], &all, now), Some(owner));
    }

    #[test]
    fn one_that_failed_is_asked_last_then_by_one_and_then_by_all() {
        let (all, begun) = (three(), Instant::now());
        let mut endpoints = Endpoints::new(all[..2].to_vec(), 0);
        endpoints.failed(&all[0], begun, Duration::ZERO, 0.5);
        assert_eq!(hosts(&mut endpoints, &[], begun, 4), "bbbb");
        assert_eq!(endpoints.pick(&[], &all[1..2], begun), Some(all[0].clone()), "it is not given up");
        let later = begun + Duration::from_secs(20);
        assert_eq!(hosts(&mut endpoints, &[], later, 4).matches('a').count(), 1, "one request tries it");
        endpoints.answered(&all[0]);
        assert_eq!(hosts(&mut endpoints, &[], later, 4).matches('a').count(), 2);
    }

    #[test]
    fn the_time_aside_grows_to_its_limit_and_keeps_to_what_was_asked_for() {
        let (a, now) = (Endpoint::new("a", 1), Instant::now());
        let mut endpoints = Endpoints::new(vec![a.clone()], 0);
        let mut aside = |wait| {
            endpoints.failed(&a, now, wait, 0.5);
            endpoints.aside_for(&a, now)
        };
        assert_eq!(aside(Duration::ZERO), ASIDE_MIN);
        assert_eq!(aside(Duration::ZERO), ASIDE_MIN * 2);
        assert_eq!((0..20).map(|_| aside(Duration::ZERO)).max(), Some(ASIDE_MAX));
        assert_eq!(aside(Duration::from_secs(30)), Duration::from_secs(30));
    }

    #[test]
    fn one_that_loses_every_race_is_set_aside() {
        let (a, now) = (Endpoint::new("a", 1), Instant::now());
        let mut endpoints = Endpoints::new(vec![a.clone()], 0);
        for lost in 1..=LOST_RACES_MAX {
            assert!(!endpoints.is_aside(&a, now), "{lost}");
            endpoints.lost_race(&a, now, 0.5);
        }
        assert!(endpoints.is_aside(&a, now));
        endpoints.answered(&a);
        endpoints.lost_race(&a, now, 0.5);
        assert!(!endpoints.is_aside(&a, now));
    }
}
