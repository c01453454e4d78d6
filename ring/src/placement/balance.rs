//! Balancing: exchanges until every node is within its bounds.
//!
//! Each pass looks for a node that holds too much (or one that could give) and a node that holds too little (or one
//! that could take), and shifts one copy between them by the cheapest means that [`super::exchange`] knows; where no
//! simple one is lawful, by a chain ([`super::chain`]), which is found if there is any. So if any lawful placement
//! within the bounds exists, balancing ends in one; and because fair shares are such a placement in fractions of
//! copies, one in whole copies exists.

use super::board::Board;
use super::chain::{of_guests, shortest_chain};
use super::exchange::{back_home, single, through_newcomer};
use super::search::{Aim, Goal, Search};
use super::shard::Scale;

/// Brings all nodes within their bounds: each table by itself first, then all copies together.
pub(super) fn balance(board: &mut Board) {
    for scale in (0..board.tables.len()).map(Scale::Table).chain([Scale::Total]) {
        reach(board, scale, Aim::Relieve);
        reach(board, scale, Aim::Fill);
    }
}

/// Exchanges until no node is out of bounds on one side, or no exchange helps.
fn reach(board: &mut Board, scale: Scale, aim: Aim) {
    let goal = Goal { scale, aim };
    if (0..board.nodes()).all(|node| !goal.is_out(board, node)) {
        return;
    }
    board.write_down_held(scale);
    let mut search = Search::new(board, goal);
    while search.is_needed(board) && shift(board, &mut search) {}
}

/// Takes one copy off a node of the first kind and gives one more to a node of the second; `false` if nothing does.
fn shift(board: &mut Board, search: &mut Search) -> bool {
    let exchanges = back_home(board, search)
        .or_else(|| of_guests(board, search))
        .or_else(|| single(board, search, true))
        .or_else(|| through_newcomer(board, search))
        .or_else(|| single(board, search, false))
        .or_else(|| shortest_chain(board, search));
    let Some(exchanges) = exchanges else { return false };
    for exchange in exchanges {
        board.take(exchange.shard, exchange.from);
        board.put(exchange.shard, exchange.to);
        search.changed(board, exchange.from);
        search.changed(board, exchange.to);
    }
    true
}
