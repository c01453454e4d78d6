//! Who owns a key, as the catalog had it at one epoch.
//!
//! Any node answers any request; an owner of the key does so with one hop less. So a stale map costs a hop and no
//! promise. Each answer names its epoch: a later one than a map's makes that stale, and the next request for its table
//! asks for another. At most once a second, and longer after failures and where a map is costly; no request waits for
//! one that is being made for another request.

use crate::endpoint::Endpoint;
use quorate_api::document::{Bound, Ring, Shard};
use quorate_api::text::from_base64url;
use quorate_model::Token;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long the cluster is not asked again for a map of a table, and how long at most after failures.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A map that takes so long to make is made once in so many times that.
const COST_MAX: u32 = 20;

/// Most tables of which a session has a map; of others any node is asked.
const TABLES_MAX: usize = 1_024;

/// The shards of one table at one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    epoch: u64,
    /// Where each shard begins, in ascending order, and the ids of its owners.
    shards: Vec<(Place, Vec<String>)>,
}

/// Where a shard begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Token(u64),
    Key(Vec<u8>),
}

/// The maps of a session, and where members are reached.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    tables: HashMap<String, Known>,
    /// By the member's id.
    addresses: HashMap<String, Endpoint>,
    /// The latest that any answer named.
    epoch: u64,
}

#[derive(Debug)]
struct Known {
    map: Option<Map>,
    not_before: Instant,
    failures: u32,
}

impl Map {
    /// Of the ring of one table; `None`: it has no shards, or places that are none.
    pub fn of(ring: &Ring) -> Option<Self> {
        let shard = |shard: &Shard| Some((Place::of(&shard.start)?, owners(shard)));
        let mut shards = ring.shards.iter().map(shard).collect::<Option<Vec<_>>>()?;
        shards.sort();
        (!shards.is_empty()).then_some(Self { epoch: ring.epoch, shards })
    }

    /// The ids of a key's owners; those that are owners before and behind a move come first.
    pub fn owners_of(&self, key: &[u8]) -> &[String] {
        let place = match self.shards.first() {
            Some((Place::Token(_), _)) => Place::Token(Token::of(key).0),
            Some((Place::Key(_), _)) => Place::Key(key.to_vec()),
            None => return &[],
        };
        let behind = self.shards.partition_point(|(start, _)| *start <= place);
        match behind.checked_sub(1) {
            Some(at) => &self.shards[at].1,
            None => &[],
        }
    }

    /// The ids of all owners.
    pub fn owners(&self) -> impl Iterator<Item = &String> {
        self.shards.iter().flat_map(|(_, owners)| owners)
    }
}

impl Place {
    fn of(bound: &Bound) -> Option<Self> {
        match bound {
            Bound::Token(token) => u64::from_str_radix(token, 16).ok().map(Place::Token),
            Bound::Key(name) => match (&name.key, &name.key_b64) {
                (Some(text), _) => Some(Place::Key(text.clone().into_bytes())),
                (None, Some(base64)) => from_base64url(base64.as_bytes()).map(Place::Key),
                (None, None) => None,
            },
        }
    }
}

fn owners(shard: &Shard) -> Vec<String> {
    let (both, leaving): (Vec<&String>, Vec<&String>) =
        shard.owners.iter().partition(|owner| shard.next.is_empty() || shard.next.contains(owner));
    let new = shard.next.iter().filter(|owner| !shard.owners.contains(owner));
    both.into_iter().chain(leaving).chain(new).cloned().collect()
}

impl Maps {
    /// Takes note of the epoch of an answer.
    pub fn note(&mut self, epoch: Option<u64>) {
        self.epoch = self.epoch.max(epoch.unwrap_or(0));
    }

    /// Where the owners of a key are reached, as far as that is known.
    pub fn owners(&self, table: &str, key: &[u8]) -> Vec<Endpoint> {
        let map = self.tables.get(table).and_then(|known| known.map.as_ref());
        let owners = map.map_or(&[][..], |map| map.owners_of(key));
        owners.iter().filter_map(|owner| self.addresses.get(owner)).cloned().collect()
    }

    /// Whether a map of this table shall be made now, by the caller alone; it has to [`Maps::end`] or [`Maps::fail`].
    pub fn begin(&mut self, table: &str, now: Instant) -> bool {
        if self.tables.len() >= TABLES_MAX && !self.tables.contains_key(table) {
            return false;
        }
        let epoch = self.epoch;
        let unknown = Known { map: None, not_before: now, failures: 0 };
        let known = self.tables.entry(table.to_owned()).or_insert(unknown);
        let is_stale = known.map.as_ref().is_none_or(|map| map.epoch < epoch);
        let begins = is_stale && now >= known.not_before;
        if begins {
            known.not_before = now + PAUSE_MAX;
        }
        begins
    }

