//! The checkpoint: the state folded from all records below one LSN, in one file. Little-endian:
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..8 | magic | `EKCKPT01` |
//! | 8..12 | CRC-32C | of all bytes behind it |
//! | 12..16 | format version | 4; version 3 has no store and no reserved offsets, version 2 no partitions added either, version 1 no groups either |
//! | 16..24 | LSN | every record below it is folded in |
//! | 24..28 | epoch | |
//! | 28..36 | producer ids upto | |
//! | 36..44 | oldest segment needed | |
//! | 44..48 | partitions ever created | |
//! | 48..96 | store | lineage u64, from u64, restored from u64, manifest u64, cut u64, cut at i64 |
//! | .. | topics | u32 count, then each as in the log, with its configs of now, the partitions added (u32 count x number u32), and all its partitions |
//! | .. | groups | u32 count x (id text, fields as `state/group.rs` writes them) |
//!
//! | a partition | |
//! |---|---|
//! | log start i64, log end i64, reserved upto i64 | |
//! | epochs | u32 count x (epoch u32, start i64) |
//! | producers | u32 count x (id i64, epoch u16, last append i64, u8 count x (first u32, last u32, offset i64, append time i64, LSN u64)) |

use alloc::{collections::VecDeque, vec::Vec};

use crate::{
    codec::{Malformed, Put, Reader, begun, insert_next, opened, seal},
    limits::{OFFSET_MAX, PRODUCER_BATCHES},
    log::entry::TopicCreated,
    partition::{
        EpochStart, Partition,
        producers::{Producer, TakenBatch},
    },
    planted::{Planted, planted},
    state::{State, StoreLink, group::Group, topic::Topic},
    units::{Epoch, Lsn, Offset, PartitionId, ProducerId, SegmentSequence, Timestamp},
};

/// First bytes of a checkpoint, and of a state object.
pub const MAGIC: [u8; 8] = *b"EKCKPT01";
/// The format that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 4;

/// Why bytes are not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotACheckpoint {
    /// Checksum or structure are wrong.
    Damaged,
    /// Right, but of a format this code does not know.
    Newer(u32),
}

impl From<Malformed> for NotACheckpoint {
    fn from(_: Malformed) -> NotACheckpoint {
        NotACheckpoint::Damaged
    }
}

/// The state after all records below `lsn`.
#[must_use]
pub fn encode(state: &State, lsn: Lsn) -> Vec<u8> {
    let mut out = begun(MAGIC, FORMAT_VERSION);
    out.reserve(64 + state.partition_count() * 64);
    out.put_u64(lsn.0);
    out.put_u32(state.epoch.0);
    out.put_i64(state.producer_ids_upto.0);
    out.put_u64(state.log_floor.0);
    out.put_u32(state.next_partition().0);
    let StoreLink { lineage, from, restored_from, manifest, cut, cut_at } = state.store;
    for number in [lineage, from, restored_from, manifest, cut.0] {
        out.put_u64(number);
    }
    out.put_i64(cut_at.0);
    let topics = state.topics().count();
    out.put_u32(u32::try_from(topics).expect("topics are bounded by partitions"));
    for topic in state.topics() {
        let mut created = topic.created.clone();
        if planted(Planted::CheckpointWithoutConfigs) {
            created.configs.clear();
        }
        let forgets = planted(Planted::CheckpointWithoutAddedPartitions);
        let added = if forgets { &[] } else { topic.added_partitions() };
        created.encode(&mut out);
        out.put_u32(u32::try_from(added.len()).expect("partitions are bounded"));
        for id in added {
            out.put_u32(id.0);
        }
        for id in topic.partition_ids().take(created.partitions as usize + added.len()) {
            let partition = state.partition(id).expect("a topic's partitions exist as long as it does");
            encode_partition(partition, &mut out);
        }
    }
    out.put_u32(u32::try_from(state.group_count()).expect("groups are bounded"));
    for (id, group) in state.groups() {
        out.put_text(id);
        group.encode(&mut out);
    }
    seal(&mut out);
    out
}

fn encode_partition(partition: &Partition, out: &mut Vec<u8>) {
    let forgets = planted(Planted::CheckpointWithoutLogStart);
    out.put_i64(if forgets { 0 } else { partition.log_start.0 });
    out.put_i64(partition.log_end.0);
    out.put_i64(partition.reserved_upto.0);
    out.put_u32(u32::try_from(partition.epochs.len()).expect("one for each start"));
    for known in &partition.epochs {
        out.put_u32(known.epoch.0);
        out.put_i64(known.start.0);
    }
    if planted(Planted::CheckpointWithoutProducers) {
        out.put_u32(0);
        return;
    }
    out.put_u32(u32::try_from(partition.producers.len()).expect("producers are bounded"));
    for (id, producer) in partition.producers.iter() {
        out.put_i64(id.0);
        out.put_u16(producer.epoch.cast_unsigned());
        out.put_i64(producer.last_append.0);
        out.put_u8(u8::try_from(producer.batches.len()).expect("at most five"));
        for taken in &producer.batches {
            out.put_u32(taken.first_sequence.cast_unsigned());
            out.put_u32(taken.last_sequence.cast_unsigned());
            out.put_i64(taken.base_offset.0);
            out.put_i64(taken.append_time.0);
            out.put_u64(taken.lsn.0);
        }
    }
}

