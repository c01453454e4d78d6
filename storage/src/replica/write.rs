//! One batch of writes: admitted one by one, merged over each other, written and synced once.

use super::hint_book::HintBook;
use super::sums::item;
use super::{Replica, Writer};
use crate::engine::{Batch, Engine, EngineError, Family, ReadTier};
use crate::keys;
use crate::rules::filling::Wants;
use crate::rules::merge::{assigned_above, kept, merge, merge_vouched};
use crate::rules::{self, admission, durability};
use crate::sums::item::{Hasher, Item};
use quorate_model::message::Draft;
use quorate_model::{
    Durability, Layout, NodeId, Operations, Origin, Place, Record, Refusal, Reply, Request, TableId,
};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// What a batch does with one request, before it is written.
enum Step {
    /// The reply, once the batch is as durable as asked.
    Promised(Reply),
    /// Nothing is stored for it.
    Refused(Refusal),
    /// It only asks; answered after the batch.
    Question,
}

/// A batch in the making.
struct Round<'a, E> {
    replica: &'a Replica<E>,
    writer: &'a mut Writer,
    layout: &'a Layout,
    disk_full: bool,
    /// What is held, with this batch's changes, of every key that the batch touched.
    overlay: BTreeMap<(Family, Vec<u8>), Entry>,
    /// The most durable that any request asked for.
    durability: Durability,
    /// The books as they were, once this batch changed them.
    hints_before: Option<HintBook>,
    overflowed: Vec<NodeId>,
    hasher: Hasher,
}

struct Entry {
    /// What is on the disk, as the sums count it.
    before: Option<Item>,
    record: Option<Record>,
    changed: bool,
}

impl<E: Engine> Replica<E> {
    /// Carries out a batch of requests and returns as many replies, in their order. All that changes is one atomic
    /// batch, synced once if any request or its table asks for that. Requests of the same key see each other's
    /// effect, in order. Blocks on the disk.
    pub fn apply(&self, requests: &[Request]) -> Vec<Reply> {
        let mut writer = self.writer();
        if self.is_doubtful() {
            return vec![Reply::Refused(Refusal::Doubtful); requests.len()];
        }
        let steps = {
            // Only `install` replaces the layout, and it waits for the writer.
            let layout = self.layout();
            let mut round = Round::new(self, &mut writer, &layout);
            let steps: Vec<Step> = requests.iter().map(|request| round.step(request)).collect();
            round.finish(steps)
        };
        drop(writer);
        let answers = steps.into_iter().zip(requests).map(|(step, request)| match step {
            Step::Promised(reply) => reply,
            Step::Refused(refusal) => Reply::Refused(refusal),
            Step::Question => self.read(request, ReadTier::Disk).unwrap_or(Reply::Refused(Refusal::Doubtful)),
        });
        answers.collect()
    }
}

#[cfg(feature = "mutants")]
impl<E: Engine> Replica<E> {
    /// Takes up a record that waits for its batch, so that readers see it before it is synced: what the simulator does
    /// as soon as one arrives, where that rule is broken. It is acknowledged with its batch all the same. Does nothing
    /// while the rule is in place.
    pub fn show_early(&self, request: &Request) {
        let shows = durability::shows_early(self.rules) && !self.is_doubtful();
        if !shows || !matches!(request, Request::Write { .. }) {
            return;
        }
        let mut writer = self.writer();
        let layout = self.layout();
        let mut round = Round::new(self, &mut writer, &layout);
        let step = round.step(request);
        round.durability = Durability::Os;
        round.finish(vec![step]);
    }
}

impl<'a, E: Engine> Round<'a, E> {
    fn new(replica: &'a Replica<E>, writer: &'a mut Writer, layout: &'a Layout) -> Self {
        Self {
            replica,
            writer,
            layout,
            disk_full: replica.is_disk_full(),
            overlay: BTreeMap::new(),
            durability: Durability::Os,
            hints_before: None,
            overflowed: Vec::new(),
            hasher: replica.sums().hasher(),
        }
    }

