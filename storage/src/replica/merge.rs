//! Merging as the rules of this process say: the model's merge, unless a test broke a rule.

use quorate_model::{Mutant, Record, Rules, record};

/// What to hold after `incoming` met what is held.
pub(super) fn merge(rules: Rules, current: Option<Record>, incoming: Record) -> Record {
    let merged = merge_all(rules, current, incoming);
    #[cfg(feature = "mutants")]
    if rules.broken(Mutant::ClientsForgottenEarly) {
        let operations = merged.operations.latest(FORGETFUL_CLIENTS_MAX);
        return Record { operations, ..merged };
    }
    merged
}

/// How many clients a key remembers where [`Mutant::ClientsForgottenEarly`] holds.
#[cfg(feature = "mutants")]
const FORGETFUL_CLIENTS_MAX: usize = 4;

fn merge_all(rules: Rules, current: Option<Record>, incoming: Record) -> Record {
    let Some(current) = current else { return incoming };
    if rules.broken(Mutant::LastArrivalWins) {
        let operations = current.operations.merge(&incoming.operations);
        return Record { operations, ..incoming };
    }
    if rules.broken(Mutant::ExpiredFlagUndone) && current.version == incoming.version {
        let operations = current.operations.merge(&incoming.operations);
        return Record { operations, ..incoming };
    }
    if rules.broken(Mutant::IdsLostWithLosingRecord) {
        return if incoming.held() > current.held() { incoming } else { current };
    }
    #[cfg(feature = "mutants")]
    if rules.broken(Mutant::NodeBeforeSeq) {
        let operations = current.operations.merge(&incoming.operations);
        let wins = incoming.held().by_node_first() > current.held().by_node_first();
        let winner = if wins { incoming } else { current };
        return Record { operations, ..winner };
    }
    record::merge(current, incoming)
}

#[cfg(feature = "mutants")]
mod dropping {
    use crate::engine::{Batch, Engine, EngineError, Family, KeyRange, for_each};
    use crate::replica::Replica;
    use quorate_model::{Durability, Mutant, Record};

    impl<E: Engine> Replica<E> {
        /// Drops the records of which the simulator says so: tombstones and what was found expired by their age with
        /// [`Mutant::TombstonesDroppedByAge`], as soon as all owners hold them with
        /// [`Mutant::TombstonesDroppedUnfloored`]; values that have an expiry, due or not, with
        /// [`Mutant::ExpiringDropped`]. Does nothing while these rules are in place.
        pub fn drop_records(&self, goes: impl Fn(&Record) -> bool) {
            let dropping =
                [Mutant::TombstonesDroppedByAge, Mutant::TombstonesDroppedUnfloored, Mutant::ExpiringDropped];
            if !dropping.iter().any(|mutant| self.rules.broken(*mutant)) || self.is_doubtful() {
                return;
            }
            let mut writer = self.writer();
            let mut batch = Batch::default();
            let everything = KeyRange { start: Vec::new(), end: None };
            let walked = for_each(&*self.engine, Family::Records, everything, |key, value| {
                let record =
                    Record::decode(&value).map_err(|error| EngineError::Corrupt(error.to_string()))?;
                if goes(&record) {
                    batch.delete(Family::Records, key.to_vec());
                }
                Ok(())
            });
            match walked.and_then(|()| self.write(&mut writer, batch, Durability::Sync)) {
                Ok(()) => {}
                Err(error) => self.found(&error),
            }
        }
    }
}