/// Reads a checkpoint.
///
/// # Errors
/// It is damaged, or of a newer format. Nothing of it is used then.
pub fn decode(bytes: &[u8]) -> Result<(State, Lsn), NotACheckpoint> {
    let (version, mut from) = opened(bytes, MAGIC)?;
    if !(1..=FORMAT_VERSION).contains(&version) {
        return Err(NotACheckpoint::Newer(version));
    }
    let lsn = Lsn(from.u64()?);
    let mut state = State { epoch: Epoch(from.u32()?), ..State::default() };
    state.producer_ids_upto = ProducerId(from.i64()?);
    state.producer_ids_known = lsn;
    state.catalog_known = lsn;
    state.groups_known = lsn;
    state.log_floor = SegmentSequence(from.u64()?);
    let partitions_upto = PartitionId(from.u32()?);
    state.partitions_upto = partitions_upto;
    if version > 3 {
        state.store = StoreLink {
            lineage: from.u64()?,
            from: from.u64()?,
            restored_from: from.u64()?,
            manifest: from.u64()?,
            cut: Lsn(from.u64()?),
            cut_at: Timestamp(from.i64()?),
        };
    }
    for _ in 0..from.count(16)? {
        let created = TopicCreated::decode(&mut from)?;
        // The partitions follow; more than there are bytes for cannot be true.
        let bytes = (created.partitions as usize).saturating_mul(PARTITION_BYTES_MIN);
        if created.first_partition.0 + created.partitions > partitions_upto.0 || bytes > from.remaining() {
            return Err(NotACheckpoint::Damaged);
        }
        let (first, count) = (created.first_partition.0, created.partitions);
        let taken = (first..first + count).any(|id| state.partition(PartitionId(id)).is_some());
        if taken || state.topic(created.id).is_some() || state.topic_named(&created.name).is_some() {
            return Err(NotACheckpoint::Damaged);
        }
        let topic = created.id;
        state.add_topic(created);
        if version > 2 {
            for _ in 0..from.count(4)? {
                let added = PartitionId(from.u32()?);
                if added >= partitions_upto || state.partition(added).is_some() {
                    return Err(NotACheckpoint::Damaged);
                }
                state.add_partitions(topic, added, 1);
            }
        }
        let ids: Vec<PartitionId> = state.topic(topic).into_iter().flat_map(Topic::partition_ids).collect();
        for id in ids {
            let partition = state.partition_mut(id).ok_or(NotACheckpoint::Damaged)?;
            decode_partition(partition, version, &mut from)?;
        }
    }
    if version > 1 {
        for _ in 0..from.count(37)? {
            let id = from.text()?;
            let group = Group::decode(&mut from, lsn)?;
            insert_next(&mut state.groups, id, group)?;
        }
    }
    from.finish()?;
    Ok((state, lsn))
}

/// Bytes of a partition without epochs and producers.
const PARTITION_BYTES_MIN: usize = 24;

fn decode_partition(partition: &mut Partition, version: u32, from: &mut Reader<'_>) -> Result<(), Malformed> {
    partition.log_start = Offset(from.i64()?);
    partition.log_end = Offset(from.i64()?);
    if version > 3 {
        partition.reserved_upto = Offset(from.i64()?);
    }
    if partition.log_end.0 > OFFSET_MAX || !(0..=OFFSET_MAX).contains(&partition.reserved_upto.0) {
        return Err(Malformed);
    }
    if partition.log_start.0 < 0 || partition.log_end < partition.log_start {
        return Err(Malformed);
    }
    partition.visible = partition.log_end;
    for _ in 0..from.count(12)? {
        partition.epochs.push(EpochStart { epoch: Epoch(from.u32()?), start: Offset(from.i64()?) });
    }
    for _ in 0..from.count(19)? {
        let id = ProducerId(from.i64()?);
        let epoch = from.u16()?.cast_signed();
        let last_append = Timestamp(from.i64()?);
        let count = usize::from(from.u8()?);
        if count > PRODUCER_BATCHES {
            return Err(Malformed);
        }
        let mut batches = VecDeque::with_capacity(PRODUCER_BATCHES);
        for _ in 0..count {
            batches.push_back(TakenBatch {
                first_sequence: from.u32()?.cast_signed(),
                last_sequence: from.u32()?.cast_signed(),
                base_offset: Offset(from.i64()?),
                append_time: Timestamp(from.i64()?),
                lsn: Lsn(from.u64()?),
            });
        }
        partition.producers.restore(id, Producer { epoch, last_append, batches });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