    fn step(&mut self, request: &Request) -> Step {
        let step = match request {
            Request::Ask { .. } | Request::Read { .. } | Request::Inspect { .. } => return Step::Question,
            Request::Write { at, record, durability, origin } => self.store(at, record, *durability, *origin),
            Request::Assign { at, draft, durability } => self.assign(at, draft, *durability),
            Request::Hint { owner, at, record } => self.hint(*owner, at, record),
        };
        step.map_or_else(Step::Refused, Step::Promised)
    }

    fn store(
        &mut self,
        at: &Place,
        record: &Record,
        asked: Durability,
        origin: Origin,
    ) -> Result<Reply, Refusal> {
        let needed = self.needed(at, asked, Wants::Acknowledgement)?;
        // Also a full disk acknowledges what it holds already: reads count on that.
        self.replica.trusted()?;
        let key = keys::record(at.table, &at.sort_key);
        let current = self.current(Family::Records, &key)?;
        let rules = self.replica.rules;
        let is_later = |current: &Record| current.held() > record.held();
        if !admission::acknowledges_earlier(rules) && current.as_ref().is_some_and(is_later) {
            return Err(Refusal::Overloaded);
        }
        let floors = self.replica.floors().at(at.table, &at.sort_key);
        let is_filling = self.replica.is_filling(self.layout, at);
        let origin = rules::purge::origin_here(origin, is_filling);
        if let Some(floor) = rules::purge::below(rules, floors, origin, current.as_ref(), record) {
            // To a reader who repairs, a floor says that the record was removed.
            let tells = origin == Origin::Fresh || rules::purge::tells_sealed(rules, !is_filling);
            return Err(if tells { Refusal::Below { floor } } else { Refusal::Filling });
        }
        let record = kept(rules, record, &mut self.writer.stamps);
        let merged = match origin {
            Origin::Fresh => merge(rules, current, record),
            Origin::Vouched | Origin::Filling => merge_vouched(rules, current, record),
        };
        let held = merged.held();
        self.put(Family::Records, key, merged)?;
        self.durability = self.durability.max(needed);
        Ok(Reply::Written { held })
    }

    /// How durable a write must be: as the table says, or more if the request asks for more.
    fn needed(&self, at: &Place, asked: Durability, wants: Wants) -> Result<Durability, Refusal> {
        let table = self.replica.admit(self.layout, at, wants)?;
        Ok(durability::needed(self.replica.rules, table, asked))
    }

    fn assign(&mut self, at: &Place, draft: &Draft, asked: Durability) -> Result<Reply, Refusal> {
        let needed = self.needed(at, asked, Wants::Version)?;
        self.room()?;
        let key = keys::record(at.table, &at.sort_key);
        let current = self.current(Family::Records, &key)?;
        let floors = self.replica.floors().at(at.table, &at.sort_key);
        let highest = assigned_above(self.replica.rules, current.as_ref()).max(floors.highest());
        let version = self.writer.stamps.draw().above(highest).map_err(|_| Refusal::Exhausted)?;
        let record = Record {
            version,
            written_at: draft.written_at,
            expires_at: draft.expires_at,
            body: draft.body.clone(),
            operations: Operations::default(),
        };
        let record = merge(self.replica.rules, current, record);
        self.put(Family::Records, key, record.clone())?;
        self.durability = self.durability.max(needed);
        Ok(Reply::Assigned { record })
    }

    fn hint(&mut self, owner: NodeId, at: &Place, record: &Record) -> Result<Reply, Refusal> {
        // Who keeps a hint need not own the place, but a dropped table needs no hints.
        match self.layout.admit(at) {
            Ok(_) | Err(Refusal::NotOwner) => {}
            Err(refusal) if !self.knows(at.table) => return Err(refusal),
            // A hint names the epoch of its time; it is replayed under the current one.
            Err(_) => {}
        }
        self.room()?;
        let key = keys::hint(owner, at.table, &at.sort_key);
        let current = self.current(Family::Hints, &key)?;
        let bytes = |record: &Record| (key.len() + record.encode().len()) as u64;
        let before = current.as_ref().map(bytes);
        let merged = merge(self.replica.rules, current, record.clone());
        let after = bytes(&merged);
        let mut hints = self.replica.hints();
        self.hints_before.get_or_insert_with(|| hints.clone());
        let limits = rules::hints::limits(self.replica.rules, self.replica.limits);
        if !hints.replace(owner, before, after, &limits) {
            self.overflowed.push(owner);
            return Err(Refusal::Overloaded);
        }
        drop(hints);
        self.put(Family::Hints, key, merged)?;
        // A hint promises no more than its table does.
        let table = self.layout.tables.get(&at.table);
        let durability = table.map_or(Durability::Sync, |table| table.durability);
        self.durability = self.durability.max(durability);
        Ok(Reply::Hinted)
    }

