//! Ways to break the protocol on purpose, one at a time, so that the tests can show that they would notice.
//!
//! Each [`Mutant`] breaks exactly one rule of the register protocol, in the function that is this rule: in a `rules`
//! folder of the coordinator or the storage (`docs/rules.md` lists them; that no boot id comes twice is a rule of
//! `version.rs`). [`Rules`] is handed to the machines and
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
    /// A repair before the answer is enough with one owner fewer than a write quorum.
    RepairedAtTooFew,
    /// Owners that are found stale and are not needed for the answer stay so.
    StaleLeftBehind,
    /// A read below a quorum repairs before it answers, and fails where it can't.
    RepairedBelowQuorum,
    /// Round one of a write believes the first answer (its own replica's, where it has one).
    VersionFromOneReplica,
    /// Round one waits for as many answers as the request's own w.
    RoundOneByRequestW,
    /// Round one waits for `N - w + 1` answers of the table's w, even where that is above a quorum: of one owner at
    /// `all`.
    RoundOneUncapped,
    /// A record is sent to as many owners as must acknowledge it, and to no others.
    SentToFewerOwners,
    /// A replica that holds something later refuses a record instead of acknowledging it.
    HigherVersionRefused,
    /// Versions are (seq, node) only: two writes of one node may tie.
    VersionsMayTie,
    /// Replicas order versions by node first, and by sequence number then.
    NodeBeforeSeq,
    /// Versions come from the coordinator's wall clock.
    WallClockVersions,
    /// Versions come from the coordinator's wall clock, or stand just above what its own replica holds if that is
    /// more.
    HybridClockVersions,
    /// A kept hint counts towards W.
    HintsCount,
    /// Replicas acknowledge before the log is synced.
    AcknowledgedBeforeDurable,
    /// What a replica was sent is seen by its readers while its sync is still under way.
    ShownBeforeDurable,
    /// A write of unknown outcome is reported as not applied.
    UnknownCalledFailed,
    /// A record whose call broke off counts as never sent: if no owner took it, the write is reported as not
    /// applied.
    LostCalledNotSent,
    /// Tombstones go when they have reached some age.
    TombstonesDroppedByAge,
    /// Tombstones go once every owner holds them, and no node remembers the version under which the key stays dead.
    TombstonesDroppedUnfloored,
    /// Replicas keep what arrived last instead of what is greatest.
    LastArrivalWins,
    /// Operation ids are not looked at.
    RetriesApplied,
    /// An id found in round one is answered at once, without a write quorum that holds it.
    FoundIdAnsweredAtOnce,
    /// A found id is answered once a write quorum holds its record or a later one, whether or not they know the id.
    FoundIdNotCounted,
    /// An owner that knows a found id as another attempt's counts as a holder of the one that is to be repeated.
    OtherAttemptCounted,
    /// A record that loses takes its operation ids with it.
    IdsLostWithLosingRecord,
    /// A sequence below the client's last is applied.
    LowerSequenceApplied,
    /// A retry whose client may have been forgotten is applied.
    ForgottenClientApplied,
    /// A key remembers four clients, and says that it never forgot one.
    ClientsForgottenEarly,
    /// A found id is answered without comparing the body.
    BodyNotCompared,
    /// A read answers 404 for an expired record without making that final.
    ExpiryNotFlagged,
    /// A read answers 404 for an expired record first and makes that final then.
    ExpiryFlaggedAfterAnswer,
    /// An expired record is 404 once one owner fewer than a write quorum has the flag.
    ExpiryFlaggedAtTooFew,
    /// Each replica works out by itself when a value expires.
    ExpiryPerReplica,
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
    /// A read is answered after fewer than R answers.
    OneAnswerTooFew,
    /// A read that knows the greatest by its digest only shows the greatest that it has whole.
    DigestTrusted,
    /// Repairs bring no operation ids that only another owner knew.
    RepairWithoutIds,
    /// A read below a quorum shows what is past its expiry.
    ExpiredShown,
    /// An owner that refuses a record counts towards W.
    RefusalCounts,
    /// A call that ends without an answer counts as acknowledged once the client is answered: no hint is left.
    ExpiredCallCounts,
    /// A replica refuses a write whose deadline has passed, and carries it out.
    LateApplied,
    /// A request for more durability than the table's is ignored.
    RaiseIgnored,
    /// A write of which a replica holds as much already is acknowledged without a sync.
    HeldNotSynced,
    /// The owner that assigns a version at `one` does not look at what it holds.
    AssignedWithoutLooking,
    /// What an owner assigned at `one` goes to no other owner.
    AssignedNotSent,
    /// What an owner assigned at `one` goes to the others under a version of the coordinator's own.
    AssignedSentRenewed,
    /// Operation ids are taken below the table's w, where no round looks for them.
    IdBelowPromise,
    /// A process that starts again makes versions as the one before did, from the beginning.
    BootReused,
    /// What a read made final at a quorum (that a value has expired, a record that few owners had) leaves no hint for
    /// the owners that were away.
    FinalLeftUnhinted,
    /// A hint is erased when it is sent, not when its owner has it.
    HintErasedUnanswered,
    /// The store of hints has no limit.
    HintsUnbounded,
    /// A replica whose disk failed goes on answering.
    DoubtForgotten,
    /// A node does not listen to what its peers remember of it.
    CounterIgnored,
    /// Replicas answer requests of any epoch.
    EpochNotChecked,
    /// A coordinator that was refused goes on by its old plan.
    NewerPlanIgnored,
    /// After a newer plan, answers that were given under the old one still count.
    OldAnswersCounted,
    /// After a newer plan, the record is sent under a new version.
    NewVersionOnReplan,
    /// What a copy acknowledged counts for the copy that its node has since.
    FormerCopyCounted,
    /// A coordinator does not listen to what an owner that refused it says is in force.
    RefusalNotHeeded,
    /// A coordinator that is behind does not wait for the catalog that an owner knows already.
    CatalogNotAwaited,
    /// A replica takes a write as durably as the request says, although its table promises more.
    LoweredTaken,
    /// A replica drops values that have an expiry, before their time.
    ExpiringDropped,
    /// A hint whose owner holds something later is erased at once, before all owners agree.
    HintErasedUnrepaired,
    /// A record that an owner did not take is sent again without a pause.
    ResentAtOnce,
    /// An operation that is answered waits for late acknowledgements and hints without end.
    SettledNever,
    /// The client is answered a while after its deadline.
    DeadlineStretched,
    /// Operation ids are gathered without a limit.
    IdsUnbounded,
    /// A record that is written over counts in its chunk's sum as what it was.
    SumNotUpdated,
    /// Sums of chunks know nothing of operation ids.
    SumWithoutIds,
    /// The sum of a chunk stays on the disk when the chunk changes.
    RowKept,
    /// A replica says that it refuses what a change of the catalog took away, and does not note it on its disk.
    FenceVolatile,
    /// A replica that starts with an older catalog than it had answers all the same.
    FenceIgnored,
    /// A table answers at once, although owners may still answer for the dropped one of its name.
    DropNotAwaited,
    /// A replica that fills itself again after a loss answers as if it held everything.
    FillingVotes,
    /// A replica fills itself from one other owner.
    HealFromOne,
    /// A replica fills itself from the first source alone, whatever the sums of the others are.
    FillSumsIgnored,
    /// What a replica fills itself with takes the place of what it took meanwhile.
    FilledOverNewer,
    /// A replica fills itself from as few others as a write promise of more than a quorum allows.
    CopyUncapped,
    /// A copy is made of what a replica holds that may still answer for what was before, once it has started again.
    CopiedUnclosed,
    /// While a shard moves only the old owners count.
    JointOldOnly,
    /// While a shard moves only the new owners count.
    JointNewOnly,
    /// A move ends although old owners may still answer for what was before.
    FenceNotAwaited,
    /// A move ends once as many old owners refuse what was before as round one asks.
    FenceByRoundOne,
    /// A move ends although a new owner does not hold everything.
    FinishUnfilled,
    /// A new owner fills itself without those that give their copies away.
    LeaverNotAsked,
    /// An owner that stays while a shard moves to fewer merges nothing of what the others hold.
    StayersNotMerged,
    /// A replica acknowledges writes before what it still holds is deleted, with them.
    LossyAcks,
    /// What a replica still holds after a loss is deleted after it has begun to acknowledge.
    TakenUnwiped,
    /// A replica deletes what it holds at each start until it is whole.
    TakenTwice,
    /// A replica says that it is whole before that is durable.
    WholeUnsynced,
    /// What a replica notes of a part of a shard that was split makes it forget what it had noted of the rest.
    RestForgotten,
    /// A replica begins anew to fill a shard of which one half was taken already before the two were merged.
    MergedTakenAgain,
    /// The sum of a chunk stays with its left part where a shard is split.
    SplitMovesSums,
    /// A replica that went on after a loss answers before a catalog names it.
    UnnamedAnswers,
    /// An answer claims what its levels promise, although an owner went on after a loss that was accepted.
    AcceptedLossForgotten,
    /// A page believes the first owner that answers.
    ScanFromOne,
    /// A page goes as far as any of its owners has answered.
    ScanBoundIgnored,
    /// A page takes the end of a shard for the end of its range.
    ScanSkipsSegment,
    /// A page lists what is past its expiry.
    ScanShowsDue,
    /// A page that can't be completed ends with what there is.
    ScanErrorEndsQuietly,
    /// What an owner sends another in a sync takes the place of what is held there, whichever is later.
    SyncLastArrival,
    /// A sync brings records without their operation ids.
    SyncWithoutIds,
    /// A replica that doubts its disk takes part in a sync.
    SyncFromDoubtful,
    /// A purge compares owners first, and has them refuse what is older then.
    ClosedAfterCompare,
    /// A purge brings the others nothing of what it found at one of them.
    OnePass,
    /// What another owner held passes every floor.
    PushPassesFloor,
    /// Round one of a write does not look at floors.
    FloorNotAsked,
    /// A read takes what is absent and sealed for never written.
    FloorNotJudged,
    /// A purge drops every removal up to its version, listed or not.
    DroppedByVersion,
    /// A purge drops operation ids, and no owner remembers that it did.
    IdsForgottenSilently,
    /// An owner that has closed goes on taking new writes of older versions.
    CloseRefusesNothing,
    /// A copy is filled without the floors of its sources.
    FloorsNotCopied,
    /// A copy that is being filled calls what it lacks removed.
    FillingSealed,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 120] = [
        Mutant::NoReadRepair,
        Mutant::RepairAfterAnswer,
        Mutant::RepairedAtTooFew,
        Mutant::StaleLeftBehind,
        Mutant::RepairedBelowQuorum,
        Mutant::VersionFromOneReplica,
        Mutant::RoundOneByRequestW,
        Mutant::RoundOneUncapped,
        Mutant::SentToFewerOwners,
        Mutant::HigherVersionRefused,
        Mutant::VersionsMayTie,
        Mutant::NodeBeforeSeq,
        Mutant::WallClockVersions,
        Mutant::HybridClockVersions,
        Mutant::HintsCount,
        Mutant::AcknowledgedBeforeDurable,
        Mutant::ShownBeforeDurable,
        Mutant::UnknownCalledFailed,
        Mutant::LostCalledNotSent,
        Mutant::TombstonesDroppedByAge,
        Mutant::TombstonesDroppedUnfloored,
        Mutant::LastArrivalWins,
        Mutant::RetriesApplied,
        Mutant::FoundIdAnsweredAtOnce,
        Mutant::FoundIdNotCounted,
        Mutant::OtherAttemptCounted,
        Mutant::IdsLostWithLosingRecord,
        Mutant::LowerSequenceApplied,
        Mutant::ForgottenClientApplied,
        Mutant::ClientsForgottenEarly,
        Mutant::BodyNotCompared,
        Mutant::ExpiryNotFlagged,
        Mutant::ExpiryFlaggedAfterAnswer,
        Mutant::ExpiryFlaggedAtTooFew,
        Mutant::ExpiryPerReplica,
        Mutant::ExpiredFlagUndone,
        Mutant::OneTriedTwice,
        Mutant::SecondVersion,
        Mutant::OvertakenAnswered,
        Mutant::OneAckTooFew,
        Mutant::HintsDropped,
        Mutant::OneAnswerTooFew,
        Mutant::DigestTrusted,
        Mutant::RepairWithoutIds,
        Mutant::ExpiredShown,
        Mutant::RefusalCounts,
        Mutant::ExpiredCallCounts,
        Mutant::LateApplied,
        Mutant::RaiseIgnored,
        Mutant::HeldNotSynced,
        Mutant::AssignedWithoutLooking,
        Mutant::AssignedNotSent,
        Mutant::AssignedSentRenewed,
        Mutant::IdBelowPromise,
        Mutant::BootReused,
        Mutant::FinalLeftUnhinted,
        Mutant::HintErasedUnanswered,
        Mutant::HintsUnbounded,
        Mutant::DoubtForgotten,
        Mutant::CounterIgnored,
        Mutant::EpochNotChecked,
        Mutant::NewerPlanIgnored,
        Mutant::OldAnswersCounted,
        Mutant::NewVersionOnReplan,
        Mutant::FormerCopyCounted,
        Mutant::RefusalNotHeeded,
        Mutant::CatalogNotAwaited,
        Mutant::LoweredTaken,
        Mutant::ExpiringDropped,
        Mutant::HintErasedUnrepaired,
        Mutant::ResentAtOnce,
        Mutant::SettledNever,
        Mutant::DeadlineStretched,
        Mutant::IdsUnbounded,
        Mutant::SumNotUpdated,
        Mutant::SumWithoutIds,
        Mutant::RowKept,
        Mutant::FenceVolatile,
        Mutant::FenceIgnored,
        Mutant::DropNotAwaited,
        Mutant::FillingVotes,
        Mutant::HealFromOne,
        Mutant::FillSumsIgnored,
        Mutant::FilledOverNewer,
        Mutant::CopyUncapped,
        Mutant::CopiedUnclosed,
        Mutant::JointOldOnly,
        Mutant::JointNewOnly,
        Mutant::FenceNotAwaited,
        Mutant::FenceByRoundOne,
        Mutant::FinishUnfilled,
        Mutant::LeaverNotAsked,
        Mutant::StayersNotMerged,
        Mutant::LossyAcks,
        Mutant::TakenUnwiped,
        Mutant::TakenTwice,
        Mutant::WholeUnsynced,
        Mutant::RestForgotten,
        Mutant::MergedTakenAgain,
        Mutant::SplitMovesSums,
        Mutant::UnnamedAnswers,
        Mutant::AcceptedLossForgotten,
        Mutant::ScanFromOne,
        Mutant::ScanBoundIgnored,
        Mutant::ScanSkipsSegment,
        Mutant::ScanShowsDue,
        Mutant::ScanErrorEndsQuietly,
        Mutant::SyncLastArrival,
        Mutant::SyncWithoutIds,
        Mutant::SyncFromDoubtful,
        Mutant::ClosedAfterCompare,
        Mutant::OnePass,
        Mutant::PushPassesFloor,
        Mutant::FloorNotAsked,
        Mutant::FloorNotJudged,
        Mutant::DroppedByVersion,
        Mutant::IdsForgottenSilently,
        Mutant::CloseRefusesNothing,
        Mutant::FloorsNotCopied,
        Mutant::FillingSealed,
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
