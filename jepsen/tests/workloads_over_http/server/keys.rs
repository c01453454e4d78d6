//! What the server holds: for each key its present record and the one before, and the ids that were acknowledged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Keys {
    /// How many requests there were.
    pub requests: u64,
    /// How many drops of the table were asked for, and whether it is dropped.
    pub drops: u64,
    pub is_dropped: bool,
    versions: u64,
    by_name: BTreeMap<String, Key>,
}

#[derive(Default)]
struct Key {
    present: Option<Record>,
    before: Option<Record>,
    ids: BTreeMap<String, String>,
    /// What comes back, and after how many more reads.
    comes_back: Option<(Record, u32)>,
}

#[derive(Clone)]
struct Record {
    value: String,
    version: String,
    expires: Option<Instant>,
}

/// What is to be stored.
pub struct Written {
    /// The value; nothing deletes.
    pub value: Option<String>,
    pub ttl_ms: Option<u64>,
    pub id: Option<String>,
}

/// A deleted value that comes back does so after so many looks.
const READS_UNTIL_BACK: u32 = 3;

impl Keys {
    pub fn next_version(&mut self) -> String {
        self.versions += 1;
        format!("{}-n1", self.versions)
    }

    /// Every key that was ever stored, in their order.
    pub fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }

    /// Drops the table: all its keys, but for every other one, if it keeps some.
    pub fn drop_all(&mut self, keeps_half: bool) {
        self.is_dropped = true;
        let step = if keeps_half { 2 } else { 1 };
        let names: Vec<String> = self.by_name.keys().step_by(step).cloned().collect();
        for name in names {
            self.store(&name, Written { value: None, ttl_ms: None, id: None });
        }
    }

    pub fn store(&mut self, key: &str, written: Written) -> String {
        let version = self.next_version();
        let entry = self.by_name.entry(key.to_owned()).or_default();
        let expires = written.ttl_ms.map(|ttl| Instant::now() + Duration::from_millis(ttl));
        let record = written.value.map(|value| Record { value, version: version.clone(), expires });
        if record.is_some() {
            entry.comes_back = None;
        }
        entry.before = std::mem::replace(&mut entry.present, record);
        if let Some(id) = written.id {
            entry.ids.insert(id, version.clone());
        }
        version
    }

    /// The value and version of a key, as far as it is not over.
    pub fn present(&mut self, key: &str) -> Option<(String, String)> {
        let entry = self.by_name.get_mut(key)?;
        if let Some((record, reads)) = entry.comes_back.take() {
            if reads == 0 {
                entry.present = Some(record);
            } else {
                entry.comes_back = Some((record, reads - 1));
            }
        }
        let is_alive = |record: &&Record| record.expires.is_none_or(|expires| expires > Instant::now());
        entry.present.as_ref().filter(is_alive).map(shown)
    }

    pub fn before(&self, key: &str) -> Option<(String, String)> {
        self.by_name.get(key)?.before.as_ref().map(shown)
    }

    pub fn even_if_expired(&self, key: &str) -> Option<(String, String)> {
        self.by_name.get(key)?.present.as_ref().map(shown)
    }

    /// The version that this id was acknowledged with.
    pub fn remembered(&self, key: &str, id: &str) -> Option<String> {
        self.by_name.get(key)?.ids.get(id).cloned()
    }

    /// What the delete that follows will delete comes back after a while.
    pub fn delete_for_a_while(&mut self, key: &str) {
        let entry = self.by_name.entry(key.to_owned()).or_default();
        entry.comes_back = entry.present.clone().map(|record| (record, READS_UNTIL_BACK));
    }
}

fn shown(record: &Record) -> (String, String) {
    (record.value.clone(), record.version.clone())
}
