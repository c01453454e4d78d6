//! Values that expire, on keys that few write and many read.
//!
//! A value must live undisturbed for long enough to expire before a reader's eyes: so many keys are in use, most
//! requests read, and the times to live are short. **Measured**: how many values were seen to expire, and how far from
//! their time by the clients' clock, which is no promise. **In the end** every key is read at every node, at quorum.
//! **At least** [`EXPIRED_MIN`] values must have been seen to expire.

use std::time::Duration;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::single::Single;
use super::{How, Judgement, Options, Request};
use quorate_checkers::history::History;
use quorate_checkers::linearizable::Limits;
use quorate_checkers::{no_return, ttl};

/// A key gets at most this many operations: each value that may expire makes the search longer.
const SHARE_MAX: u32 = 120;

/// So many times the keys of other workloads, so that each is left alone for long enough.
const KEYS_TIMES: usize = 12;

/// How long a value may live, in milliseconds.
const TTL_MS: std::ops::Range<u64> = 200..1_500;

/// Below so many values that were seen to expire nothing is proved about them.
const EXPIRED_MIN: usize = 20;

/// The workload.
pub(super) fn make(options: Options) -> Single {
    let keys_at_once = options.keys_at_once.saturating_mul(KEYS_TIMES);
    Single::new("ttl", Options { keys_at_once, ..options }, SHARE_MAX, draw, judge)
}

fn draw(random: &mut ChaCha8Rng, value: String) -> (Request, How) {
    let (request, ttl) = match random.random_range(0..40) {
        0..4 => {
            let ttl = Duration::from_millis(random.random_range(TTL_MS));
            (Request::Write { value }, Some(ttl))
        }
        4 => (Request::Write { value }, None),
        5 => (Request::Delete, None),
        _ => (Request::Read, None),
    };
    (request, How { ttl, ..How::default() })
}

fn judge(history: &History) -> Judgement {
    let mut judgement = Judgement::of_registers(&ttl::check(history, Limits::default()));
    judgement.add(no_return::check(history).judgement());
    let timing = ttl::timing(history);
    judgement.measures.extend(timing.measures());
    if timing.expired < EXPIRED_MIN {
        judgement.void.push(format!("only {} values were seen to expire", timing.expired));
    }
    judgement
}
