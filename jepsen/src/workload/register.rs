//! Single keys, read, written and deleted by all clients at once, at quorum or above.
//!
//! Every value is written once only, so a read tells which write it saw. **Measured**: nothing beside the load. **In
//! the end** every key is read at every node, at quorum also where the clients asked for all: a node whose disk was
//! broken on purpose does not come back. **At least** the operations that every run must do.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::keys::OPERATIONS_PER_KEY_MAX;
use super::single::Single;
use super::{How, Judgement, Options, Request};
use quorate_checkers::history::History;
use quorate_checkers::level::Level;
use quorate_checkers::linearizable;

/// Some room is kept for the closing reads.
pub(super) const SHARE_MAX: u32 = OPERATIONS_PER_KEY_MAX - 100;

/// At a quorum.
pub(super) fn at_quorum(options: Options) -> Single {
    Single::new("register", options, SHARE_MAX, |random, value| draw(random, value, Level::Quorum), judge)
}

/// At all.
pub(super) fn at_all(options: Options) -> Single {
    Single::new("register", options, SHARE_MAX, |random, value| draw(random, value, Level::All), judge)
}

/// Half of the requests read, a tenth delete.
pub(super) fn draw(random: &mut ChaCha8Rng, value: String, level: Level) -> (Request, How) {
    let request = match random.random_range(0..10) {
        0..5 => Request::Read,
        5..9 => Request::Write { value },
        _ => Request::Delete,
    };
    (request, How::at(level))
}

fn judge(history: &History) -> Judgement {
    Judgement::of_registers(&linearizable::check(history, linearizable::Limits::default()))
}
