//! What a shift looks for: a copy less on one node, a copy more on another, and who comes first.

use super::board::Board;
use super::queue::Queue;
use super::shard::{Exchange, Scale};

/// Which side of their bounds nodes are brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// No node holds more than it may.
    Relieve,
    /// No node holds less than it should.
    Fill,
}

/// What is to be reached, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Goal {
    pub(super) scale: Scale,
    pub(super) aim: Aim,
}

/// The nodes that matter for a goal, in order of preference, kept while copies are exchanged.
pub(super) struct Search {
    pub(super) goal: Goal,
    /// Those that give, the fullest first.
    pub(super) givers: Queue,
    /// Newcomers that take, the emptiest first.
    pub(super) newcomers: Queue,
    /// The others that take.
    pub(super) stayers: Queue,
    /// Those that take and own something today that they hold no copy of.
    pub(super) homes: Queue,
}

impl Goal {
    /// Whether a node is where it should not be.
    pub(super) fn is_out(self, board: &Board, node: usize) -> bool {
        match self.aim {
            Aim::Relieve => self.gives(board, node),
            Aim::Fill => self.takes(board, node),
        }
    }

    /// Whether a node may hold one copy less.
    pub(super) fn gives(self, board: &Board, node: usize) -> bool {
        match self.aim {
            Aim::Relieve => board.is_above_most(self.scale, node),
            Aim::Fill => board.is_above_least(self.scale, node),
        }
    }

    /// Whether a node may hold one copy more.
    pub(super) fn takes(self, board: &Board, node: usize) -> bool {
        match self.aim {
            Aim::Relieve => board.is_below_most(self.scale, node),
            Aim::Fill => board.is_below_least(self.scale, node),
        }
    }

    /// The place of a node among the givers.
    pub(super) fn giver_key(self, board: &Board, node: usize) -> Option<u128> {
        self.gives(board, node).then(|| u128::MAX - board.fullness(self.scale, node))
    }

    /// The place of a node among the receivers: who is below its least comes first, then newcomers, then who is emptier.
    pub(super) fn receiver_key(self, board: &Board, node: usize) -> Option<u128> {
        let late =
            || 2 * u128::from(!board.is_below_least(self.scale, node)) + u128::from(!board.newcomers[node]);
        let group = match self.aim {
            Aim::Relieve => late() << 126,
            Aim::Fill => 0,
        };
        self.takes(board, node).then(|| group + board.fullness(self.scale, node))
    }

    /// The place of a node among those that take back what is theirs today.
    pub(super) fn home_key(self, board: &Board, node: usize) -> Option<u128> {
        board.away_from(self.scale, node).next()?;
        self.receiver_key(board, node)
    }

    /// Whether an exchange is lawful and leaves the table of its shard within bounds.
    pub(super) fn allows(self, board: &Board, exchange: Exchange) -> bool {
        let Exchange { shard, from, to } = exchange;
        self.allows_table(board, shard.table, from, to) && board.may_exchange(shard, from, to)
    }

    /// Whether a copy of a table may go from one node to another as far as its bounds matter.
    pub(super) fn allows_table(self, board: &Board, table: u32, from: usize, to: usize) -> bool {
        match self.scale {
            Scale::Table(_) => true,
            Scale::Total => board.may_give(table, from) && board.may_take(table, to),
        }
    }

    /// The tables of which a copy may be taken for one that goes back, as far as the bounds of the node between, and of the
    /// one that it goes back to, matter.
    pub(super) fn allows_through(self, board: &Board, back: Exchange) -> impl Iterator<Item = usize> {
        let back_table = back.shard.table;
        let middle_stays = move |table: u32| {
            table == back_table || (board.may_give(back_table, back.from) && board.may_take(table, back.from))
        };
        self.scale.tables(board.tables.len()).filter(move |table| match self.scale {
            Scale::Table(_) => true,
            Scale::Total => board.may_take(back_table, back.to) && middle_stays(*table as u32),
        })
    }

    /// Whether a node may hold one copy less of a table as far as its bounds matter.
    pub(super) fn lets_give(self, board: &Board, table: u32, node: usize) -> bool {
        match self.scale {
            Scale::Table(_) => true,
            Scale::Total => board.may_give(table, node),
        }
    }
}

impl Search {
    pub(super) fn new(board: &Board, goal: Goal) -> Self {
        let nodes = || 0..board.nodes();
        let keyed = |key: &dyn Fn(usize) -> Option<u128>| {
            Queue::of(nodes().filter_map(|node| key(node).map(|key| (key, node))))
        };
        let receiver = |node| goal.receiver_key(board, node);
        Self {
            goal,
            givers: keyed(&|node| goal.giver_key(board, node)),
            newcomers: keyed(&|node| receiver(node).filter(|_| board.newcomers[node])),
            stayers: keyed(&|node| receiver(node).filter(|_| !board.newcomers[node])),
            homes: keyed(&|node| goal.home_key(board, node)),
        }
    }

    /// Whether a node is where it should not be.
    pub(super) fn is_needed(&mut self, board: &Board) -> bool {
        let goal = self.goal;
        let receiver = |node| goal.receiver_key(board, node);
        match goal.aim {
            Aim::Relieve => self.givers.find(|node| goal.giver_key(board, node), Some).is_some(),
            Aim::Fill => {
                self.newcomers.find(receiver, Some).is_some() || self.stayers.find(receiver, Some).is_some()
            }
        }
    }

    /// Takes note of what a node holds now.
    pub(super) fn changed(&mut self, board: &Board, node: usize) {
        if let Some(key) = self.goal.giver_key(board, node) {
            self.givers.push(key, node);
        }
        if let Some(key) = self.goal.receiver_key(board, node) {
            let queue = if board.newcomers[node] { &mut self.newcomers } else { &mut self.stayers };
            queue.push(key, node);
        }
        if let Some(key) = self.goal.home_key(board, node) {
            self.homes.push(key, node);
        }
    }
}
