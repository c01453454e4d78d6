//! Which promise each broken rule breaks: a mutant counts as caught only by an invariant that is named for it here.
//!
//! A panic, a checker that gives up, or an invariant that fails by accident shows that something is wrong and not that
//! the suite guards the rule.

use crate::invariants::Invariant;
#[cfg(feature = "mutants")]
use crate::run::{Figures, Report, run_until};
#[cfg(feature = "mutants")]
use crate::setting::Profile;
use quorate_model::Mutant;
#[cfg(feature = "mutants")]
use quorate_model::Rules;

/// The invariants of which at least one must catch it.
pub fn guards(mutant: Mutant) -> &'static [Invariant] {
    match mutant {
        Mutant::NoReadRepair | Mutant::RepairAfterAnswer | Mutant::RepairedAtTooFew => {
            &[Invariant::Linearizable, Invariant::Flicker]
        }
        Mutant::VersionFromOneReplica
        | Mutant::RoundOneByRequestW
        | Mutant::RoundOneUncapped
        | Mutant::NodeBeforeSeq
        | Mutant::WallClockVersions
        | Mutant::HybridClockVersions
        | Mutant::LastArrivalWins
        | Mutant::CopyUncapped
        | Mutant::CopiedUnclosed
        | Mutant::JointOldOnly
        | Mutant::JointNewOnly
        | Mutant::FenceNotAwaited
        | Mutant::FenceByRoundOne
        | Mutant::FinishUnfilled
        | Mutant::LeaverNotAsked
        | Mutant::StayersNotMerged => &[Invariant::Linearizable, Invariant::Durable],
        Mutant::OneAnswerTooFew
        | Mutant::DigestTrusted
        | Mutant::FillingVotes
        | Mutant::HealFromOne
        | Mutant::FillSumsIgnored
        | Mutant::FilledOverNewer
        | Mutant::FormerCopyCounted
        | Mutant::TakenUnwiped => &[Invariant::Linearizable, Invariant::Durable, Invariant::Flicker],
        Mutant::OvertakenAnswered | Mutant::UnnamedAnswers | Mutant::AcceptedLossForgotten => {
            &[Invariant::Linearizable]
        }
        Mutant::HintsCount
        | Mutant::RefusalCounts
        | Mutant::AcknowledgedBeforeDurable
        | Mutant::RaiseIgnored
        | Mutant::LoweredTaken
        | Mutant::HeldNotSynced => &[Invariant::Durable],
        Mutant::OneAckTooFew | Mutant::FoundIdAnsweredAtOnce | Mutant::AssignedWithoutLooking => {
            &[Invariant::Durable, Invariant::Answers]
        }
        Mutant::LossyAcks => {
            &[Invariant::Durable, Invariant::Linearizable, Invariant::Flicker, Invariant::Identity]
        }
        Mutant::ShownBeforeDurable | Mutant::ExpiringDropped | Mutant::TakenTwice => {
            &[Invariant::Durable, Invariant::Flicker]
        }
        Mutant::UnknownCalledFailed
        | Mutant::LostCalledNotSent
        | Mutant::LateApplied
        | Mutant::ExpiredShown => &[Invariant::Answers],
        Mutant::TombstonesDroppedByAge | Mutant::TombstonesDroppedUnfloored => &[Invariant::Resurrection],
        Mutant::ExpiryNotFlagged => &[Invariant::Resurrection, Invariant::Linearizable],
        Mutant::ExpiryPerReplica => &[Invariant::Phantom, Invariant::Converges],
        Mutant::ExpiredFlagUndone | Mutant::ExpiryFlaggedAfterAnswer | Mutant::ExpiryFlaggedAtTooFew => {
            &[Invariant::Resurrection, Invariant::Flicker]
        }
        // Two values under one version, where they do harm: owners that can never agree, or answers in no order. That
        // one name was given twice is seen long before, and proves nothing.
        Mutant::VersionsMayTie | Mutant::BootReused => &[Invariant::Linearizable, Invariant::Converges],
        Mutant::RetriesApplied
        | Mutant::IdsLostWithLosingRecord
        | Mutant::LowerSequenceApplied
        | Mutant::ForgottenClientApplied
        | Mutant::ClientsForgottenEarly
        | Mutant::FoundIdNotCounted
        | Mutant::OtherAttemptCounted
        | Mutant::AssignedSentRenewed
        | Mutant::BodyNotCompared
        | Mutant::IdBelowPromise
        | Mutant::OneTriedTwice
        | Mutant::SecondVersion
        | Mutant::NewVersionOnReplan
        | Mutant::IdsForgottenSilently => &[Invariant::Identity],
        Mutant::HintsDropped
        | Mutant::HintErasedUnanswered
        | Mutant::FinalLeftUnhinted
        | Mutant::HintErasedUnrepaired
        | Mutant::ExpiredCallCounts
        | Mutant::AssignedNotSent
        | Mutant::SentToFewerOwners
        | Mutant::HigherVersionRefused
        | Mutant::StaleLeftBehind
        | Mutant::RepairWithoutIds => &[Invariant::Converges],
        Mutant::HintsUnbounded
        | Mutant::RepairedBelowQuorum
        | Mutant::ResentAtOnce
        | Mutant::SettledNever
        | Mutant::DeadlineStretched
        | Mutant::IdsUnbounded => &[Invariant::Bounded],
        Mutant::ScanFromOne | Mutant::ScanBoundIgnored | Mutant::ScanSkipsSegment => {
            &[Invariant::Linearizable, Invariant::Scans]
        }
        Mutant::ScanShowsDue | Mutant::ScanErrorEndsQuietly => &[Invariant::Scans],
        Mutant::SumNotUpdated | Mutant::SumWithoutIds | Mutant::RowKept | Mutant::SplitMovesSums => {
            &[Invariant::Sums]
        }
        Mutant::DoubtForgotten | Mutant::CounterIgnored | Mutant::SyncFromDoubtful => &[Invariant::Doubt],
        Mutant::EpochNotChecked
        | Mutant::NewerPlanIgnored
        | Mutant::OldAnswersCounted
        | Mutant::RefusalNotHeeded
        | Mutant::CatalogNotAwaited => &[Invariant::Ownership],
        Mutant::WholeUnsynced => &[Invariant::Filled],
        Mutant::RestForgotten | Mutant::MergedTakenAgain => {
            &[Invariant::Filled, Invariant::Durable, Invariant::Flicker]
        }
        Mutant::FenceVolatile => &[Invariant::Closed, Invariant::Durable],
        Mutant::FenceIgnored | Mutant::DropNotAwaited => &[Invariant::Closed],
        Mutant::SyncLastArrival => &[Invariant::Durable, Invariant::Linearizable, Invariant::Flicker],
        Mutant::SyncWithoutIds => &[Invariant::Converges, Invariant::Identity],
        Mutant::ClosedAfterCompare
        | Mutant::OnePass
        | Mutant::FloorNotJudged
        | Mutant::CloseRefusesNothing
        | Mutant::FloorsNotCopied
        | Mutant::FillingSealed => {
            &[Invariant::Linearizable, Invariant::Durable, Invariant::Flicker, Invariant::Resurrection]
        }
        // The value whose removal was dropped stays at the owner that had not heard of that.
        Mutant::DroppedByVersion => &[Invariant::Resurrection, Invariant::Flicker, Invariant::Converges],
        Mutant::PushPassesFloor => &[Invariant::Linearizable, Invariant::Resurrection],
        Mutant::FloorNotAsked => &[Invariant::Converges, Invariant::Durable],
    }
}

