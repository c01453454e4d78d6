//! A table whose `w` is one: writes at one and above, reads at all, which must see the last write that was acknowledged.
//!
//! Fast writes and slow, sure reads: r + w > N with the other r and w than usual. The promise is *regular*: a read sees
//! every write that was acknowledged before it began, at whatever level of at least the table's `w`, or one that was
//! under way (see [`quorate_checkers::below_quorum`]). It holds only if round one of every write is as large as the table's `w`
//! demands, whatever the request asks for. **Measured**: nothing beside the load. **In the end** every key is read at
//! every node, at all, unless a node can't answer any more: then at quorum, of which only integrity is judged. **At
//! least** a fifth of the completed operations must be reads at all.

use std::sync::Arc;

use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::register::SHARE_MAX;
use super::single::Single;
use super::{Closed, How, Judgement, Options, Request, Run, Running, closing};
use crate::outcome::COPIES;
use quorate_checkers::below_quorum;
use quorate_checkers::history::History;
use quorate_checkers::level::Level;
use quorate_checkers::operation::{Kind, Status};

/// The table's `w`.
const TABLE_W: Level = Level::One;

/// The workload.
pub(super) fn make(options: Options) -> Single {
    let mut single = Single::new("regular", options, SHARE_MAX, draw, judge);
    single.table["w"] = json!(TABLE_W.to_string());
    Single { close, is_served_by_a_majority: false, ..single }
}

fn at(level: Level) -> How {
    How { table_w: TABLE_W, ..How::at(level) }
}

fn draw(random: &mut ChaCha8Rng, value: String) -> (Request, How) {
    if random.random_bool(0.5) {
        return (Request::Read, at(Level::All));
    }
    let levels = [Level::One, Level::Quorum, Level::Count(2), Level::All];
    (Request::Write { value }, at(*levels.choose(random).expect("not empty")))
}

fn close(run: &Arc<Run>, keys: Vec<String>) -> Running<'_, Closed> {
    Box::pin(async move {
        let all_are_there = run.answerable().len() == run.endpoints.len();
        let level = if all_are_there { Level::All } else { Level::Quorum };
        closing::close(run, keys, &at(level)).await
    })
}

fn judge(history: &History) -> Judgement {
    let mut judgement = below_quorum::check_regular(history, COPIES, TABLE_W).judgement();
    let completed = || history.operations.iter().filter(|operation| operation.status == Status::Ok);
    let is_sure = |level: Option<Level>| level.is_some_and(|level| level.owners(COPIES) == COPIES);
    let reads =
        completed().filter(|one| matches!(one.kind, Kind::Read { .. }) && is_sure(one.detail.level)).count();
    let all = completed().count();
    if reads * 5 < all {
        judgement.void.push(format!("only {reads} of {all} completed operations were reads at all"));
    }
    judgement
}
