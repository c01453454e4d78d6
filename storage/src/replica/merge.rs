//! Merging as the rules of this process say: the model's merge, unless a test broke a rule.

use quorate_model::{Mutant, Record, Rules, record};

/// What to hold after `incoming` met what is held.
pub(super) fn merge(rules: Rules, current: Option<Record>, incoming: Record) -> Record {
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
    record::merge(current, incoming)
}

#[cfg(feature = "mutants")]
mod dropping {
    use crate::engine::{Batch, Engine, EngineError, Family, KeyRange, for_each};
    use crate::replica::Replica;
    use quorate_model::{Body, Durability, Mutant, Record};

    impl<E: Engine> Replica<E> {
        /// Drops every tombstone as if its time had come: what [`Mutant::TombstonesDroppedByAge`] does whenever the
        /// simulator calls this; or every value that has an expiry, due or not, as [`Mutant::ExpiringDropped`] does.
        /// Does nothing while the rules are in place.
        pub fn drop_records(&self) {
            let drops_removals = self.rules.broken(Mutant::TombstonesDroppedByAge);
            let drops_expiring = self.rules.broken(Mutant::ExpiringDropped);
            if !(drops_removals || drops_expiring) || self.is_doubtful() {
                return;
            }
            let mut writer = self.writer();
            let mut batch = Batch::default();
            let everything = KeyRange { start: Vec::new(), end: None };
            let walked = for_each(&*self.engine, Family::Records, everything, |key, value| {
                let record =
                    Record::decode(&value).map_err(|error| EngineError::Corrupt(error.to_string()))?;
                let is_dropped = match record.body {
                    Body::Tombstone | Body::Expired => drops_removals,
                    Body::Value { .. } => drops_expiring && record.expires_at.is_some(),
                };
                if is_dropped {
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
