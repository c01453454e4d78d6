//! All levels on the same keys: one, quorum, all and numbers, for both sides and for one.
//!
//! A client at a quorum must not suffer from those that ask for less. So the answers at a quorum and above are
//! judged for linearizability, where a write below the quorum counts as one of unknown outcome, whatever it was told;
//! reads below the quorum must be of something that a client wrote (see [`quorate_checkers::below_quorum`]).
//! **Measured**: how stale those were. **In the end** every key is read at every node, at quorum. **At least** a tenth
//! of the completed operations must be below the quorum.

use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::single::Single;
use super::{How, Judgement, Options, Parameter, Request};
use crate::outcome::COPIES;
use quorate_checkers::below_quorum;
use quorate_checkers::history::History;
use quorate_checkers::level::Level;
use quorate_checkers::operation::Status;

/// Writes below the quorum may take effect at any time, and each makes the search longer.
const SHARE_OF_KEY_MAX: u32 = 300;

/// So many times the keys of other workloads. A write at all asks the fewest what is newest, so it is the first to go
/// wrong where an owner is behind; a key that is written too often leaves no owner behind for long.
const KEYS_TIMES: usize = 8;

/// The workload.
pub(super) fn make(options: Options) -> Single {
    let keys_at_once = options.keys_at_once.saturating_mul(KEYS_TIMES);
    Single::new("mixed", Options { keys_at_once, ..options }, SHARE_OF_KEY_MAX, draw, judge)
}

fn judge(history: &History) -> Judgement {
    let mut judgement = below_quorum::check_mixed(history, COPIES).judgement();
    let completed = || history.operations.iter().filter(|operation| operation.status == Status::Ok);
    let below = completed().filter(|operation| !below_quorum::is_quorum(operation, COPIES)).count();
    let all = completed().count();
    if below * 10 < all {
        judgement.void.push(format!("only {below} of {all} completed operations were below the quorum"));
    }
    judgement
}

/// Some request at some level.
fn draw(random: &mut ChaCha8Rng, value: String) -> (Request, How) {
    use Level::{All, Count, One, Quorum};
    let levels: &[Level] = match random.random_range(0..10) {
        0..3 => &[One, Count(1)],
        3..7 => &[Quorum, Count(2)],
        _ => &[All, Count(COPIES)],
    };
    let level = *levels.choose(random).expect("not empty");
    let parameter = if random.random_bool(0.5) { Parameter::Consistency } else { Parameter::OneSide };
    let request = match random.random_range(0..20) {
        0..11 => Request::Read,
        // Deletes below the quorum all look alike, and each may be the reason of any absence: they are left out.
        11 if level.is_quorum(COPIES) => Request::Delete,
        _ => Request::Write { value },
    };
    (request, How { level, parameter, ..How::default() })
}
