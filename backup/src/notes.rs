//! How far something is that was begun: a snapshot that is being made, a restore that goes on.
//!
//! What a note says is durable before the note is: so one that was ended goes on from it, and loses no more than what
//! came after the last note.

use crate::sealed::Document;
use crate::snapshot::{Cluster, Definition, Over, Piece, is_id};
use serde::{Deserialize, Serialize};

/// A snapshot that is being made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The name that it will have.
    pub id: String,
    /// The snapshot from which unchanged pieces are taken over.
    pub parent: Option<String>,
    /// Of which cluster.
    pub cluster: Cluster,
    /// When it was begun, RFC 3339.
    pub began_at: String,
    /// The tables.
    pub tables: Vec<UnfinishedTable>,
}

/// A table of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedTable {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// What it was made as.
    pub definition: Definition,
    /// The least that a page of it has promised so far; absent: there was none.
    pub consistency: Option<String>,
    /// What is read by itself.
    pub units: Vec<Unit>,
}

/// What is read by itself, from its beginning to its end: a piece, or of a range table several in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Which.
    pub over: Over,
    /// The stamp of all of it before it was read; absent: it was not known, or nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What is read of it, in order.
    pub pieces: Vec<Piece>,
    /// Where to go on; absent: at its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Whether nothing of it is left.
    pub is_over: bool,
}

/// A restore that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// Of which snapshot.
    pub snapshot: String,
    /// Into which cluster: its id.
    pub cluster: String,
    /// The tables.
    pub tables: Vec<RestoredTable>,
}

/// A table of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredTable {
    /// Its name in the snapshot.
    pub name: String,
    /// Its name in the cluster.
    pub into: String,
    /// The id of that table: another one of the name was not made by this restore.
    pub id: String,
    /// So many of its segments at the beginning are stored.
    pub stored: u64,
    /// Segments behind that, by their places, that are stored too.
    pub later: Vec<u64>,
}

impl Document for Unfinished {
    const KIND: &'static str = "unfinished snapshot";

    fn wrong(&self) -> Option<String> {
        let is_named = is_id(&self.id) && self.parent.iter().all(|parent| is_id(parent));
        (!is_named).then(|| "its name is none".to_owned())
    }
}

impl Document for Restore {
    const KIND: &'static str = "unfinished restore";
}

impl RestoredTable {
    /// Whether the segment at this place is stored.
    pub fn has(&self, place: u64) -> bool {
        place < self.stored || self.later.contains(&place)
    }

    /// The segment at this place is stored.
    pub fn add(&mut self, place: u64) {
        if !self.has(place) {
            self.later.push(place);
        }
        while let Some(at) = self.later.iter().position(|later| *later == self.stored) {
            self.later.swap_remove(at);
            self.stored += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_counted_without_a_gap() {
        let mut table = RestoredTable {
            name: "t".to_owned(),
            into: "t".to_owned(),
            id: "1".to_owned(),
            stored: 0,
            later: Vec::new(),
        };
        for place in [1, 3, 0, 3, 4] {
            table.add(place);
        }
        assert_eq!((table.stored, table.later.len()), (2, 2));
        assert_eq!([0, 1, 2, 3, 4, 5].map(|place| table.has(place)), [true, true, false, true, true, false]);
        table.add(2);
        assert_eq!((table.stored, table.later.len()), (5, 0));
    }
}
