//! In what a table is read: parts of a hash table, ranges of a range table's keys.
//!
//! Where there is a snapshot before, its pieces are asked about one by one: those that have not changed are not read.
//! Else a hash table is cut into equal parts of about [`PIECE_BYTES`], and a range table where its shards are; a
//! shard is cut into pieces as it is read.

use crate::bulk::key_of;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use quorate_api::document;
use quorate_api::query::Part;
use quorate_api::text::{from_base64url, to_base64url};
use quorate_backup::notes::{UnfinishedTable, Unit};
use quorate_backup::snapshot::{Definition, Over, Table};
use quorate_client::{Client, Scan};
use quorate_model::Level;
use serde_json::Value as Json;

/// A piece of a table has about so many bytes.
pub const PIECE_BYTES: u64 = 16 << 20;

/// Parts of a hash table that are so many times as large are cut anew.
const GROWN: u64 = 4;

/// A table that is to be read, and about how many keys it has.
pub struct Planned {
    /// The table.
    pub table: UnfinishedTable,
    /// As its owners have counted it; 0: that is not known.
    pub keys: u64,
}

/// What a table is, as the cluster says.
pub async fn described(context: &Context, client: &Client, name: &str) -> Result<document::Table, Failure> {
    let doing = format!("looking for table {name}");
    read(&context.told(&doing, client.table(name)).await?)
}

/// Every table of the cluster, by name.
pub async fn all(context: &Context, client: &Client) -> Result<Vec<String>, Failure> {
    let tables: document::Tables = read(&context.told("listing tables", client.tables()).await?)?;
    Ok(tables.tables.into_iter().map(|table| table.name).collect())
}

fn read<T: for<'de> serde::Deserialize<'de>>(json: &Json) -> Result<T, Failure> {
    T::deserialize(json).map_err(|error| {
        Failure::new(Exit::Other, format!("the server's answer is not what was asked: {error}"))
    })
}

/// How a table is read, where its last snapshot is known or not.
pub async fn planned(
    context: &Context,
    client: &Client,
    name: &str,
    before: Option<&Table>,
) -> Result<Planned, Failure> {
    let table = described(context, client, name).await?;
    let stats = client.table_stats(name).await.unwrap_or_default();
    let (keys, bytes) = (stats["keys"].as_u64().unwrap_or(0), stats["bytes"].as_u64().unwrap_or(0));
    let is_range = table.sharding == "range";
    let starts = if is_range { starts(context, client, name).await? } else { Vec::new() };
    let overs = match before.filter(|before| before.id == table.id) {
        Some(before) if fits(before, is_range, bytes) => {
            before.pieces.iter().map(|piece| piece.over.clone()).collect()
        }
        Some(_) | None if is_range => ranges(&starts),
        Some(_) | None => parts(bytes),
    };
    let units = overs.into_iter().map(|over| Unit { over, ..Unit::default() }).collect();
    let table = UnfinishedTable {
        name: table.name.clone(),
        id: table.id.clone(),
        definition: defined(&table, starts),
        consistency: None,
        units,
    };
    Ok(Planned { table, keys })
}

/// Whether the pieces of the snapshot before still have a sensible size. Those of a range table are cut as they are
/// read.
fn fits(before: &Table, is_range: bool, bytes: u64) -> bool {
    let count = before.pieces.len() as u64;
    is_range || count >= u64::from(Part::MAX) || bytes / count.max(1) <= GROWN * PIECE_BYTES
}

/// Where the shards of a range table begin, but for the first: base64url.
async fn starts(context: &Context, client: &Client, name: &str) -> Result<Vec<String>, Failure> {
    let shards = context.told("listing the table's shards", client.shards(name)).await?;
    let starts = shards.read.shards.iter().map(|shard| &shard.start);
    let keys = starts.filter_map(key_of).filter(|key| !key.is_empty());
    Ok(keys.map(|key| to_base64url(&key)).collect())
}

/// The ranges between these keys, and those before and behind them.
fn ranges(starts: &[String]) -> Vec<Over> {
    let begins = std::iter::once(None).chain(starts.iter().cloned().map(Some));
    let ends = starts.iter().cloned().map(Some).chain(std::iter::once(None));
    begins.zip(ends).map(|(start, end)| Over { part: None, start, end }).collect()
}

