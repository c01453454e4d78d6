//! Ways to break the protocol on purpose, one at a time, so that the tests can show that they would notice.
//!
//! Each [`Mutant`] breaks exactly one rule of the register protocol. [`Rules`] is handed to the machines and
//! replicas; in an ordinary build it is empty and [`Rules::broken`] is constantly false, so that a mutant costs
//! nothing and cannot be switched on. Only a build with the feature `mutants` can break a rule, and a release build
//! with that feature does not compile.

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("the feature `mutants` lets a test break the protocol: it has no place in a release build");

/// One rule, broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutant {
    /// Reads repair nothing.
    NoReadRepair,
    /// Reads answer first and repair then.
    RepairAfterAnswer,
    /// Round one of a write believes the first answer (its own replica's, where it has one).
    VersionFromOneReplica,
    /// Round one waits for as many answers as the request's own w.
    RoundOneByRequestW,
    /// Versions are (seq, node) only: two writes of one node may tie.
    VersionsMayTie,
    /// Versions come from the coordinator's wall clock.
    WallClockVersions,
    /// A kept hint counts towards W.
    HintsCount,
    /// Replicas acknowledge before the log is synced.
    AcknowledgedBeforeDurable,
    /// A write of unknown outcome is reported as not applied.
    UnknownCalledFailed,
    /// Tombstones go after a while.
    TombstonesDroppedByAge,
    /// Replicas keep what arrived last instead of what is greatest.
    LastArrivalWins,
    /// Operation ids are not looked at.
    RetriesApplied,
    /// An id found in round one is answered at once, without a write quorum that holds it.
    FoundIdAnsweredAtOnce,
    /// A record that loses takes its operation ids with it.
    IdsLostWithLosingRecord,
    /// A sequence below the client's last is applied.
    LowerSequenceApplied,
    /// A retry whose client may have been forgotten is applied.
    ForgottenClientApplied,
    /// A found id is answered without comparing the body.
    BodyNotCompared,
    /// A read answers 404 for an expired record without making that final.
    ExpiryNotFlagged,
    /// The expired flag does not beat the unflagged version.
    ExpiredFlagUndone,
    /// A write at `one` is tried at another owner although the first may have it.
    OneTriedTwice,
    /// A write whose acknowledgement is late is sent again under a new version.
    SecondVersion,
    /// A read at a quorum answers a version assigned at `one` although an owner has shown a later one.
    OvertakenAnswered,
    /// A write is answered with fewer than W acknowledgements.
    OneAckTooFew,
    /// Hints are thrown away instead of replayed.
    HintsDropped,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 24] = [
        Mutant::NoReadRepair,
        Mutant::RepairAfterAnswer,
        Mutant::VersionFromOneReplica,
        Mutant::RoundOneByRequestW,
        Mutant::VersionsMayTie,
        Mutant::WallClockVersions,
        Mutant::HintsCount,
        Mutant::AcknowledgedBeforeDurable,
        Mutant::UnknownCalledFailed,
        Mutant::TombstonesDroppedByAge,
        Mutant::LastArrivalWins,
        Mutant::RetriesApplied,
        Mutant::FoundIdAnsweredAtOnce,
        Mutant::IdsLostWithLosingRecord,
        Mutant::LowerSequenceApplied,
        Mutant::ForgottenClientApplied,
        Mutant::BodyNotCompared,
        Mutant::ExpiryNotFlagged,
        Mutant::ExpiredFlagUndone,
        Mutant::OneTriedTwice,
        Mutant::SecondVersion,
        Mutant::OvertakenAnswered,
        Mutant::OneAckTooFew,
        Mutant::HintsDropped,
    ];

    /// Its name as people type it: `no-read-repair`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// Inverse of [`Mutant::name`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mutant| mutant.name() == name)
    }
}

/// The rules as they hold in this process: all of them, unless a test broke one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    #[cfg(feature = "mutants")]
    broken: Option<Mutant>,
}

impl Rules {
    /// Every rule in place.
    pub const INTACT: Rules = Rules {
        #[cfg(feature = "mutants")]
        broken: None,
    };

    /// All rules but one.
    #[cfg(feature = "mutants")]
    pub fn breaking(mutant: Mutant) -> Self {
        Self { broken: Some(mutant) }
    }

    /// Whether this rule is broken: constantly false in an ordinary build.
    #[cfg(feature = "mutants")]
    pub fn broken(self, mutant: Mutant) -> bool {
        self.broken == Some(mutant)
    }

    /// Whether this rule is broken: constantly false in an ordinary build.
    #[cfg(not(feature = "mutants"))]
    #[inline]
    pub const fn broken(self, _: Mutant) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_has_a_name_of_its_own() {
        for mutant in Mutant::ALL {
            assert_eq!(Mutant::named(&mutant.name()), Some(mutant));
        }
        assert_eq!(Mutant::OneAckTooFew.name(), "one-ack-too-few");
        assert_eq!(Mutant::named("OneAckTooFew"), None);
    }
}
