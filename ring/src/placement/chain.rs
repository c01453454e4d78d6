//! Chains of exchanges, for when no simple one is lawful.
//!
//! Every shard of the full node may be on the empty one already, or zones may forbid the exchange. Then a copy goes
//! to a third node, which gives one of its own away, and so on. Chains are shortest paths in the residual graph of a
//! flow of copies,
//!
//! ```text
//!   shard ──> its zones ──> (table, node) ──> node ──> bounds
//! ```
//!
//! so that one is found whenever there is any (Ford and Fulkerson). A shortest path passes one shard twice only where
//! the two exchanges are independent, in different zones; else it would have a short cut.

use super::board::Board;
use super::search::Search;
use super::shard::{Exchange, Scale, Shard};
use std::collections::{BTreeMap, VecDeque};

/// A point of the residual graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Vertex {
    /// The copies of one table on one node.
    Part { table: usize, node: usize },
    /// All copies on one node.
    Node(usize),
}

/// The points that were reached: from where, and by which exchange; `None` for a start.
type Paths = BTreeMap<Vertex, Option<(Vertex, Option<Exchange>)>>;

/// The shortest chain of exchanges that takes one copy off a giver and gives one more to a receiver, leaving all
/// others as full as they are.
pub(super) fn shortest_chain(board: &Board, search: &mut Search) -> Option<Vec<Exchange>> {
    let goal = search.goal;
    let start = |node: &usize| match goal.scale {
        Scale::Table(table) => Vertex::Part { table, node: *node },
        Scale::Total => Vertex::Node(*node),
    };
    let is_goal = |reached: Vertex| match (goal.scale, reached) {
        (Scale::Table(_), Vertex::Part { node, .. }) | (Scale::Total, Vertex::Node(node)) => {
            goal.takes(board, node)
        }
        (Scale::Table(_), Vertex::Node(_)) | (Scale::Total, Vertex::Part { .. }) => false,
    };
    let givers = search.givers.all(|node| goal.giver_key(board, node));
    let mut queue: VecDeque<Vertex> = givers.iter().map(start).collect();
    let mut paths: Paths = queue.iter().map(|start| (*start, None)).collect();
    while let Some(at) = queue.pop_front() {
        for (next, exchange) in neighbours(board, goal.scale, at, &paths) {
            paths.insert(next, Some((at, exchange)));
            if is_goal(next) {
                return Some(chain_to(&paths, next));
            }
            queue.push_back(next);
        }
    }
    None
}

/// The shortest chain of exchanges of copies that move anyway: none of today's owners gives one of its own. It costs no move.
pub(super) fn of_guests(board: &Board, search: &mut Search) -> Option<Vec<Exchange>> {
    let goal = search.goal;
    let gives = |node: &usize| goal.gives(board, *node);
    let mut queue: VecDeque<usize> = board.guests.keys().copied().filter(gives).collect();
    let mut paths: BTreeMap<usize, Option<Exchange>> = queue.iter().map(|node| (*node, None)).collect();
    while let Some(from) = queue.pop_front() {
        let guests = board.guests.get(&from).into_iter().flat_map(|shards| shards.range(goal.scale.shards()));
        for shard in guests.copied() {
            for to in 0..board.nodes() {
                let exchange = Exchange { shard, from, to };
                // One that passes a copy on needs another to give.
                let goes_on = goal.takes(board, to) || board.guests.contains_key(&to);
                if !goes_on || paths.contains_key(&to) || !goal.allows(board, exchange) {
                    continue;
                }
                paths.insert(to, Some(exchange));
                if goal.takes(board, to) {
                    let mut chain = Vec::new();
                    let mut at = to;
                    while let Some(Some(exchange)) = paths.get(&at) {
                        chain.push(*exchange);
                        at = exchange.from;
                    }
                    return Some(chain);
                }
                queue.push_back(to);
            }
        }
    }
    None
}

/// Where one step of a chain can go that no step has reached.
fn neighbours(board: &Board, scale: Scale, at: Vertex, reached: &Paths) -> Vec<(Vertex, Option<Exchange>)> {
    let mut next = Vec::new();
    match at {
        Vertex::Node(node) => {
            let giving = (0..board.tables.len()).filter(|table| board.may_give(*table as u32, node));
            next.extend(giving.map(|table| (Vertex::Part { table, node }, None)));
        }
        Vertex::Part { table, node } => {
            if scale == Scale::Total && board.may_take(table as u32, node) {
                next.push((Vertex::Node(node), None));
            }
            let shards: Vec<Shard> = board.held(table, node).collect();
            for to in 0..board.nodes() {
                let part = Vertex::Part { table, node: to };
                if reached.contains_key(&part) {
                    continue;
                }
                let lawful = shards.iter().copied().find(|shard| board.may_exchange(*shard, node, to));
                next.extend(lawful.map(|shard| (part, Some(Exchange { shard, from: node, to }))));
            }
        }
    }
    next.retain(|(vertex, _)| !reached.contains_key(vertex));
    next
}

fn chain_to(paths: &Paths, mut at: Vertex) -> Vec<Exchange> {
    let mut chain = Vec::new();
    while let Some(Some((before, exchange))) = paths.get(&at) {
        chain.extend(exchange);
        at = *before;
    }
    chain
}
