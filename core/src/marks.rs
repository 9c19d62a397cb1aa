//! Marks: places that the simulator must reach. A mark without a hit is code that no world has tried.
//!
//! They count only under `--cfg evenkeel_sim`, which `cargo sim` sets; in every other build [`mark`] is empty.

macro_rules! marks {
    ($($name:ident: $text:literal,)*) => {
        /// A place in the code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Mark {
            $(#[doc = $text] $name,)*
        }

        /// All of them, in order, by the name under which they are counted.
        #[cfg(evenkeel_sim)]
        pub const MARKS: &[&str] = &[$($text),*];
    };
}

marks! {
    PartitionsAdded: "admin.partitions added",
    GrowthRefused: "admin.partitions that are there already",
    ConfigsChanged: "admin.configs changed",
    ConfigDeleted: "admin.config deleted",
    ConfigsAsTheyWere: "admin.configs as they were",
    RecordsDeleted: "admin.records deleted",
    RecordsDeletedToEnd: "admin.all records deleted",
    RecordsGoneBefore: "admin.records deleted before",
    RecordsBehindEnd: "admin.records to be deleted behind the end",
    RecordsExpired: "retention.records deleted",
    RetentionWaits: "retention.waits",
    AdminNoRoom: "admin.refused for want of room",
    AnswerWaits: "answers.one waits for the log",
    AnswerAtOnce: "answers.one leaves at once",
    StoppingRefused: "broker.request while stopping",
    StopAsked: "broker.stop asked for",
    Serves: "broker.serves",
    CacheEvicted: "cache.oldest batch goes",
    CheckpointBegun: "checkpoint.written",
    CheckpointDone: "checkpoint.durable",
    TrimBegun: "checkpoint.trim begun",
    CheckpointLast: "checkpoint.last one of a stop",
    CheckpointFailed: "checkpoint.failed",
    CheckpointWaits: "checkpoint.waits for the log",
    CheckpointOld: "checkpoint.old one removed",
    CutBegun: "cut.begun",
    CutAwaitsLog: "cut.waits for the log",
    CutReadFailed: "cut.log not readable",
    CutGivenUp: "cut.given up",
    CutIndexed: "cut.list of objects becomes an index",
    CutDelta: "cut.state told by what has changed",
    CutDeltaTooLarge: "cut.what has changed of the state is too much",
    CutStored: "cut.stored",
    UploadFailed: "cut.object not written",
    UploadRenamed: "cut.object written under another name",
    CommitUnsure: "cut.manifest perhaps not written",
    CommitWasOurs: "cut.manifest was written",
    CommitAgain: "cut.manifest written again",
    ContactFailed: "store.contact failed",
    StoreEmpty: "store.empty",
    ClaimWasOurs: "store.epoch was taken",
    EpochTaken: "store.epoch taken",
    Deposed: "store.deposed",
    StoppedUnstored: "store.stopped before everything was there",
    StoppedInRecovery: "store.stopped before the log was read",
    StoreOverdue: "store.writes refused until it has caught up",
    ServesWithoutStore: "store.serves without it",
    FetchStored: "fetch.read from the store",
    FetchStoreUnknown: "fetch.not known what the store has",
    LookupStored: "lookup.read from the store",
    RestoreBegun: "restore.begun",
    RestoreNothing: "restore.nothing there",
    RestoredDelta: "restore.state with what has changed",
    RestoreFailed: "restore.a read failed",
    Restored: "restore.done",
    FetchWoken: "fetch.woken by data",
    FetchParked: "fetch.parked",
    FetchTimedOut: "fetch.time is up",
    FetchConnectionGone: "fetch.connection gone while it waited",
    FetchTrimmed: "fetch.a segment went before it was read",
    FetchReadFailed: "fetch.read failed",
    FetchRead: "fetch.read from the disk",
    FetchGoneMeanwhile: "fetch.topic gone while it was read",
    FetchCached: "fetch.batch from the cache",
    FetchJoined: "fetch.disk and cache joined",
    FetchNotEnough: "fetch.woken and not enough",
    FetchInFront: "fetch.in front of the log start",
    FetchWokenByStart: "fetch.woken by a deletion of records",
    FetchBounded: "fetch.bounded by bytes",
    FetchFirstWhole: "fetch.first batch beyond the bounds",
    FetchWokenByDeletion: "fetch.woken by a deletion",
    GenerationBegins: "groups.a generation begins",
    GroupEmpty: "groups.the last member is gone",
    AssignmentsTold: "groups.the leader assigns",
    SyncAskedAgain: "groups.an assignment is asked for again",
    MemberGone: "groups.a member is gone",
    MemberUnsynced: "groups.a member never asked for its assignment",
    InstanceBack: "groups.a static member comes back",
    InstanceKeepsPlace: "groups.a static member is kept though it has not joined",
    InstancesAwaited: "groups.nobody has joined and static members may come back",
    CommitRefused: "groups.a commit is refused",
    OffsetsDeleted: "groups.offsets deleted",
    GroupDeleted: "groups.a group deleted",
    GroupPutOff: "groups.what is due finds no room",
    GroupRestored: "groups.restored by a start",
    GroupRestoredUnassigned: "groups.restored without assignments",
    GroupRestoredUnsettled: "groups.restored in a rebalance",
    LogGroup: "log.group of records written",
    LogSealStop: "log.seal of an orderly stop",
    LogMarker: "log.marker written",
    LogMarkerRolled: "log.marker written in the next segment",
    LogMarkerOvertaken: "log.marker overtaken by a write",
    LogNoRoom: "log.segment full",
    LogRoll: "log.rolled",
    LogWaitsForSpare: "log.records wait for a segment",
    LogWriteFailed: "log.write failed",
    LogGathered: "log.records gathered behind a write",
    LookupRead: "lookup.by time from the disk",
    LookupByTime: "lookup.by time",
    LookupFailed: "lookup.read failed",
    ProduceDuplicate: "produce.duplicate",
    ProduceOutOfOrder: "produce.out of order",
    ProduceFenced: "produce.old epoch fenced",
    ProduceNoRoom: "produce.refused for want of room",
    ProduceSilent: "produce.without an answer",
    ProduceTaken: "produce.batch taken",
    ProduceStamped: "produce.batch stamped with the time",
    ProducerIdBlock: "produce.block of producer ids reserved",
    ProduceDuplicateInFlight: "produce.duplicate of a batch in flight",
    ProduceUnknownTopic: "produce.topic unknown",
    ProducerEpochRaised: "producers.epoch raised",
    ProducerForgets: "producers.sixth batch back forgotten",
    ProducerWrapped: "producers.sequence wrapped within a batch",
    Published: "publish.batch visible",
    PublishedForNobody: "publish.topic deleted in between",
    TornKept: "rebuild.copy of a torn tail kept",
    LossReported: "rebuild.loss reported",
    LeftoverRemoved: "rebuild.leftover removed",
    SegmentSetAside: "rebuild.segment set aside",
    UntrueCheckpointRemoved: "rebuild.untrue checkpoint removed",
    WalkOldestHeader: "recovery.header of the oldest segment damaged",
    WalkNoSegment: "recovery.checkpoint without a log",
    WalkBeginsLate: "recovery.log begins behind the checkpoint",
    WalkReplaces: "recovery.header that nothing proves is written anew",
    WalkUnproven: "recovery.last group copied",
    WalkBreaks: "recovery.chain breaks before the next segment",
    WalkEmptyGroupHurt: "recovery.only an empty group is hurt",
    WalkWitness: "recovery.a younger group proves a loss",
    WalkTorn: "recovery.torn tail cut",
    WalkTornBegin: "recovery.torn begin of a segment cut",
    RecoveryCramped: "recovery.begun again on a full disk",
    WalkOldestMissing: "recovery.oldest segment missing",
    WalkHoleCovered: "recovery.missing segment that nothing needs",
    WalkHole: "recovery.hole in the numbers",
    LossAccepted: "recovery.loss accepted",
    WalkShort: "recovery.last segment cut short",
    WalkCheckpointKnowsMore: "recovery.checkpoint knows more than the log",
    WalkEpochServed: "recovery.identity knows a later epoch",
    WalkLossHalfAccepted: "recovery.loss report without its log",
    WalkNoSuccessor: "recovery.segment behind a roll seal missing",
    WalkShortSuccessor: "recovery.segment behind a roll seal cut short",
    WalkHeaderDamaged: "recovery.damaged header in front of synced groups",
    ReplayAdmin: "recovery.partitions, configs or a log start replayed",
    ReplayDeleted: "recovery.deleted batch passed over",
    ReplayKnown: "recovery.record below the checkpoint",
    CheckpointDamaged: "recovery.damaged checkpoint passed over",
    WalkAgain: "recovery.walked again from an older checkpoint",
    IdentityDamaged: "recovery.damaged identity written anew",
    CheckpointUsed: "recovery.checkpoint used",
    NoCheckpoint: "recovery.whole log replayed",
    RefusedDamage: "recovery.refused for damage",
    LossNotThere: "recovery.accepted loss is not there",
    LossElsewhere: "recovery.accepted loss is elsewhere",
    ScanNoGroup: "scan.block without a group",
    ScanBodyDamaged: "scan.body damaged under an intact front",
    ScanDoesNotFollow: "scan.group that does not follow",
    SegmentsAgain: "segments.room again after a full disk",
    SegmentPrepared: "segments.prepared",
    SegmentNotPrepared: "segments.not prepared",
    SegmentTrimmed: "segments.trimmed",
    SegmentReserved: "segments.reserved in a hurry",
    SegmentZeroed: "segments.zeroed at leisure",
    CheckpointAtStart: "checkpoint.another at the start of a log that needs one",
    GrownAfterLoss: "state.partitions added after a loss",
    LossSkips: "state.offsets and ids of a loss skipped",
    TopicExists: "topics.exists already",
    DeleteNoRoom: "topics.deletion refused for want of room",
    TopicDeleted: "topics.partition deleted",
    CreateNoRoom: "topics.creation refused for want of room",
    TopicAutoCreated: "topics.created by a metadata request",
    TopicCreated: "topics.created",
    VerdictNew: "verdict.new log",
    VerdictClean: "verdict.clean end",
    VerdictEnd: "verdict.end without a seal",
    GarbageRemoved: "garbage.object removed",
    GarbageStays: "garbage.removal failed",
    LeftoversFound: "garbage.leftovers of an earlier process",
    IndexRewritten: "cuts.index written anew without what nobody needs",
    MergeBegun: "merge.small objects are read",
    MergeReadFailed: "merge.object not readable",
    MergeWritten: "merge.object written",
    MergeCommitted: "merge.objects replaced in the manifest's own list",
    MergeIndexed: "merge.objects replaced in an index",
    IndexesJoined: "merge.indexes become one",
    MergeSourceGone: "merge.an object was dropped meanwhile",
    ConfirmUnsure: "cuts.newest or not, no answer",
    DeposedLater: "cuts.manifest committed behind another's",
    ClaimTooOld: "contact.claimed behind another's",
    UnclaimedWaits: "cuts.a restore that was cut waits for its claim",
    StoredNoted: "contact.the store has more than the log knew",
}

