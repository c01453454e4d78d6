//! The first draft: every shard gets n owners in lawful zones, near its place on the ring, loads bounded where that
//! is easy. What is out of bounds afterwards is [`super::balance`]'s.

use super::board::{Board, Holders, Scale};

/// Positions that a walk reads before it gives up and takes the emptiest node instead.
const WALK_POSITIONS_MAX: usize = 4_096;

/// Gives every shard its copies.
pub(super) fn draft(board: &mut Board) {
    for shard in 0..board.shards.len() {
        for holder in board.shards[shard].today.clone() {
            board.put(shard, holder);
        }
    }
    for shard in 0..board.shards.len() {
        keep_lawful(board, shard);
    }
    let (new, old): (Vec<usize>, Vec<usize>) =
        (0..board.shards.len()).partition(|shard| board.shards[*shard].is_new);
    for shard in old {
        complete(board, shard);
    }
    for shard in new {
        walk(board, shard);
        complete(board, shard);
    }
}

/// Drops copies that no lawful spread can keep, the fullest nodes' first.
fn keep_lawful(board: &mut Board, shard: usize) {
    let mut holders: Holders = board.shards[shard].holders.clone();
    holders.sort_by_key(|node| (board.fullness(Scale::Total, *node), *node));
    let spread = &board.tables[board.shards[shard].table].spread;
    let mut in_zone = vec![0; board.ring.members().zones().len()];
    let mut kept = 0;
    let mut dropped = Holders::new();
    for node in holders {
        if kept < board.shards[shard].n && spread.admits(&in_zone, board.zone(node)) {
            in_zone[board.zone(node)] += 1;
            kept += 1;
        } else {
            dropped.push(node);
        }
    }
    for node in dropped {
        board.take(shard, node);
    }
}

/// Takes nodes with room in the order of the ring.
fn walk(board: &mut Board, shard: usize) {
    let ring = board.ring;
    let (position, table, n) = {
        let state = &board.shards[shard];
        (state.position, state.table, usize::from(state.n))
    };
    let mut in_zone = board.in_zones(shard);
    for node in ring.walk(position).take(WALK_POSITIONS_MAX) {
        if board.shards[shard].holders.len() == n {
            return;
        }
        let has_room = |scale| board.load(scale, node) < board.bounds(scale, node).most;
        if has_room(Scale::Table(table)) && has_room(Scale::Total) && board.may_put(shard, &in_zone, node) {
            board.put(shard, node);
            in_zone[board.zone(node)] += 1;
        }
    }
}

/// Gives a shard its missing copies: on the emptiest lawful node each, those within their bounds first.
fn complete(board: &mut Board, shard: usize) {
    let (table, n) = (Scale::Table(board.shards[shard].table), usize::from(board.shards[shard].n));
    while board.shards[shard].holders.len() < n {
        let in_zone = board.in_zones(shard);
        let is_full = |scale, node| board.load(scale, node) >= board.bounds(scale, node).most;
        let node = (0..board.nodes())
            .filter(|node| board.may_put(shard, &in_zone, *node))
            .min_by_key(|node| {
                let full = (is_full(table, *node), is_full(Scale::Total, *node));
                (full, board.fullness(table, *node), board.fullness(Scale::Total, *node), *node)
            })
            .expect("a lawful spread can always be completed while there are n nodes");
        board.put(shard, node);
    }
}
