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

use super::board::{Board, Scale};

/// One copy of a shard goes from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) shard: usize,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// What a shift looks for: a copy less on one of these nodes, a copy more on one of those, in order of preference.
pub(super) struct Search {
    pub(super) scale: Scale,
    pub(super) from: Vec<usize>,
    pub(super) to: Vec<usize>,
    /// For each node whether it is in `from`.
    gives: Vec<bool>,
    /// For each node its place in `to`.
    rank: Vec<Option<usize>>,
}

impl Search {
    pub(super) fn new(board: &Board, scale: Scale, from: Vec<usize>, to: Vec<usize>) -> Self {
        let mut rank = vec![None; board.nodes()];
        for (at, node) in to.iter().enumerate() {
            rank[*node] = Some(at);
        }
        let mut gives = vec![false; board.nodes()];
        for node in &from {
            gives[*node] = true;
        }
        Self { scale, from, to, gives, rank }
    }

    /// Whether a node may be the receiver.
    pub(super) fn takes(&self, node: usize) -> bool {
        self.rank[node].is_some()
    }

    /// Whether an exchange is lawful and leaves the table of its shard within bounds.
    fn allows(&self, board: &Board, exchange: Exchange) -> bool {
        let Exchange { shard, from, to } = exchange;
        let table = board.shards[shard].table;
        let within = match self.scale {
            Scale::Table(wanted) => table == wanted,
            Scale::Total => board.may_give(table, from) && board.may_take(table, to),
        };
        within && board.may_exchange(shard, from, to)
    }
}

/// An exchange between two of today's owners of a shard that another node has joined: it costs no move.
pub(super) fn back_home(board: &Board, search: &Search) -> Option<Vec<Exchange>> {
    returns(board, search, |node| search.gives[node])
        .filter(|exchange| search.allows(board, *exchange))
        .min_by_key(|exchange| (search.rank[exchange.to], exchange.shard, exchange.from))
        .map(|exchange| vec![exchange])
}

/// Exchanges that give a copy back to one of today's owners, who wants it, from a node of a certain kind.
fn returns<'a>(
    board: &'a Board,
    search: &'a Search,
    gives: impl Fn(usize) -> bool + Copy + 'a,
) -> impl Iterator<Item = Exchange> + 'a {
    board.displaced.iter().flat_map(move |shard| {
        let owners = board.absent(*shard).filter(|to| search.takes(*to));
        owners.flat_map(move |to| {
            let holders = board.shards[*shard].holders.iter().copied().filter(move |from| gives(*from));
            holders.map(move |from| Exchange { shard: *shard, from, to })
        })
    })
}

/// The first pair of nodes that can exchange anything, and of that the shard that is nearest to the receiver on the
/// ring.
pub(super) fn single(
    board: &Board,
    search: &Search,
    wanted: impl Fn(usize) -> bool,
) -> Option<Vec<Exchange>> {
    let nearest = |from: usize, to: usize| {
        let shards = board.held[from].iter().map(|shard| Exchange { shard: *shard, from, to });
        shards
            .filter(|exchange| search.allows(board, *exchange))
            .min_by_key(|it| (board.ring.distance(board.shards[it.shard].position, to), it.shard))
    };
    let mut receivers = search.to.iter().copied().filter(|to| wanted(*to));
    receivers
        .find_map(|to| search.from.iter().find_map(|from| nearest(*from, to)))
        .map(|exchange| vec![exchange])
}

/// Two exchanges: a newcomer takes from the giver, and gives something else back to one of its owners of today.
pub(super) fn through_newcomer(board: &Board, search: &Search) -> Option<Vec<Exchange>> {
    let backs = returns(board, search, |node| board.newcomers[node]);
    for back in backs.filter(|back| board.may_exchange(back.shard, back.from, back.to)) {
        let back_table = board.shards[back.shard].table;
        let allowed = |taken: &Exchange| {
            let table = board.shards[taken.shard].table;
            let within = match search.scale {
                Scale::Table(wanted) => table == wanted && back_table == wanted,
                Scale::Total => {
                    let newcomer_stays = table == back_table
                        || (board.may_give(back_table, back.from) && board.may_take(table, back.from));
                    newcomer_stays && board.may_give(table, taken.from) && board.may_take(back_table, back.to)
                }
            };
            within && taken.shard != back.shard && board.may_exchange(taken.shard, taken.from, taken.to)
        };
        let giving = search.from.iter().filter(|from| **from != back.to && **from != back.from);
        let mut taken = giving.flat_map(|from| {
            let shards = board.held[*from].iter();
            shards.map(|shard| Exchange { shard: *shard, from: *from, to: back.from })
        });
        if let Some(taken) = taken.find(|taken| allowed(taken)) {
            return Some(vec![back, taken]);
        }
    }
    None
}
