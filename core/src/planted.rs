//! Planted bugs: places where the code can be told to be wrong, so that the simulator can prove that it would notice.
//!
//! They exist only under `--cfg evenkeel_sim`, which `cargo sim` sets. In every other build [`planted`] is the constant `false`
//! and the wrong branch is not compiled. What each bug does, and who must notice, stands in the simulator's catalogue.

/// A planted bug, named by what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the simulator's catalogue says in a sentence what each of them does")]
pub enum Planted {
    // The live end of the log.
    AnsweredBeforeDurable,
    AnsweredOneEarly,
    ShortWriteLeft,
    WriteErrorAcknowledged,
    SyncedMarkStuck,
    BorderPlaceWrong,
    MarkerOnlyFirst,
    MarkerNeedsRoom,
    // Segments and checkpoints.
    CheckpointAheadOfLog,
    CheckpointOneLate,
    CheckpointOneEarly,
    CheckpointWithoutProducers,
    CheckpointWithoutConfigs,
    TrimOneTooFar,
    TrimBeforeFloor,
    TrimOnNewestCheckpoint,
    TrimUnlogged,
    // Recovery.
    WitnessIgnored,
    GapReplayedOver,
    FloorIgnored,
    ShortFileUnnoticed,
    SuccessorNotExpected,
    CheckpointProofIgnored,
    EpochProofIgnored,
    SaltUnchecked,
    SaltRepeated,
    ZerosEndTheScan,
    TornBodyAccepted,
    UnprovenTrusted,
    UnprovenDropped,
    HeaderTrusted,
    SealOutlivesCrash,
    ReadErrorIsTheEnd,
    EpochNotRaised,
    LossOffsetsReused,
    UntrueCheckpointKept,
    ReplayOneShort,
    ReleasedTooMuch,
    // Cuts and restores.
    CutAheadOfLog,
    ClaimedBeforeDurable,
    ReservationNotRaised,
    ZombieNotFenced,
    RestoreErrorIsNothing,
    RestoreOffsetsReused,
    StoreNotAsked,
    StoredRecordsSkipped,
    TrimIgnoresUnstored,
    CutOfDurableOnly,
    RecoveryPointForgotten,
    StopClaimsWhole,
    StopInRecoveryClaimsWhole,
    CommitRetryUnarmed,
    GivenUpCutForgotten,
    ObjectAtStartStays,
    StoredStillCounted,
    FailedUploadCounted,
    UnsureCommitCounted,
    OwnCommitTakenForAnothers,
    ArchiveOneLate,
    // Produce.
    DuplicateAnsweredEarly,
    DuplicateWrongOffset,
    RefusedButRemembered,
    FourBatchesRemembered,
    SequenceNotWrapped,
    OldEpochTaken,
    ProducerIdsUnlogged,
    SequenceGapTaken,
    // Fetch and lookups.
    WatermarkEarlyInFetch,
    WatermarkEarlyInListOffsets,
    IndexOneBatchLate,
    WakeupLost,
    TimeoutLost,
    FullAnswerWaits,
    DeletionWakesNobody,
    ReadUnverified,
    JoinedInWrongOrder,
    TimeLookupOneLate,
    SessionKeepsOffset,
    SessionHidesData,
    SessionNeverTurns,
    // Topics.
    TopicToldBeforeDurable,
    DeletionToldBeforeDurable,
    AbsenceToldBeforeDurable,
    DeletionUnlogged,
    CreationUnlogged,
    PartitionNumbersReused,
    // Groups and committed offsets.
    CommitToldBeforeDurable,
    StaleCommitTaken,
    OutsiderCommitTaken,
    OffsetOfFirstPartition,
    OffsetDeletionUnlogged,
    CheckpointWithoutOffsets,
    CheckpointWithoutAssignments,
    GenerationToldBeforeDurable,
    GenerationRepeated,
    AssignmentToldBeforeDurable,
    AssignmentOfAnother,
    SyncAnswerLost,
    SessionsEndAtStart,
    LeaveToldBeforeDurable,
    GroupDeletionToldBeforeDurable,
    FormerInstanceKept,
    // Administration.
    PartitionsToldBeforeDurable,
    CheckpointWithoutAddedPartitions,
    ConfigsToldBeforeDurable,
    ConfigDeletionUnlogged,
    ConfigDeletionNotInForce,
    ConfigsMerged,
    LogStartToldBeforeDurable,
    LogStartReadBeforeDurable,
    CheckpointWithoutLogStart,
    DeletedRecordsServed,
    // Retention.
    RetentionKeepsTooFewBytes,
    RetentionSkipsYoung,
    RetentionForgetsItself,
    // Objects that nobody needs.
    UnneededByLaterState,
    CommitUnconfirmed,
    StoredUnnoted,
    GarbageForgotten,
    LeftoversOfThisEpoch,
    RemovedBeforeCommit,
    // Merging of small objects.
    MergeSkipsUnreadable,
    MergeCutsInsideBatch,
    MergedBeforeCommit,
    MergeUnnoted,
    // States that are told by what has changed.
    DeltaBaseRemoved,
    DeltaBaseLeftOver,
    DeltaOfUnsettled,
    // Bugs that were.
    TrimmedRecordUnseen,
    LossReportedLast,
    LossFromFirstFile,
    PaddingCompared,
    CheckpointOfTheLost,
    NamesNotSettled,
    BatchEpochUnverified,
    TrimCountedEarly,
    PassedDeadlineKept,
    // What goes on after a loss.
    OneCheckpointAfterLoss,
    UnclaimedRestoreServes,
    RestoredIntoNextEpoch,
    GrownAfterLossFromZero,
}

/// Whether this bug is planted. One clear line at the place where the code can be wrong.
#[cfg(not(evenkeel_sim))]
#[inline(always)]
#[must_use]
pub const fn planted(_: Planted) -> bool {
    false
}

#[cfg(evenkeel_sim)]
pub use switch::{plant, planted};

#[cfg(evenkeel_sim)]
mod switch {
    use core::sync::atomic::{AtomicU8, Ordering};

    use super::Planted;

    /// One more than the number of the bug; 0 for none. One for the whole process.
    static PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Plants a bug in place of the one before.
    pub fn plant(bug: Option<Planted>) {
        PLANTED.store(bug.map_or(0, |bug| bug as u8 + 1), Ordering::Relaxed);
    }

    /// Whether this bug is planted. One clear line at the place where the code can be wrong.
    #[must_use]
    pub fn planted(bug: Planted) -> bool {
        PLANTED.load(Ordering::Relaxed) == bug as u8 + 1
    }
}