    /// Takes over who the members are, and where, as far as that is said.
    pub fn learn<'a>(&mut self, members: impl Iterator<Item = (&'a str, Option<&'a str>)>) {
        let mut before = std::mem::take(&mut self.addresses);
        for (node, address) in members {
            let said = address.and_then(|address| address.parse::<Endpoint>().ok());
            if let Some(endpoint) = said.or_else(|| before.remove(node)) {
                self.addresses.insert(node.to_owned(), endpoint);
            }
        }
    }

    /// Whether it is known where every owner of a map is.
    pub fn knows(&self, map: &Map) -> bool {
        map.owners().all(|owner| self.addresses.contains_key(owner))
    }

    /// Where members are reached.
    pub fn everywhere(&self) -> Vec<Endpoint> {
        self.addresses.values().cloned().collect()
    }

    /// Takes over a map that took so long to make.
    pub fn end(&mut self, table: &str, map: Map, took: Duration, now: Instant) {
        let not_before = now + PAUSE.max(took * COST_MAX);
        self.tables.insert(table.to_owned(), Known { map: Some(map), not_before, failures: 0 });
    }

    /// There is no new map: another one is asked for after a longer while. `is_gone`: there is no such table.
    pub fn fail(&mut self, table: &str, is_gone: bool, now: Instant) {
        let Some(known) = self.tables.get_mut(table) else { return };
        known.not_before = now + PAUSE_MAX.min(PAUSE * 2u32.pow(known.failures.min(10)));
        known.failures += 1;
        if is_gone {
            known.map = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_api::document::KeyName;

    fn shard(start: Bound, owners: &[&str], next: &[&str]) -> Shard {
        let ids = |all: &[&str]| all.iter().map(|id| (*id).to_owned()).collect();
        Shard {
            id: "t/0".to_owned(),
            index: 0,
            start,
            end: None,
            position: "0".repeat(16),
            epoch: 1,
            owners: ids(owners),
            next: ids(next),
        }
    }

    fn map(epoch: u64, shards: Vec<Shard>) -> Map {
        Map::of(&Ring { epoch, nodes: Vec::new(), shards }).expect("a ring")
    }

    fn key(key: &[u8]) -> Bound {
        Bound::Key(KeyName::from(key))
    }

    #[test]
    fn a_key_is_looked_up_by_its_token_or_by_itself() {
        let token = |text: &str| Bound::Token(text.to_owned());
        let of_tokens = map(
            1,
            vec![
                shard(token("8000000000000000"), &["n2"], &[]),
                shard(token("0000000000000000"), &["n1"], &[]),
            ],
        );
        // Their tokens are 4681852e40bcdd3a and 9432be5f40585227.
        assert_eq!([of_tokens.owners_of(b"a"), of_tokens.owners_of(b"user-17")], [["n1"], ["n2"]]);
        let of_keys = map(1, vec![shard(key(b""), &["n1"], &[]), shard(key(b"m\xff"), &["n2"], &[])]);
        let owners = [&b"a"[..], b"m", b"m\xff", b"z"].map(|key| of_keys.owners_of(key)[0].as_str());
        assert_eq!(owners, ["n1", "n1", "n2", "n2"]);
    }

    #[test]
    fn while_a_shard_moves_owners_of_both_sets_come_first() {
        let moving = map(1, vec![shard(key(b""), &["n1", "n2"], &["n2", "n3"])]);
        assert_eq!(moving.owners_of(b"k"), ["n2", "n1", "n3"]);
    }

    #[test]
    fn what_is_no_ring_of_one_table_is_no_map() {
        let none = Ring { epoch: 1, nodes: Vec::new(), shards: Vec::new() };
        assert_eq!(Map::of(&none), None);
        let wrong = shard(Bound::Token("ring".to_owned()), &["n1"], &[]);
        assert_eq!(Map::of(&Ring { shards: vec![wrong], ..none }), None);
    }

    #[test]
    fn a_map_is_made_once_in_an_epoch_and_once_a_second() {
        let (mut maps, begun) = (Maps::default(), Instant::now());
        let all = || vec![shard(key(b""), &["n1"], &[])];
        maps.learn([("n1", Some("127.0.0.1:1")), ("n2", None)].into_iter());
        maps.note(Some(7));
        assert!(maps.begin("t", begun));
        assert!(!maps.begin("t", begun), "it is being made");
        let made = map(7, all());
        assert!(maps.knows(&made));
        maps.end("t", made, Duration::from_millis(10), begun);
        assert_eq!(maps.owners("t", b"k"), [Endpoint::new("127.0.0.1", 1)]);
        let later = begun + Duration::from_secs(60);
        assert!(!maps.begin("t", later), "it is of this epoch");
        maps.note(Some(8));
        assert!(!maps.begin("t", begun + PAUSE / 2) && maps.begin("t", later));
        maps.fail("t", false, later);
        assert!(!maps.begin("t", later) && maps.begin("t", later + PAUSE));
        assert_eq!(maps.owners("t", b"k").len(), 1, "the stale one serves");
        maps.fail("t", true, later);
        assert!(maps.owners("t", b"k").is_empty());
    }

    #[test]
    fn a_costly_map_is_made_less_often_and_members_that_left_are_forgotten() {
        let (mut maps, now) = (Maps::default(), Instant::now());
        maps.end("t", map(1, vec![shard(key(b""), &["n1"], &[])]), Duration::from_secs(1), now);
        maps.note(Some(2));
        assert!(
            !maps.begin("t", now + Duration::from_secs(19)) && maps.begin("t", now + Duration::from_secs(20))
        );
        maps.learn([("n1", Some("a:1")), ("n2", Some("b:1"))].into_iter());
        maps.learn([("n1", None)].into_iter());
        assert_eq!(maps.everywhere(), [Endpoint::new("a", 1)]);
    }
}