    fn knows(&self, table: TableId) -> bool {
        self.layout.tables.contains_key(&table)
    }

    fn room(&self) -> Result<(), Refusal> {
        if self.disk_full { Err(Refusal::DiskFull) } else { self.replica.trusted() }
    }

    /// What is held under a key, this batch's changes included.
    fn current(&mut self, family: Family, key: &[u8]) -> Result<Option<Record>, Refusal> {
        if let Some(entry) = self.overlay.get(&(family, key.to_vec())) {
            return Ok(entry.record.clone());
        }
        let (record, bytes) = self.replica.held(family, key)?.unzip();
        let before = bytes.filter(|_| family == Family::Records);
        let before = before.and_then(|bytes| item(self.hasher, key, &bytes));
        let entry = Entry { before, record: record.clone(), changed: false };
        self.overlay.insert((family, key.to_vec()), entry);
        Ok(record)
    }

    /// Takes up a record; refused only where that needs space and there is none.
    fn put(&mut self, family: Family, key: Vec<u8>, record: Record) -> Result<(), Refusal> {
        let entry = self.overlay.get_mut(&(family, key)).expect("what is held was looked up first");
        if entry.record.as_ref() == Some(&record) {
            self.replica.counters.unchanged.fetch_add(1, Ordering::Relaxed);
        } else if self.disk_full {
            return Err(Refusal::DiskFull);
        } else {
            *entry = Entry { before: entry.before, record: Some(record), changed: true };
        }
        Ok(())
    }

    /// Writes the batch, and says what became of its requests.
    fn finish(self, steps: Vec<Step>) -> Vec<Step> {
        let Round { replica, writer, overlay, durability, hints_before, overflowed, .. } = self;
        if replica.is_doubtful() {
            // Reading for this batch has made the replica doubtful: nothing of it is written.
            return steps.iter().map(|_| Step::Refused(Refusal::Doubtful)).collect();
        }
        let mut batch = Batch::default();
        let mut sums = replica.batch_sums();
        for ((family, key), entry) in overlay {
            if let Entry { before, record: Some(record), changed: true } = entry {
                let bytes = record.encode();
                if family == Family::Records {
                    sums.note(&key, before, Some(&bytes));
                }
                batch.put(family, key, bytes);
                replica.counters.stored.fetch_add(1, Ordering::Relaxed);
            }
        }
        sums.delete_rows(&replica.sums(), &mut batch);
        for owner in overflowed {
            replica.hints().put_refused(owner, &mut batch);
        }
        let needed = durability::before_acknowledgement(replica.rules, durability);
        let done = if !batch.is_empty() {
            replica.write(writer, batch, needed)
        } else if durability::syncs_held(replica.rules, needed, writer.unsynced) {
            // What was asked for is held already, perhaps not durably.
            replica.sync(writer)
        } else {
            Ok(())
        };
        let Err(error) = done else {
            sums.count(&mut replica.sums());
            return steps;
        };
        // Without a doubt nothing of the batch is there. After an error that casts one it may be: then the books stay at
        // the most that may be held, so that what is taken off them later was counted.
        if let (None, Some(before)) = (error.doubt(), hints_before) {
            *replica.hints() = before;
        }
        let outcome = match error {
            EngineError::DiskFull(_) => Reply::Refused(Refusal::DiskFull),
            EngineError::Newer(_) => Reply::Refused(Refusal::Doubtful),
            EngineError::Shortage(_) => Reply::Refused(Refusal::Overloaded),
            EngineError::Corrupt(_) | EngineError::Failed(_) | EngineError::Doubtful(_) => {
                replica.judge(&error);
                Reply::Broken
            }
        };
        let outcomes = steps.into_iter().map(|step| match step {
            Step::Promised(_) => Step::Promised(outcome.clone()),
            Step::Refused(_) | Step::Question => step,
        });
        outcomes.collect()
    }
}