/// Equal parts of a hash table of so many bytes: a power of two, so that twice as many halve each.
pub fn parts(bytes: u64) -> Vec<Over> {
    let wanted = bytes.div_ceil(PIECE_BYTES).clamp(1, u64::from(Part::MAX));
    let of = wanted.next_power_of_two().min(u64::from(Part::MAX));
    (1..=of).map(|number| Over { part: Some(format!("{number}/{of}")), ..Over::default() }).collect()
}

fn defined(table: &document::Table, starts: Vec<String>) -> Definition {
    Definition {
        sharding: table.sharding.to_string(),
        n: table.n,
        r: level(&table.r),
        w: level(&table.w),
        mode: table.mode.to_string(),
        shards: table.shards,
        durability: table.durability.to_string(),
        ttl: table.ttl.clone(),
        shard_bytes_max: table.shard_bytes_max,
        starts,
    }
}

fn level(level: &document::Level) -> String {
    match level {
        document::Level::Count(count) => count.to_string(),
        document::Level::Name(name) => name.to_string(),
    }
}

/// Bytes of a page: whatever limits the nodes have, a segment is not much larger than its piece.
const PAGE_BYTES: u64 = 4 * 1024 * 1024;

/// The scan that lists a piece, with values, at a quorum.
pub fn scan_of(over: &Over) -> Result<Scan, Failure> {
    let damaged = || Failure::new(Exit::Other, "a piece of the table is none: the note of it is damaged");
    let bound = |text: &Option<String>| match text {
        Some(text) => from_base64url(text.as_bytes()).map(Some).ok_or_else(damaged),
        None => Ok(None),
    };
    let part = over.part.as_deref().map(str::parse).transpose().map_err(|_| damaged())?;
    let (start, end) = (bound(&over.start)?, bound(&over.end)?);
    let (bytes, consistency) = (Some(PAGE_BYTES), Some(Level::Quorum));
    Ok(Scan { part, start, end, values: true, bytes, consistency, ..Scan::default() })
}

/// What promises less of two words for a guarantee.
pub fn least(one: &str, other: &str) -> String {
    let worth = |word: &str| match word {
        "linearizable" => 2,
        "regular" => 1,
        _ => 0,
    };
    if worth(one) <= worth(other) { one.to_owned() } else { other.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_table_is_cut_by_its_bytes() {
        let parts = |bytes| parts(bytes).into_iter().filter_map(|over| over.part).collect::<Vec<_>>();
        assert_eq!(parts(0), ["1/1"]);
        assert_eq!(parts(2 * PIECE_BYTES + 1), ["1/4", "2/4", "3/4", "4/4"]);
        assert_eq!(parts(u64::MAX).len(), 1_024);
        for part in parts(u64::MAX) {
            let over = Over { part: Some(part), ..Over::default() };
            assert!(scan_of(&over).is_ok_and(|scan| scan.part.is_some()));
        }
    }

    #[test]
    fn ranges_meet() {
        let over = |start: Option<&str>, end: Option<&str>| Over {
            part: None,
            start: start.map(str::to_owned),
            end: end.map(str::to_owned),
        };
        assert_eq!(ranges(&[]), [over(None, None)]);
        let starts = ["Yg", "Yw"].map(str::to_owned);
        let wanted = [over(None, Some("Yg")), over(Some("Yg"), Some("Yw")), over(Some("Yw"), None)];
        assert_eq!(ranges(&starts), wanted);
        let scan = scan_of(&wanted[1]).expect("a range");
        assert_eq!((scan.start.as_deref(), scan.end.as_deref()), (Some(&b"b"[..]), Some(&b"c"[..])));
        assert!(scan_of(&over(Some("!"), None)).is_err());
        assert!(scan_of(&Over { part: Some("2/1".to_owned()), ..Over::default() }).is_err());
    }

    #[test]
    fn the_least_promise_counts() {
        assert_eq!(least("linearizable", "regular"), "regular");
        assert_eq!(least("eventual", "linearizable"), "eventual");
        assert_eq!(least("linearizable", "linearizable"), "linearizable");
    }
}
