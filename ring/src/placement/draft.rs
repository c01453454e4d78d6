//! The first draft: every shard gets n owners in lawful zones, near its place on the ring, loads bounded where that
//! is easy. What is out of bounds afterwards is [`super::balance`]'s.

use super::board::Board;
use super::shard::{Scale, Shard};
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Positions that a walk reads before it gives up and takes the emptiest node instead.
const WALK_POSITIONS_MAX: usize = 4_096;

/// Gives every shard its copies.
pub(super) fn draft(board: &mut Board) {
    let mut short = Vec::new();
    for shard in board.shards() {
        keep_lawful(board, shard);
        if board.copies(shard) < board.table(shard).n && !board.wish(shard).today.is_empty() {
            short.push(shard);
        }
    }
    let mut emptiest = Emptiest::default();
    for shard in short {
        complete(board, shard, &mut emptiest);
    }
    for at in 0..board.new.len() {
        let shard = board.new[at];
        walk(board, shard);
        complete(board, shard, &mut emptiest);
    }
}

/// Drops copies that no lawful spread can keep, the fullest nodes' first.
fn keep_lawful(board: &mut Board, shard: Shard) {
    let zones: SmallVec<[usize; 5]> = board.holders(shard).map(|node| board.zone(node)).collect();
    let table = board.table(shard);
    if zones.len() <= table.n && table.spread.keeps(&zones) {
        return;
    }
    let mut holders: SmallVec<[usize; 5]> = board.holders(shard).collect();
    holders.sort_by_key(|node| (board.fullness(Scale::Total, *node), *node));
    let mut in_zone = vec![0; board.ring.members().zones().len()];
    let mut kept = 0;
    let mut dropped: SmallVec<[usize; 5]> = SmallVec::new();
    for node in holders {
        if kept < table.n && table.spread.admits(&in_zone, board.zone(node)) {
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
fn walk(board: &mut Board, shard: Shard) {
    let (ring, table, n) = (board.ring, Scale::Table(shard.table as usize), board.table(shard).n);
    let mut in_zone = board.in_zones(shard);
    let mut copies = board.copies(shard);
    for node in ring.walk(board.wish(shard).position).take(WALK_POSITIONS_MAX) {
        if copies == n {
            return;
        }
        let has_room = board.is_below_most(table, node) && board.is_below_most(Scale::Total, node);
        if has_room && board.may_put(shard, &in_zone, node) {
            board.put(shard, node);
            in_zone[board.zone(node)] += 1;
            copies += 1;
        }
    }
}

/// Gives a shard its missing copies: on the emptiest lawful node each, those within their bounds first.
fn complete(board: &mut Board, shard: Shard, emptiest: &mut Emptiest) {
    let n = board.table(shard).n;
    let mut copies = board.copies(shard);
    if copies < n {
        board.touched.push(shard);
    }
    while copies < n {
        let in_zone = board.in_zones(shard);
        let node = emptiest
            .find(board, shard.table, |node| board.may_put(shard, &in_zone, node))
            .expect("a lawful spread can always be completed while there are n nodes");
        board.put(shard, node);
        copies += 1;
    }
}

/// How little a node should get one more copy of a table: the least is given one first.
type Reluctance = ((bool, bool), u128, u128, usize);

/// The nodes of one table by how full they are. While shards are given copies, nodes become fuller only: what stands here
/// is never above the truth, so that only what comes to the front is worked out anew.
#[derive(Default)]
struct Emptiest {
    table: Option<u32>,
    nodes: BinaryHeap<Reverse<Reluctance>>,
}

impl Emptiest {
    fn find(&mut self, board: &Board, table: u32, is_lawful: impl Fn(usize) -> bool) -> Option<usize> {
        if self.table.replace(table) != Some(table) {
            let nodes = (0..board.nodes()).map(|node| Reverse(reluctance(board, table, node)));
            self.nodes = nodes.collect::<Vec<_>>().into();
        }
        let (mut found, mut aside) = (None, Vec::new());
        while let Some(Reverse(known)) = self.nodes.pop() {
            let node = known.3;
            let now = reluctance(board, table, node);
            if now != known {
                self.nodes.push(Reverse(now));
                continue;
            }
            aside.push(Reverse(known));
            if is_lawful(node) {
                found = Some(node);
                break;
            }
        }
        self.nodes.extend(aside);
        found
    }
}

fn reluctance(board: &Board, table: u32, node: usize) -> Reluctance {
    let table = Scale::Table(table as usize);
    let is_full = (!board.is_below_most(table, node), !board.is_below_most(Scale::Total, node));
    (is_full, board.fullness(table, node), board.fullness(Scale::Total, node), node)
}
