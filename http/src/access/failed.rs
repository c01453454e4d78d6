//! How many requests failed to prove who asks: of each source and of all, in windows of ten seconds.
//!
//! A token can't be guessed, so this protects no secret. It bounds what a stranger who tries makes this node do and write, and
//! tells an operator that there is one.

use quorate_api::code::FAILURES_SECONDS;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long failures count.
const WINDOW: Duration = Duration::from_secs(FAILURES_SECONDS as u64);

/// See the module's essay.
#[derive(Debug)]
pub struct Failed {
    of_one_max: usize,
    of_all_max: usize,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    all: usize,
    /// As many as failures at most, and those are limited.
    sources: HashMap<u128, usize>,
}

impl Failed {
    /// With these limits.
    pub fn new(of_one_max: usize, of_all_max: usize) -> Self {
        let window = Window { began: Instant::now(), all: 0, sources: HashMap::new() };
        Self { of_one_max, of_all_max, window: Mutex::new(window) }
    }

    /// Counts a failure; whether there are too many, of this source or of all.
    pub fn note(&self, source: IpAddr, now: Instant) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.began) >= WINDOW {
            *window = Window { began: now, all: 0, sources: HashMap::new() };
        }
        if window.all >= self.of_all_max {
            return true;
        }
        window.all += 1;
        let of_one = window.sources.entry(network(source)).or_default();
        *of_one += 1;
        *of_one > self.of_one_max
    }
}

/// The address, or of IPv6 the network that one site has: a site can use any address in it.
fn network(source: IpAddr) -> u128 {
    match source.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_source_has_its_limit_and_all_have_one_together_until_the_window_ends() {
        let (failed, now) = (Failed::new(2, 5), Instant::now());
        let one = source("10.0.0.1");
        assert_eq!(
            [failed.note(one, now), failed.note(one, now), failed.note(one, now)],
            [false, false, true]
        );
        assert!(!failed.note(source("10.0.0.2"), now), "another one has its own");
        assert!(!failed.note(source("10.0.0.3"), now));
        assert!(failed.note(source("10.0.0.4"), now), "all together");
        assert_eq!(failed.window.lock().expect("sound").sources.len(), 3, "no more is remembered");
        let later = now + WINDOW;
        assert!(!failed.note(one, later));
    }

    #[test]
    fn a_site_is_one_source() {
        assert_eq!(network(source("2001:db8::1")), network(source("2001:db8::2:3")));
        assert_ne!(network(source("2001:db8::1")), network(source("2001:db8:0:1::1")));
        assert_eq!(network(source("::ffff:10.0.0.1")), network(source("10.0.0.1")));
    }
}
