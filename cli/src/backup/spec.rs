//! What a table of a snapshot is made as: as it was, but for what the command line says.

use clap::Args;
use quorate_api::document::{self, KeyArgument, TableSpec};
use quorate_api::text::from_base64url;
use quorate_backup::snapshot::Definition;
use quorate_model::Level;

/// Bytes that the keys of `split_at` may take in the document: a server takes one of 256 KiB.
const SPLIT_BYTES_MAX: usize = 200 << 10;

/// Keys of `split_at` that a server takes.
const SPLIT_MAX: usize = 1_023;

/// Most shards of a new hash table: they are split as they grow.
const SHARDS_MAX: u64 = 4_096;

/// What shall be other than it was.
#[derive(Args, Clone, Debug)]
pub struct Changed {
    /// Copies of each record [default: as it was].
    #[arg(long, short)]
    n: Option<u8>,
    /// Default level of reads [default: as it was].
    #[arg(long, value_name = "LEVEL")]
    r: Option<Level>,
    /// The write promise [default: as it was].
    #[arg(long, value_name = "LEVEL")]
    w: Option<Level>,
    /// hash or range [default: as it was].
    #[arg(long)]
    sharding: Option<String>,
    /// Shards that hash tables start with, a power of two [default: about as many as each had].
    #[arg(long)]
    shards: Option<u32>,
    /// What an acknowledgement means: sync or os [default: as it was].
    #[arg(long)]
    durability: Option<String>,
}

/// A table that is to be made.
pub fn spec(name: &str, was: &Definition, changed: &Changed) -> TableSpec {
    let sharding = changed.sharding.clone().unwrap_or_else(|| was.sharding.clone());
    let n = changed.n.unwrap_or(was.n);
    // A number of owners means something else among more or fewer of them.
    let level = |was_level: &str, changed: Option<Level>| {
        let was_level = was_level.parse::<Level>().unwrap_or(Level::Quorum);
        let kept = match was_level {
            Level::Count(_) if n != was.n => Level::Quorum,
            Level::One | Level::Quorum | Level::All | Level::Count(_) => was_level,
        };
        Some(document::Level::from(changed.unwrap_or(kept)))
    };
    let is_hash = sharding == "hash";
    TableSpec {
        name: name.to_owned(),
        n: Some(n),
        r: level(&was.r, changed.r),
        w: level(&was.w, changed.w),
        mode: Some(was.mode.clone()),
        shards: is_hash.then(|| changed.shards.unwrap_or_else(|| shards(was))),
        split_at: (!is_hash).then(|| split_at(&was.starts)).filter(|keys| !keys.is_empty()),
        durability: Some(changed.durability.clone().unwrap_or_else(|| was.durability.clone())),
        ttl: was.ttl.clone(),
        shard_bytes_max: was.shard_bytes_max,
        sharding: Some(sharding),
    }
}

/// About as many shards as a table had: a power of two.
fn shards(was: &Definition) -> u32 {
    let wanted = was.shards.clamp(1, SHARDS_MAX);
    let less = wanted.next_power_of_two() >> u32::from(!wanted.is_power_of_two());
    u32::try_from(less).unwrap_or(1)
}

/// Where the shards of a range table begin: where they did, or as many of these keys, evenly, as a document has room
/// for.
fn split_at(starts: &[String]) -> Vec<KeyArgument> {
    let bytes: usize = starts.iter().map(|start| start.len() + 20).sum();
    let every = (bytes / SPLIT_BYTES_MAX + 1).max(starts.len().div_ceil(SPLIT_MAX)).max(1);
    let some = starts.iter().skip(every - 1).step_by(every);
    let keys = some.filter_map(|start| from_base64url(start.as_bytes()));
    keys.map(|key| KeyArgument::from(key.as_slice())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_api::text::to_base64url;

    fn was(sharding: &str, shards: u64, starts: Vec<String>) -> Definition {
        Definition {
            sharding: sharding.to_owned(),
            n: 3,
            r: "2".to_owned(),
            w: "quorum".to_owned(),
            mode: "register".to_owned(),
            shards,
            durability: "sync".to_owned(),
            ttl: Some("60000ms".to_owned()),
            shard_bytes_max: Some(1 << 20),
            starts,
        }
    }

    fn changed() -> Changed {
        Changed { n: None, r: None, w: None, sharding: None, shards: None, durability: None }
    }

    fn level(level: Level) -> document::Level {
        document::Level::from(level)
    }

    #[test]
    fn a_table_is_made_as_it_was_but_for_what_is_said() {
        let same = spec("t", &was("hash", 96, Vec::new()), &changed());
        assert_eq!((same.n, same.shards, same.split_at), (Some(3), Some(64), None));
        assert_eq!((same.r, same.w), (Some(level(Level::Count(2))), Some(level(Level::Quorum))));
        assert_eq!((same.ttl.as_deref(), same.shard_bytes_max), (Some("60000ms"), Some(1 << 20)));
        let five = Changed { n: Some(5), shards: Some(8), durability: Some("os".to_owned()), ..changed() };
        let five = spec("u", &was("hash", 64, Vec::new()), &five);
        assert_eq!((five.n, five.shards, five.durability.as_deref()), (Some(5), Some(8), Some("os")));
        assert_eq!(five.r, Some(level(Level::Quorum)), "two of five would be less than two of three");
        let hash = Changed { sharding: Some("hash".to_owned()), r: Some(Level::One), ..changed() };
        let hash = spec("t", &was("range", 3, vec!["Yg".to_owned()]), &hash);
        assert_eq!((hash.shards, hash.split_at, hash.r), (Some(2), None, Some(level(Level::One))));
    }

    #[test]
    fn shards_of_a_range_table_begin_where_they_did_as_far_as_there_is_room() {
        let starts = |count: usize, length: usize| -> Vec<String> {
            (0..count).map(|at| to_base64url(format!("{at:0length$}").as_bytes())).collect()
        };
        let split = |starts| spec("t", &was("range", 1, starts), &changed()).split_at.map(|keys| keys.len());
        assert_eq!(
            (split(Vec::new()), split(starts(3, 4)), split(starts(1_023, 4))),
            (None, Some(3), Some(1_023))
        );
        assert_eq!(split(starts(3_000, 4)), Some(1_000));
        let long = split(starts(1_000, 2_000)).expect("some");
        assert!((60..=80).contains(&long), "{long}");
    }
}