/// The profile that was made for it; `None`: it shows in what all seeds choose.
#[cfg(feature = "mutants")]
fn made_for(mutant: Mutant) -> Option<Profile> {
    if matches!(mutant, Mutant::UnnamedAnswers | Mutant::AcceptedLossForgotten) {
        return Some(Profile::Accepting);
    }
    if matches!(mutant, Mutant::RestForgotten | Mutant::MergedTakenAgain | Mutant::SplitMovesSums) {
        return Some(Profile::Splitting);
    }
    let is_of_moves = matches!(
        mutant,
        Mutant::CopiedUnclosed
            | Mutant::JointOldOnly
            | Mutant::JointNewOnly
            | Mutant::FenceNotAwaited
            | Mutant::FenceByRoundOne
            | Mutant::FinishUnfilled
            | Mutant::LeaverNotAsked
            | Mutant::StayersNotMerged
    );
    if is_of_moves {
        return Some(Profile::Moving);
    }
    let is_of_purge = matches!(
        mutant,
        Mutant::ClosedAfterCompare
            | Mutant::OnePass
            | Mutant::PushPassesFloor
            | Mutant::FloorNotAsked
            | Mutant::FloorNotJudged
            | Mutant::DroppedByVersion
            | Mutant::IdsForgottenSilently
            | Mutant::CloseRefusesNothing
            | Mutant::FloorsNotCopied
            | Mutant::FillingSealed
    );
    if is_of_purge {
        return Some(Profile::Grave);
    }
    let is_of_filling = matches!(
        mutant,
        Mutant::FillingVotes
            | Mutant::HealFromOne
            | Mutant::CopyUncapped
            | Mutant::FillSumsIgnored
            | Mutant::FilledOverNewer
            | Mutant::FormerCopyCounted
            | Mutant::TakenUnwiped
            | Mutant::TakenTwice
            | Mutant::LossyAcks
            | Mutant::WholeUnsynced
    );
    is_of_filling.then_some(Profile::Filling)
}

/// How many of those seeds it may take. Most show within a hundred; what two rare moments must meet for takes thousands.
pub const SEEDS_MAX: u64 = 6_000;

/// The first of so many seeds, of the profile that was made for it, that shows the mutant in a promise that guards
/// against it; `None`: it escapes.
#[cfg(feature = "mutants")]
pub fn catch(mutant: Mutant, seeds: u64) -> Option<Report> {
    catch_unless(mutant, seeds, || false)
}

/// The same, unless it is stopped before.
#[cfg(feature = "mutants")]
pub fn catch_unless(mutant: Mutant, seeds: u64, is_stopped: impl Fn() -> bool + Sync) -> Option<Report> {
    let guards = guards(mutant);
    let is_caught = |figures: &Figures| figures.failed.iter().any(|report| report.breaks(guards));
    let is_enough = |figures: &Figures| is_stopped() || is_caught(figures);
    let profile = made_for(mutant);
    let is_meant = |seed: &u64| profile.is_none_or(|profile| Profile::of_seed(*seed) == profile);
    let meant = (0..).filter(is_meant).take(usize::try_from(seeds).unwrap_or(usize::MAX));
    let figures = run_until(meant, Rules::breaking(mutant), is_enough, |_| ());
    figures.failed.into_iter().find(|report| report.breaks(guards))
}
