//! Exchanges: one copy of one shard goes from one node to another; and which of them cost no move.
//!
//! What counts is the difference from today's owners, not the number of exchanges: a copy that goes back to one of
//! today's owners undoes a move. So a full node that stays first trades places with another that stays, in a shard
//! of which a newcomer took a copy anyway:
//!
//! ```text
//!   today     n1 n2 n3          and n4 joins: n4 takes n1's copy
//!   draft     n4 n2 n3          but now n2 is too full, and n1 has room
//!   exchange  n4 n1 n3          still one move, from n2 instead of n1
//! ```

use super::board::Board;
use super::search::Search;
use super::shard::{Exchange, Shard};
use std::collections::BTreeSet;

/// An exchange between two of today's owners of a shard that another node has joined: it costs no move.
pub(super) fn back_home(board: &Board, search: &mut Search) -> Option<Vec<Exchange>> {
    let goal = search.goal;
    let first = search.homes.find(
        |node| goal.home_key(board, node),
        |to| {
            board.away_from(goal.scale, to).find_map(|shard| {
                let giving = board.holders(shard).filter(|from| goal.gives(board, *from));
                let exchanges = giving.map(|from| Exchange { shard, from, to });
                exchanges.filter(|it| goal.allows(board, *it)).min_by_key(|it| it.from)
            })
        },
    );
    first.map(|exchange| vec![exchange])
}

/// The first pair of nodes that can exchange anything, and of that the shard that is nearest to the receiver on the
/// ring. The receiver is a newcomer, or it is none.
pub(super) fn single(board: &Board, search: &mut Search, is_newcomer: bool) -> Option<Vec<Exchange>> {
    let goal = search.goal;
    let nearest = |from: usize, to: usize| {
        let tables = goal.scale.tables(board.tables.len());
        let tables = tables.filter(|table| goal.allows_table(board, *table as u32, from, to));
        let shards = tables.flat_map(|table| board.held(table, from));
        let exchanges = shards.map(|shard| Exchange { shard, from, to });
        let allowed = exchanges.filter(|it| board.may_exchange(it.shard, from, to));
        let distance = |shard| board.ring.distance(board.wish(shard).position, to);
        allowed.min_by_key(|it| (distance(it.shard), it.shard))
    };
    let receivers = if is_newcomer { &mut search.newcomers } else { &mut search.stayers };
    let givers = &mut search.givers;
    let first = receivers.find(
        |node| goal.receiver_key(board, node),
        |to| givers.find(|node| goal.giver_key(board, node), |from| nearest(from, to)),
    );
    first.map(|exchange| vec![exchange])
}

/// Two exchanges: a newcomer takes from the giver, and gives something else back to one of its owners of today.
pub(super) fn through_newcomer(board: &Board, search: &mut Search) -> Option<Vec<Exchange>> {
    let goal = search.goal;
    search.homes.find(|node| goal.home_key(board, node), Some)?;
    let receivers = board.away.keys().filter(|node| goal.takes(board, **node));
    let shards: BTreeSet<Shard> = receivers.flat_map(|node| board.away_from(goal.scale, *node)).collect();
    let backs = shards.iter().flat_map(|shard| {
        let owners = board.absent(*shard).filter(|to| goal.takes(board, *to));
        owners.flat_map(move |to| {
            let newcomers = board.holders(*shard).filter(|from| board.newcomers[*from]);
            newcomers.map(move |from| Exchange { shard: *shard, from, to })
        })
    });
    for back in backs.filter(|back| board.may_exchange(back.shard, back.from, back.to)) {
        // Who gives is looked for among all nodes: what does not depend on it is asked first.
        let tables: Vec<usize> = goal.allows_through(board, back).collect();
        let taken = search.givers.find(
            |node| goal.giver_key(board, node),
            |from| {
                let tables = tables.iter().filter(|table| goal.lets_give(board, **table as u32, from));
                let shards = tables.flat_map(|table| board.held(*table, from));
                let mut exchanges = shards.map(|shard| Exchange { shard, from, to: back.from });
                exchanges.find(|taken| {
                    from != back.to
                        && from != back.from
                        && taken.shard != back.shard
                        && board.may_exchange(taken.shard, taken.from, taken.to)
                })
            },
        );
        if let Some(taken) = taken {
            return Some(vec![back, taken]);
        }
    }
    None
}