/// The code came by here.
#[cfg(not(evenkeel_sim))]
#[inline(always)]
pub const fn mark(_: Mark) {}

#[cfg(evenkeel_sim)]
pub use registry::{hits, mark, take_recent};

#[cfg(evenkeel_sim)]
#[expect(clippy::disallowed_types, reason = "counters of a simulation, which no decision reads")]
mod registry {
    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};

    use super::{MARKS, Mark};

    /// Marks in one turn whose order is kept.
    const RECENT_MAX: usize = 256;

    static HITS: [AtomicU64; MARKS.len()] = [const { AtomicU64::new(0) }; MARKS.len()];

    static RECENT: [AtomicU16; RECENT_MAX] = [const { AtomicU16::new(0) }; RECENT_MAX];
    /// How many were come by since they were taken. Nobody takes them where many worlds run at once: it only grows.
    static RECENT_COUNT: AtomicUsize = AtomicUsize::new(0);

    /// The code came by here.
    pub fn mark(mark: Mark) {
        HITS[mark as usize].fetch_add(1, Ordering::Relaxed);
        // In a process that takes none it stays full, and nothing more is written.
        if RECENT_COUNT.load(Ordering::Relaxed) < RECENT_MAX {
            let at = RECENT_COUNT.fetch_add(1, Ordering::Relaxed);
            if let Some(place) = RECENT.get(at) {
                place.store(mark as u16, Ordering::Relaxed);
            }
        }
    }

    /// The marks since the last call, as places in [`MARKS`], in the order in which they were come by. For a process that runs
    /// one world at a time. Of more than 256 the last are missing.
    pub fn take_recent() -> Vec<u16> {
        let count = RECENT_COUNT.swap(0, Ordering::Relaxed).min(RECENT_MAX);
        RECENT[..count].iter().map(|place| place.load(Ordering::Relaxed)).collect()
    }

    /// How often the code came by each mark since the process began.
    pub fn hits() -> impl Iterator<Item = (&'static str, u64)> {
        MARKS.iter().zip(&HITS).map(|(name, hits)| (*name, hits.load(Ordering::Relaxed)))
    }
}
