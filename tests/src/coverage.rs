//! What really happened in a history: a fault that never strikes proves nothing.
//!
//! Each [`Happening`] is counted where it takes effect (a message that was dropped, a batch that a power cut forgot),
//! not where it was planned. A test demands that a default batch of seeds meets every one of them often enough.

macro_rules! happenings {
    ($($(#[$doc:meta])* $name:ident => $words:literal,)*) => {
        /// Something that a history can meet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Happening {
            $($(#[$doc])* $name,)*
        }

        impl Happening {
            /// All of them.
            pub const ALL: &[Happening] = &[$(Happening::$name,)*];

            /// In a few words.
            pub fn words(self) -> &'static str {
                match self {
                    $(Happening::$name => $words,)*
                }
            }
        }
    };
}

happenings! {
    /// A message vanished, by bad luck.
    Lost => "messages lost",
    /// A message took far longer than usual.
    Tail => "messages in the long tail",
    /// A message arrived twice.
    Duplicated => "messages twice",
    /// A message arrived before one that was sent earlier on the same link.
    Reordered => "messages overtaken",
    /// A link was reset although the message arrived.
    Reset => "links reset",
    /// A message met a cut of its direction alone.
    OneWay => "messages cut one way",
    /// A message met a cut of both directions.
    Partitioned => "messages cut both ways",
    /// A message was not sent, because its link was known to be down.
    NotSent => "messages not sent",
    /// A process died.
    Crashed => "crashes",
    /// The power of one node was cut.
    PowerCut => "power cuts",
    /// The power of all nodes was cut at one moment.
    Blackout => "blackouts",
    /// A power cut forgot a batch that was not synced.
    Forgotten => "power cuts that forgot writes",
    /// Something waited for a process that stood still.
    StoodStill => "events that waited for a pause",
    /// A clock was read that was off.
    Skewed => "clocks read while wrong",
    /// A clock was read that stood.
    ClockStood => "clocks read while stopped",
    /// A clock jumped.
    ClockJumped => "clock jumps",
    /// A replica refused for want of space.
    DiskFull => "refusals of a full disk",
    /// A disk failed under a replica.
    DiskFailed => "disk failures met",
    /// A replica that doubts its disk refused.
    Doubtful => "refusals of a doubtful replica",
    /// A power cut forgot what a disk had called synced.
    SyncedLost => "disks that lied",
    /// A node learned from a peer that its disk had lost something.
    LossLearnt => "losses learnt from peers",
    /// A batch took far longer than usual.
    SlowDisk => "slow batches",
    /// A write was refused because its deadline had passed.
    Late => "writes too late",
    /// A busy replica refused.
    Overloaded => "refusals of a busy replica",
    /// A replica refused a request of an older epoch.
    Stale => "requests of an old epoch refused",
    /// A replica refused a request of an epoch that it has not heard of.
    Behind => "requests of a future epoch refused",
    /// A coordinator waited for the catalog and heard of it.
    CatalogAwaited => "catalogs awaited and heard",
    /// A coordinator waited for the catalog in vain.
    CatalogMissed => "catalogs awaited in vain",
    /// A refusal said what is in force.
    RefusalSaid => "refusals that said what is in force",
    /// Two nodes spoke the newer of two versions.
    SpokeNewer => "messages in the newer of two versions",
    /// Two nodes spoke the older of two versions, because one of them knew no other.
    SpokeOlder => "messages in the older of two versions",
    /// A request was not sent, because the other end runs a version without it.
    NotUnderstood => "requests that an older version does not have",
    /// An operation took a newer plan before it was answered.
    Replanned => "operations replanned",
    /// A table's durability was raised under operations.
    Raised => "tables raised to sync",
    /// Enough owners durably refused a dropped table.
    DropClosed => "drops closed",
    /// A node started again with an older catalog than it had.
    FellBack => "starts with an older catalog",
    /// A replica refused because it fills itself again, or has not begun to.
    Filling => "refusals of a filling replica",
    /// A node lost its disk, and knew it.
    DiskLost => "disks lost",
    /// A disk forgot the end of what it had called synced, and its node goes on with the rest.
    LossAccepted => "losses accepted",
    /// The same while a shard of that node moves.
    LossInMove => "losses accepted while shards move",
    /// An owner was asked for its copy while its disk was too full to note that it refuses what was before.
    AskedUnclosed => "copies asked of owners too full to close",
    /// A node came back as a new incarnation.
    CameBack => "nodes that came back after a loss",
    /// A copy began to fill itself.
    Taken => "copies taken",
    /// A copy is whole again.
    Filled => "copies whole again",
    /// A copy waited for owners that hold everything.
    FillWaited => "copies that waited for sources",
    /// A process that was filling a copy ended, and another one went on.
    FillResumed => "copies filled further after a restart",
    /// A node lost its disk while it was filling a copy.
    LostAgain => "disks lost while filling",
    /// A copy could not be filled further, because the disk was full.
    FillFull => "copies that waited for space",
    /// Two nodes filled copies at once.
    FillTwice => "nodes filling two at once",
    /// A shard got a second set of owners.
    MoveStarted => "moves begun",
    /// A shard is with its new owners.
    MoveFinished => "moves finished",
    /// A shard stayed with its old owners after all.
    MoveReverted => "moves taken back",
    /// A shard became two.
    Split => "shards split",
    /// Two shards became one.
    Merged => "shards merged",
    /// The leader let a shard be split by itself.
    Tended => "automatic splits",
    /// The leader began to move copies for the sake of balance.
    Balanced => "automatic balances",
    /// The leader gave up such a job.
    GaveUp => "automatic balances given up",
    /// A split or a merge was decided by what is not so any more.
    CutLate => "splits and merges decided too late",
    /// A shard was split while a node filled its copy.
    SplitFilling => "shards split while filled",
    /// Shards were merged while a node filled its copy of one.
    MergedFilling => "shards merged while filled",
    /// A shard was split that waited to be moved.
    SplitWaiting => "shards split that wait to be moved",
    /// A shard was split or merged while a page of its table was under way.
    CutUnderPage => "splits and merges under a page",
    /// An owner that stays where copies become fewer has merged what the others hold.
    StayerMerged => "copies merged where they become fewer",
    /// A table began to get so many copies that a quorum is another number of owners.
    OtherQuorum => "tables whose quorum changed",
    /// A node was declared dead by an operator.
    DeclaredDead => "nodes declared dead",
    /// A hint was kept.
    HintKept => "hints kept",
    /// A hint reached its owner.
    HintReplayed => "hints delivered",
    /// A hint's owner turned out to hold something later.
    HintOvertaken => "hints overtaken",
    /// A hint did not fit.
    HintRefused => "hints refused",
    /// A round of sync found all owners of a shard equal.
    SyncEqual => "shards proven equal by a sync",
    /// A round of sync merged a record where it began.
    SyncPulled => "records pulled by a sync",
    /// A round of sync merged a record at another owner.
    SyncPushed => "records pushed by a sync",
    /// A record came by a sync where something later was held.
    SyncOlder => "records of a sync that met something later",
    /// A round of sync was refused, or not answered.
    SyncOpen => "shards that a sync left open",
    /// A run of the purge went to its end.
    Purged => "runs of the purge",
    /// A run of the purge found no removal that might go.
    PurgeIdle => "runs of the purge that found nothing",
    /// A run of the purge ended at an owner that did not answer, or refused.
    PurgeStopped => "runs of the purge that stopped",
    /// An owner dropped a removal.
    RemovalDropped => "removals dropped",
    /// An owner refused a record because of a floor.
    Below => "refusals because of a floor",
    /// An owner that held nothing answered a read with what it has sealed.
    Sealed => "answers of what is sealed",
    /// A write that every owner refused because of a floor began anew.
    BegunAbove => "writes begun above a floor",
    /// A copy was begun with the floors of its sources.
    FloorsCopied => "copies begun with floors",
    /// An owner answered a read with a digest.
    Digest => "digests",
    /// A record was fetched after only its digest was known.
    Fetched => "records fetched",
    /// A read repaired owners before its answer.
    Repaired => "reads repaired before the answer",
    /// A read answered that a value has expired.
    Expired => "reads of an expired value",
    /// A scan came to its end.
    ScanEnded => "scans that came to their end",
    /// A page of a range table was answered.
    RangePage => "pages of range tables",
    /// A page went from the end downwards.
    ReversePage => "pages in reverse",
    /// A page was answered that leaves something for the next.
    PageCut => "pages with more behind them",
    /// A page went on over several shards.
    PageOfShards => "pages over several shards",
    /// A page was asked for at another coordinator than the one before it.
    PageElsewhere => "pages at another coordinator",
    /// A page failed, and was asked for again.
    PageAgain => "pages asked for again",
    /// A page was not answered by its owners alike: a read decided on a key.
    PageRead => "keys of pages that a read decided",
    /// Owners answered a walk as far as different places.
    WalkUneven => "walks that ended at different places",
    /// A write was assigned its version by an owner.
    Assigned => "writes assigned",
    /// A retry got the first answer again.
    Replayed => "retries recognised",
    /// A retry was refused for its other body.
    Reused => "ids reused",
    /// An id was refused as too old.
    IdExpired => "ids too old",
    /// A delete was acknowledged.
    Deleted => "deletes",
    /// A write was reported as not applied.
    NotApplied => "writes not applied",
    /// A write was reported as unknown.
    Unknown => "writes unknown",
    /// A coordinator died under an operation.
    Vanished => "operations whose coordinator died",
}

/// How often each of them was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage([u64; Happening::ALL.len()]);

impl Default for Coverage {
    fn default() -> Self {
        Self([0; Happening::ALL.len()])
    }
}

impl Coverage {
    /// It was met once more.
    pub fn met(&mut self, happening: Happening) {
        self.0[happening as usize] += 1;
    }

    /// How often it was met.
    pub fn of(&self, happening: Happening) -> u64 {
        self.0[happening as usize]
    }

    /// Adds what another history met.
    pub fn join(&mut self, other: &Coverage) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// One line for each, with how often.
    pub fn lines(&self) -> Vec<String> {
        let line = |happening: &Happening| format!("{:>10}  {}", self.of(*happening), happening.words());
        Happening::ALL.iter().map(line).collect()
    }
}
