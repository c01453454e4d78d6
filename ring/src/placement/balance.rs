//! Balancing: exchanges until every node is within its bounds.
//!
//! Each pass looks for a node that holds too much (or one that could give) and a node that holds too little (or one
//! that could take), and shifts one copy between them by the cheapest means that [`super::exchange`] knows; where no
//! simple one is lawful, by a chain ([`super::chain`]), which is found if there is any. So if any lawful placement
//! within the bounds exists, balancing ends in one; and because fair shares are such a placement in fractions of
//! copies, one in whole copies exists.

use super::board::{Board, Scale};
use super::chain::shortest_chain;
use super::exchange::{Search, back_home, single, through_newcomer};

/// Brings all nodes within their bounds: each table by itself first, then all copies together.
pub(super) fn balance(board: &mut Board) {
    for table in 0..board.tables.len() {
        relieve(board, Scale::Table(table));
        fill(board, Scale::Table(table));
    }
    relieve(board, Scale::Total);
    fill(board, Scale::Total);
}

/// Exchanges until no node holds more than it may, or no exchange helps.
fn relieve(board: &mut Board, scale: Scale) {
    loop {
        let is_full = |node| board.load(scale, node) > board.bounds(scale, node).most;
        let full = ordered(board, is_full, |node| u128::MAX - board.fullness(scale, node));
        let has_room = |node| board.load(scale, node) < board.bounds(scale, node).most;
        let room = ordered(board, has_room, |node| {
            (!is_below_least(board, scale, node), !board.newcomers[node], board.fullness(scale, node))
        });
        if full.is_empty() || !shift(board, &Search::new(board, scale, full, room)) {
            return;
        }
    }
}

/// Exchanges until no node holds less than it should, or no exchange helps.
fn fill(board: &mut Board, scale: Scale) {
    loop {
        let can_give = |node| board.load(scale, node) > board.bounds(scale, node).least;
        let donors = ordered(board, can_give, |node| u128::MAX - board.fullness(scale, node));
        let is_empty = |node| is_below_least(board, scale, node);
        let empty = ordered(board, is_empty, |node| board.fullness(scale, node));
        if empty.is_empty() || !shift(board, &Search::new(board, scale, donors, empty)) {
            return;
        }
    }
}

/// Takes one copy off a node of the first kind and gives one more to a node of the second; `false` if nothing does.
fn shift(board: &mut Board, search: &Search) -> bool {
    let newcomers = |node: usize| board.newcomers[node];
    let exchanges = back_home(board, search)
        .or_else(|| single(board, search, newcomers))
        .or_else(|| through_newcomer(board, search))
        .or_else(|| single(board, search, |_| true))
        .or_else(|| shortest_chain(board, search));
    let Some(exchanges) = exchanges else { return false };
    for exchange in exchanges {
        board.take(exchange.shard, exchange.from);
        board.put(exchange.shard, exchange.to);
    }
    true
}

fn is_below_least(board: &Board, scale: Scale, node: usize) -> bool {
    board.load(scale, node) < board.bounds(scale, node).least
}

fn ordered<K: Ord>(board: &Board, keep: impl Fn(usize) -> bool, key: impl Fn(usize) -> K) -> Vec<usize> {
    let mut nodes: Vec<usize> = (0..board.nodes()).filter(|node| keep(*node)).collect();
    nodes.sort_by_cached_key(|node| (key(*node), usize::MAX - node));
    nodes
}
