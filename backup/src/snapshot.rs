//! What a backup holds: the repository's own page, and a snapshot with its tables, pieces and segments.

use crate::record::{ContentSum, Totals};
use crate::sealed::Document;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Letters of the name of a segment.
const DIGEST: usize = 64;

/// Longest name of a snapshot.
const ID_MAX: usize = 64;

/// The repository's own page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The cluster whose snapshots are here.
    pub cluster: Cluster,
    /// When it was made, RFC 3339.
    pub made_at: String,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Drawn when it was founded.
    pub id: String,
    /// Its label.
    pub name: String,
}

/// What tables held: of each key what a read said of it at one instant between the two times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name: greater than those before it.
    pub id: String,
    /// The snapshot from which unchanged pieces were taken over.
    pub parent: Option<String>,
    /// Of which cluster.
    pub cluster: Cluster,
    /// The version of the program that wrote it.
    pub program: String,
    /// When it was begun, RFC 3339.
    pub began_at: String,
    /// When all of it was there.
    pub ended_at: String,
    /// The tables.
    pub tables: Vec<Table>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Issued by the cluster's catalog, never reused.
    pub id: String,
    /// What it was made as.
    pub definition: Definition,
    /// The least that a page of it promised: `linearizable`, `regular` or `eventual`.
    pub consistency: String,
    /// All of it, piece by piece.
    pub pieces: Vec<Piece>,
}

/// What a table is, for making it anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// `hash` or `range`.
    pub sharding: String,
    /// Copies.
    pub n: u8,
    /// Default level of reads.
    pub r: String,
    /// The write promise.
    pub w: String,
    /// The protocol that keeps its keys.
    pub mode: String,
    /// Shards that it had.
    pub shards: u64,
    /// What an acknowledgement means.
    pub durability: String,
    /// How long values live that name no ttl.
    pub ttl: Option<String>,
    /// A shard with more bytes is split.
    pub shard_bytes_max: Option<u64>,
    /// Of a range table: where its shards began but for the first, base64url.
    pub starts: Vec<String>,
}

/// Which piece of a table: a part of a hash table, or keys of a range table from `start` to before `end`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Over {
    /// Of a hash table: which, as `2/8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Of a range table: its first key, base64url; absent: the first there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// And the first key behind it; absent: it reaches to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// A piece of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Which.
    pub over: Over,
    /// Its keys.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Those of the values that expire.
    pub expiring: u64,
    /// What it holds.
    pub content: ContentSum,
    /// What the cluster says that its records add up to, as long as none of them changes; absent: it was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// The snapshot for which it was read.
    pub read_in: String,
    /// Its records, in the order in which the table lists them.
    pub segments: Vec<Segment>,
}

/// A file of records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Segment {
    /// SHA-256 of the file, by which it is named.
    pub digest: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Keys in it.
    pub keys: u64,
}

impl Document for Page {
    const KIND: &'static str = "repository";
}

impl Document for Snapshot {
    const KIND: &'static str = "snapshot";

    fn wrong(&self) -> Option<String> {
        if !is_id(&self.id) || !self.parent.iter().all(|parent| is_id(parent)) {
            return Some("its name is none".to_owned());
        }
        let names: BTreeSet<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        if names.len() < self.tables.len() {
            return Some("a table comes twice".to_owned());
        }
        self.tables.iter().find_map(Table::wrong)
    }
}

/// Whether a text may name a snapshot: what can't be a path of another folder.
pub fn is_id(text: &str) -> bool {
    (1..=ID_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether a text is a digest.
fn is_digest(text: &str) -> bool {
    text.len() == DIGEST && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Snapshot {
    /// All that is in it.
    pub fn totals(&self) -> Totals {
        self.tables.iter().fold(Totals::default(), |mut totals, table| {
            totals.join(&table.totals());
            totals
        })
    }

    /// Bytes of its pieces that were read for it and not taken over.
    pub fn read_bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.read_bytes(&self.id)).sum()
    }

    /// Every segment that it names, each once.
    pub fn segments(&self) -> BTreeSet<&Segment> {
        self.tables.iter().flat_map(|table| &table.pieces).flat_map(|piece| &piece.segments).collect()
    }

    /// A table by its name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl Table {
    /// All that is in it.
    pub fn totals(&self) -> Totals {
        self.pieces.iter().fold(Totals::default(), |mut totals, piece| {
            totals.join(&piece.totals());
            totals
        })
    }

    /// Bytes of its pieces that were read for this snapshot and not taken over.
    pub fn read_bytes(&self, id: &str) -> u64 {
        self.pieces.iter().filter(|piece| piece.read_in == id).map(|piece| piece.bytes).sum()
    }

    /// Whether it keeps its keys in their order.
    pub fn is_range(&self) -> bool {
        self.definition.sharding == "range"
    }

    /// What can't be; `None`: all of the table is there, piece by piece, in order.
    fn wrong(&self) -> Option<String> {
        let segments = || self.pieces.iter().flat_map(|piece| &piece.segments);
        if !segments().all(|segment| is_digest(&segment.digest)) {
            return Some(format!("a segment of table {} has no name", self.name.escape_debug()));
        }
        let overs: Vec<&Over> = self.pieces.iter().map(|piece| &piece.over).collect();
        let is_whole = if self.is_range() { are_all_keys(&overs) } else { are_all_parts(&overs) };
        (!is_whole).then(|| format!("the pieces of table {} are not all of it", self.name.escape_debug()))
    }
}

impl Piece {
    /// What is in it.
    pub fn totals(&self) -> Totals {
        Totals { records: self.keys, bytes: self.bytes, expiring: self.expiring, content: self.content }
    }
}

/// Whether these are the parts 1 to M of M.
fn are_all_parts(overs: &[&Over]) -> bool {
    let of = overs.len();
    let is_part = |(at, over): (usize, &&Over)| {
        let wanted = format!("{}/{of}", at + 1);
        over.part.as_deref() == Some(&wanted) && over.start.is_none() && over.end.is_none()
    };
    of > 0 && overs.iter().enumerate().all(is_part)
}

/// Whether each ends where the next one begins, from the first key to the last.
fn are_all_keys(overs: &[&Over]) -> bool {
    let (Some(first), Some(last)) = (overs.first(), overs.last()) else { return false };
    let meet = |two: &[&Over]| two[0].end.is_some() && two[0].end == two[1].start;
    first.start.is_none()
        && last.end.is_none()
        && overs.windows(2).all(meet)
        && overs.iter().all(|over| over.part.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::sealed;

    fn over(part: Option<&str>, start: Option<&str>, end: Option<&str>) -> Over {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Over { part: owned(part), start: owned(start), end: owned(end) }
    }

    fn table(name: &str, sharding: &str, overs: &[Over]) -> Table {
        let piece = |over: &Over| Piece {
            over: over.clone(),
            keys: 2,
            bytes: 30,
            expiring: 1,
            content: ContentSum(7),
            stamp: Some("00ff00ff00ff00ff".to_owned()),
            read_in: "20261128T120000Z-1a2b3c4d".to_owned(),
            segments: vec![Segment { digest: "ab".repeat(32), bytes: 400, keys: 2 }],
        };
        let definition = Definition {
            sharding: sharding.to_owned(),
            n: 3,
            r: "quorum".to_owned(),
            w: "quorum".to_owned(),
            mode: "register".to_owned(),
            shards: 64,
            durability: "sync".to_owned(),
            ttl: None,
            shard_bytes_max: None,
            starts: Vec::new(),
        };
        Table {
            name: name.to_owned(),
            id: "1".to_owned(),
            definition,
            consistency: "linearizable".to_owned(),
            pieces: overs.iter().map(piece).collect(),
        }
    }

    fn snapshot(tables: Vec<Table>) -> Snapshot {
        Snapshot {
            id: "20261128T120000Z-1a2b3c4d".to_owned(),
            parent: None,
            cluster: Cluster { id: "0".repeat(32), name: "orders".to_owned() },
            program: "0.1.0".to_owned(),
            began_at: "2026-11-28T12:00:00Z".to_owned(),
            ended_at: "2026-11-28T12:00:05Z".to_owned(),
            tables,
        }
    }

    fn wrong(tables: Vec<Table>) -> Option<String> {
        match sealed::decode::<Snapshot>(&sealed::encode(&snapshot(tables))) {
            Ok(_) => None,
            Err(Fault::Impossible(why)) => Some(why),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn the_pieces_of_a_table_are_all_of_it_or_it_is_no_snapshot() {
        let part = |text| over(Some(text), None, None);
        assert_eq!(wrong(vec![table("t", "hash", &[part("1/2"), part("2/2")])]), None);
        for parts in [&[][..], &["1/2"], &["2/2", "1/2"], &["1/3", "2/2"], &["1/2", "2/2", "2/2"]] {
            let overs: Vec<Over> = parts.iter().map(|text| part(text)).collect();
            assert!(wrong(vec![table("t", "hash", &overs)]).is_some(), "{parts:?}");
        }
        let keys = |start, end| over(None, start, end);
        let whole = [keys(None, Some("Yg")), keys(Some("Yg"), Some("Yw")), keys(Some("Yw"), None)];
        assert_eq!(wrong(vec![table("t", "range", &whole)]), None);
        assert_eq!(wrong(vec![table("t", "range", &[keys(None, None)])]), None);
        for at in 0..3 {
            let mut less = whole.to_vec();
            less.remove(at);
            assert!(wrong(vec![table("t", "range", &less)]).is_some(), "without piece {at}");
        }
        assert!(wrong(vec![table("t", "range", &[keys(None, None), keys(None, None)])]).is_some());
        let twice = vec![table("t", "hash", &[part("1/1")]), table("t", "hash", &[part("1/1")])];
        assert!(wrong(twice).is_some());
    }

    #[test]
    fn names_are_no_paths() {
        let mut named = snapshot(Vec::new());
        for id in ["", "..", "a/b", "a.b", &"a".repeat(65)] {
            named.id = id.to_owned();
            assert!(sealed::decode::<Snapshot>(&sealed::encode(&named)).is_err(), "{id}");
        }
        let mut table = table("t", "hash", &[over(Some("1/1"), None, None)]);
        table.pieces[0].segments[0].digest = "../../../etc/passwd".to_owned();
        assert!(wrong(vec![table]).is_some());
    }
}
